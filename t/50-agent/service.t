#!/usr/bin/perl
# The systemd unit: it starts what there is, in the places that the program means, with the privileges that
# docs/security.md gives reasons for, and no others; and with these alone a worker still loses all of them.
use strict;
use warnings;
use lib 't/lib';
use Cwd qw(abs_path);
use POSIX ();
use Sense;
use Sense::Unit;
use Test::More;

need_agent();
my $text = slurp(Sense::Unit::FILE);
my $unit = unit_read();
is_deeply($unit->{odd} // [], [], 'the unit is a unit');
my %service = %{ $unit->{Service} };
sub words { return unit_words($unit, $_[0]) }

# ---- what it starts ----

my $help = run([ agent(), '--help' ])->{out};
for my $key (qw(ExecStart ExecReload)) {
	my ($program, $command, @options) = words($key);
	is($program, '/usr/local/bin/sense-agent', "$key: the program, where `make install` puts it");
	SKIP: {
		skip "this build has no '$command'", 1 unless $help =~ /^  \Q$command\E\b/m;
		my $about = run([ agent(), $command, '--help' ]);
		my @unknown = grep { my $option = $_ =~ s/=.*//r; $about->{out} !~ /(?:^|\s)\Q$option\E[\s,]/m } grep { /^-/ } @options;
		is_deeply([$about->{code}, @unknown], [0], "$key: the command and its options are known");
	}
}
is("@{ $service{Type} }", 'notify', 'it is told when the agent is ready');
cmp_ok($service{WatchdogSec}[0], '>=', 10, 'and that it lives');

# ---- where ----

my $config = run([ agent(), 'config' ])->{out};
my ($state) = $config =~ /^agent = \{\n.*?^  dir = "(.*?)"/ms;
is('/var/lib/' . $service{StateDirectory}[0], $state, 'StateDirectory is agent.dir');
my ($socket) = slurp('core/service/control.h') =~ /SENSE_CONTROL_DEFAULT "(.*)"/;
is('/run/' . $service{RuntimeDirectory}[0], $socket =~ s{/[^/]*$}{}r, 'RuntimeDirectory is that of control.socket');
my ($main) = slurp('core/conf/agent.h') =~ /SENSE_CONF_MAIN "(.*)"/;
is('/etc/' . $service{ConfigurationDirectory}[0], $main =~ s{/[^/]*$}{}r, 'ConfigurationDirectory that of the files');

# ---- with which privileges ----

my @caps = sort(words('CapabilityBoundingSet'));
my ($table) = slurp('docs/security.md') =~ /^## As a service$(.*?)^## /ms;
my @documented = sort map { /\bCAP_\w+/g } ($table // '') =~ /^\|([^|]*CAP_[^|]*)\|/mg;
is_deeply(\@documented, \@caps, 'its capabilities are those that docs/security.md gives a reason for');
is_deeply([grep { $text !~ /^# (?:CAP_\w+ )*$_\b.* {2}\S/m } @caps], [], 'and so does the unit itself');
is_deeply([grep { /SYS_ADMIN|DAC_OVERRIDE|SYS_MODULE|SYS_RAWIO|SETPCAP|CHOWN|FOWNER/ } @caps], [],
	'none of those that amount to root');
is("@{ $service{$_} }", 'yes', "$_")
    for qw(NoNewPrivileges PrivateTmp PrivateDevices ProtectKernelModules ProtectKernelTunables ProtectKernelLogs
	ProtectControlGroups ProtectClock LockPersonality RestrictRealtime RestrictSUIDSGID);
is("@{ $service{ProtectSystem} } @{ $service{ProtectHome} }", 'strict read-only', 'it writes to no file of others');
is_deeply([sort(words('RestrictAddressFamilies'))], [qw(AF_INET AF_INET6 AF_NETLINK AF_PACKET AF_UNIX)], 'address families');

SKIP: {
	skip 'only root can give up capabilities', 8 if $>;
	my $names = join ',', '-all', map { '+' . lc s/^CAP_//r } @caps;
	my @as_service = ('setpriv', '--no-new-privs', '--inh-caps=-all', "--bounding-set=$names");
	skip 'setpriv does not know them', 8 if run([ @as_service, 'true' ])->{code};
	my $dir = temp_dir();
	POSIX::mkfifo("$dir/fifo", 0600) or die "mkfifo: $!";
	open my $fifo, '+<:raw', "$dir/fifo" or die "fifo: $!"; # both ends: opening does not wait
	my $handle = start([ @as_service, agent(), 'replay', '--no-policies', '--json', "$dir/fifo" ]);
	syswrite $fifo, slurp('t/captures/dns_ai.pcap');
	my ($worker, $status);
	ok(wait_until(sub {
		$worker = child_of($handle->{pid}) or return 0;
		$status = proc_status($worker);
		return ($status->{Seccomp} // 0) == 2 || !kill 0, $handle->{pid};
	}, 60), 'with these capabilities alone a worker comes up');
	my @mine = map { proc_status($handle->{pid})->{$_} } qw(CapEff CapBnd);
	is($mine[0], $mine[1], 'the supervisor has what the unit gives');
	like($status->{Uid}, qr/^65534\s+65534\s+65534\s+65534$/, 'the worker is nobody');
	like($status->{Gid}, qr/^65534\s+65534\s+65534\s+65534$/, 'in no group');
	is($status->{Groups} // '', '', 'not in another either');
	# The bounding set takes CAP_SETPCAP to empty, which a user namespace gives: there are none below chroot(2).
	my @sets = (qw(CapEff CapPrm CapInh CapAmb), system('unshare -U true 2>/dev/null') ? () : 'CapBnd');
	is(join(' ', grep { $status->{$_} !~ /^0+$/ } @sets), '', 'it has no capabilities');
	my @namespaces = map { readlink("/proc/$_/ns/net") // '' } $handle->{pid}, $worker;
	SKIP: {
		my $bare = run([ 'setpriv', '--reuid=65534', '--inh-caps=-all', 'unshare', '-U', '-n', 'true' ]);
		skip 'there are no user namespaces here', 1 if $bare->{code};
		isnt($namespaces[1], $namespaces[0], 'and a network of its own');
	}
	# The second signal makes the supervisor kill it, which is another user's.
	my $ended = wait_until(sub { kill 'TERM', $handle->{pid}; !defined child_of($handle->{pid}) }, 8);
	ok($ended, 'the supervisor can end it');
	close $fifo;
	finish($handle);
}

# ---- in the eyes of systemd ----

SKIP: {
	skip 'systemd-analyze is not there', 3 if system 'command -v systemd-analyze >/dev/null 2>&1';
	my $dir = temp_dir();
	my $program = abs_path(agent());
	spew("$dir/sense-agent.service", $text =~ s{=/usr/local/bin/sense-agent}{=$program}gr);
	my $run = run([ 'systemd-analyze', 'verify', '--man=no', "$dir/sense-agent.service" ]);
	is($run->{code}, 0, 'systemd-analyze verify') or diag($run->{err});
	unlike($run->{err}, qr/sense-agent\.service:/, 'it has nothing to say about the unit') or diag($run->{err});
	$run = run([ qw(systemd-analyze security --offline=true --no-pager), "$dir/sense-agent.service" ]);
	my ($score) = $run->{out} =~ /exposure level.*: ([\d.]+)/;
	skip 'this systemd-analyze cannot judge a file', 1 unless defined $score;
	cmp_ok($score, '<=', 4.0, 'systemd-analyze security: an exposure of 4.0 at most');
}

done_testing();
