#!/usr/bin/perl
# `run` with what the unit leaves it: capabilities, system calls, address families, namespaces. Nothing that it wants
# is refused; it tells the service manager how it fares; and each of its processes has what it needs and no more.
use strict;
use warnings;
no warnings 'portable'; # capabilities have 64 bits
use lib 't/lib';
use Cwd qw(abs_path);
use IO::Socket::UNIX;
use Sense;
use Sense::Unit;
use Socket qw(SOCK_DGRAM);
use Test::More;

need_agent();
plan skip_all => 'this build has no run' if run([ agent(), '--help' ])->{out} !~ /^  run\b/m;
plan skip_all => 'a sanitizer wants other system calls' if is_sanitized();
my $dir = temp_dir();
my @confined = unit_confined($dir) or plan skip_all => 'the unit cannot be played here: not root, or tools are missing';
my %bit = (DAC_READ_SEARCH => 2, KILL => 5, SETGID => 6, SETUID => 7, NET_ADMIN => 12, NET_RAW => 13, SYS_PTRACE => 19,
	PERFMON => 38, BPF => 39);
sub mask { my $sum = 0; $sum |= 1 << $bit{$_} for @_; return $sum }
sub caps { return hex(proc_status($_[0])->{ $_[1] } // 0) }

sub children {
	my ($parent) = @_;
	return grep { (proc_status($_)->{PPid} // 0) == $parent && (proc_status($_)->{State} // 'Z') !~ /^Z/ }
	    map { m{(\d+)$} } glob '/proc/[0-9]*';
}

my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/notify") or die "notify: $!";
$manager->blocking(0);
my @told;
sub told {
	my ($what) = @_;
	while (defined $manager->recv(my $message, 4096)) { push @told, $message }
	return grep { $_ =~ $what } @told;
}

# A home that only its user may read, with a configuration that names a secret.
mkdir "$dir/homes" or die $!;
mkdir "$dir/homes/ada" or die $!;
spew("$dir/homes/ada/.mcp.json", '{ "mcpServers": { "files": { "command": "npx", "args": ["-y", "files"] } } }');
for ("$dir/homes/ada/.mcp.json", "$dir/homes/ada") {
	chmod -d $_ ? 0700 : 0600, $_;
	chown 65533, 65533, $_;
}

my @set = map { ('--set', $_) } "agent.dir=$dir/state", "control.socket=$dir/control", 'catalogue.dir=policies/catalogue',
    "host.homes=$dir/homes/ada";
my $handle = do {
	local @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC)} = ("$dir/notify", 2000000);
	start([ @confined, abs_path(agent()), 'run', '--json', '--policies', 'policies', @set ]);
};
my $ready = wait_until(sub { told(qr/^READY=1$/m) || !kill 0, $handle->{pid} }, 60);
ok($ready && told(qr/^READY=1$/m), 'it is ready, and says so') or diag(slurp("$handle->{dir}/err"));
like((told(qr/^READY=1$/m))[0] // '', qr/^MAINPID=$handle->{pid}$/m, 'with its process');
ok(wait_until(sub { told(qr/^WATCHDOG=1$/) }, 60), 'it gives signs of life');

# ---- its processes ----

my %process;
ok(wait_until(sub {
	%process = map { (proc_status($_)->{Name} // '') => $_ } children($handle->{pid});
	return $process{'sense-host'} && $process{'sense-agent'} && (proc_status($process{'sense-agent'})->{Uid} // '') =~ /^65534/
	    && !caps($process{'sense-agent'}, 'CapPrm'); # that goes a moment later
}, 60), 'a worker and a process that looks at the host') or diag(join ' ', %process);
is(caps($handle->{pid}, 'CapEff'), mask(keys %bit), 'the supervisor has what the unit gives');
is(caps($process{'sense-host'} // 0, 'CapEff') & ~mask(qw(DAC_READ_SEARCH SYS_PTRACE NET_ADMIN PERFMON BPF)), 0,
	'the process that looks at the host only what reading takes');
my $worker = proc_status($process{'sense-agent'} // 0);
# The bounding set takes CAP_SETPCAP to empty, which a user namespace gives: there are none below chroot(2).
my @sets = (qw(CapEff CapPrm CapInh CapAmb), system('unshare -U true 2>/dev/null') ? () : 'CapBnd');
is(join(' ', grep { ($worker->{$_} // '') !~ /^0+$/ } @sets), '', 'the worker nothing');
like($worker->{Uid} // '', qr/^65534(?:\s+65534){3}$/, 'and it is nobody');
is(join(' ', map { proc_status($_)->{NoNewPrivs} // 'none' } sort values %process), '1 1', 'neither can gain any');

# ---- nothing was refused ----

ok(wait_until(sub { slurp("$handle->{dir}/out") =~ /"mcp/ }, 60), 'it reads what only its user may read');
my $status = run([ agent(), 'status', @set ]);
is($status->{code}, 0, '`status` answers') or diag($status->{err});
my $said = slurp("$handle->{dir}/err") . slurp("$handle->{dir}/out");
unlike($said, qr/not permitted|Function not implemented|Address family not supported|seccomp/,
	'nothing that it wanted was refused') or diag($said);

# ---- the end ----

kill 'TERM', $handle->{pid};
my $run = finish($handle);
is($run->{code}, 0, 'SIGTERM ends it, and that is no failure') or diag($run->{err});
ok(told(qr/^STOPPING=1$/m), 'it says that it ends');
is_deeply([children($handle->{pid})], [], 'and leaves nobody behind');

done_testing();
