#!/usr/bin/perl
# `sense-agent findings`: from a spool that nobody holds, and from an agent that does; and what may go wrong
# between printing and acknowledging.
use strict;
use warnings;
use lib 't/lib';
use IPC::Open2;
use JSON::PP;
use POSIX ();
use Sense;
use Test::More;

need_agent();
$SIG{PIPE} = 'IGNORE';
my $helper = build() . '/t/70-fault/spool_agent';
plan skip_all => "$helper is not built" unless -x $helper;
my $top = temp_dir();
my $none = "$top/no-agent.sock";
my $number = 0;

sub spool { return "$top/spool" . ++$number }
sub fill { my ($dir, $from, $to) = @_; return is(system($helper, 'fill', $dir, $from, $to), 0, "findings $from to $to") }

# Options behind the arguments: socket => PATH.
sub findings {
	my ($dir, $args, %with) = @_;
	my $socket = $with{socket} // $none;
	return run([agent(), 'findings', @$args, '--set', "control.socket=$socket", $dir ? ('--set', "spool.dir=$dir") : ()]);
}

# The numbers of what was printed as JSON.
sub numbers {
	my ($run) = @_;
	return join ' ', map { hex((split /-/, $_->{id})[4]) } objects($run);
}

# What a started process has printed so far.
sub out_of { my ($run) = @_; return -e "$run->{dir}/out" ? slurp("$run->{dir}/out") : '' }

# A process that holds a spool: pid, in, out.
sub holder {
	my (@args) = @_;
	my $pid = open2(my $out, my $in, $helper, @args);
	is(scalar <$out>, "ready\n", "$args[0]");
	return { pid => $pid, in => $in, out => $out };
}

sub release { my ($holder) = @_; close $holder->{in}; waitpid $holder->{pid}, 0; return is($?, 0, 'the holder ends') }

# ---- nothing to read -----------------------------------------------------------------------------------

my $run = findings('', []);
is($run->{code}, 1, 'no agent, and no spool.dir');
like($run->{err}, qr/^sense-agent: no agent answers at \Q$none\E.*no spool\.dir is set/, 'is said');
my $dir = spool();
$run = findings($dir, ['--ack']);
is($run->{code}, 1, 'no spool at spool.dir');
like($run->{err}, qr/\Q$dir\E/, 'is said');
ok(!-e $dir, 'and none is made');

# ---- a spool that nobody holds -------------------------------------------------------------------------

fill($dir, 1, 5);
$run = findings($dir, []);
is($run->{code}, 0, 'a table');
like($run->{out}, qr/^SERVICE .*SEVERITY\s*\n/, 'with its head');
like($run->{out}, qr/test\.rule\s+critical/, 'and a finding');
like($run->{out}, qr/^5 findings$/m, 'and how many there are');
unlike($run->{out}, qr/flows|packets/, 'but no word of a run');
for (1 .. 2) {
	$run = findings($dir, ['--json']);
	is(numbers($run), '1 2 3 4 5', 'as JSON, the oldest first; they stay');
}
is_deeply([sort keys %{ (objects($run))[0] }], [sort keys %{ (objects(replay('--json', 't/captures/ollama_chat.pcap')))[0] }],
	'with the members that replay prints');

# Output that does not arrive is not acknowledged.
SKIP: {
	skip 'no /dev/full', 3 unless -c '/dev/full';
	for my $args (['--json', '--ack'], ['--ack']) {
		my $pid = fork // die;
		if (!$pid) {
			open STDOUT, '>', '/dev/full' or POSIX::_exit(98);
			open STDERR, '>', '/dev/null' or POSIX::_exit(98);
			exec agent(), 'findings', @$args, '--set', "control.socket=$none", '--set', "spool.dir=$dir";
		}
		waitpid $pid, 0;
		is($? >> 8, 1, "findings @$args onto a full disk fails");
	}
	is(numbers(findings($dir, ['--json'])), '1 2 3 4 5', 'and acknowledges nothing');
}
pipe my $reader, my $writer or die;
my $pid = fork // die;
if (!$pid) {
	close $reader;
	open STDOUT, '>&', $writer or POSIX::_exit(98);
	close $writer;
	POSIX::close(0); # until the reader has gone
	sleep 0;
	exec agent(), 'findings', '--json', '--ack', '--set', "control.socket=$none", '--set', "spool.dir=$dir";
}
close $writer;
close $reader;
waitpid $pid, 0;
ok($? >> 8 < 2, 'a reader that goes away');

fill($dir, 6, 7);
$run = findings($dir, ['--json', '--ack']);
is($run->{code}, 0, 'with --ack');
like(numbers($run), qr/6 7$/, 'they are printed');
is(findings($dir, ['--json'])->{out}, '', 'and then they are gone');
fill($dir, 8, 9);
like(findings($dir, ['--ack'])->{out}, qr/^2 findings$/m, 'the table acknowledges as well');
like(findings($dir, [])->{out}, qr/^0 findings$/m, 'all of it');
fill($dir, 9, 9);
is(findings($dir, ['--json'])->{out}, '', 'what was acknowledged does not come again');

# ---- a spool that is not one ---------------------------------------------------------------------------

$dir = spool();
fill($dir, 1, 3);
truncate "$dir/spool.mdb", 20000;
$run = findings($dir, ['--json', '--ack']);
is($run->{code}, 1, 'a spool that was cut short');
like($run->{err}, qr/spool\.mdb: the file is shorter/, 'is said');
ok(!glob("$dir/*unreadable*"), 'and not touched');
fill($dir, 4, 5);
is(scalar(() = glob "$dir/spool.unreadable-*"), 1, 'an agent sets it aside');
is(numbers(findings($dir, ['--json'])), '4 5', 'and begins anew');

# ---- a spool that somebody holds -----------------------------------------------------------------------

my $holder = holder('hold', $dir);
$run = findings($dir, ['--json']);
is($run->{code}, 1, 'a spool that another process holds');
like($run->{err}, qr/in use by process $holder->{pid}\b/, 'which is named');
release($holder);

$dir = spool();
fill($dir, 1, 600);
my $socket = "$top/agent.sock";
$holder = holder('serve', $dir, $socket);
is(numbers(findings('', ['--json'], socket => $socket)), join(' ', 1 .. 600), 'an agent gives all, in batches');
like(findings('', [], socket => $socket)->{out}, qr/^600 findings$/m, 'also for a table');
is(numbers(findings('', ['--json', '--ack'], socket => $socket)), join(' ', 1 .. 600), 'and takes acknowledgements');
is(findings('', ['--json'], socket => $socket)->{out}, '', 'for all of them');

# ---- following -----------------------------------------------------------------------------------------

syswrite $holder->{in}, "699\n";
my $lines = start([agent(), 'findings', '--follow', '--set', "control.socket=$socket"]);
ok(wait_until(sub { out_of($lines) =~ /^2023-11-14T22:13:20Z  critical  test\.rule  x+$/m }, 60), 'a line each');
my $follow = start([agent(), 'findings', '--follow', '--json', '--ack', '--set', "control.socket=$socket",
	'--set', "spool.dir=$dir"]);
my $seen = sub { my ($n) = @_; out_of($follow) =~ /-0*\Q@{[sprintf '%x', $n]}\E"/ };
ok(wait_until(sub { $seen->(699) }, 60), 'or as JSON');
my $put = sub { my ($to, $n) = @_; syswrite $to->{in}, "$n\n"; wait_until(sub { $seen->($n) }, 60) };
ok($put->($holder, 700), 'what comes is printed');
ok($put->($holder, 701), 'again and again');
release($holder);
fill($dir, 702, 702);
ok(wait_until(sub { $seen->(702) }, 60), 'also when the agent has gone');
$holder = holder('serve', $dir, $socket);
ok($put->($holder, 703), 'and when one is there again: the spool was free for it');
ok(wait_until(sub { findings('', ['--json'], socket => $socket)->{out} eq '' }, 60), 'they are acknowledged');
kill 'TERM', $_->{pid} for $follow, $lines;
my $followed = finish($follow);
is(numbers($followed), '699 700 701 702 703', 'each once') or diag($followed->{code}, ' ', $followed->{err});
my $ended = finish($lines);
is($ended->{code}, 128 + POSIX::SIGTERM(), "who follows is ended by a signal") or diag($ended->{err});
release($holder);

# ---- an agent without a spool --------------------------------------------------------------------------

POSIX::mkfifo("$top/in", 0600) or die "mkfifo: $!";
open my $hold, '+<:raw', "$top/in" or die "$top/in: $!";
my $replay = start([agent(), 'replay', '--no-policies', '--json', '--set', 'catalogue.dir=policies/catalogue',
	'--set', "control.socket=$socket", "$top/in"]);
ok(wait_until(sub { -S $socket }, 60), 'an agent that has no spool');
$run = findings('', ['--json'], socket => $socket);
is($run->{code}, 1, 'is asked');
like($run->{err}, qr/keeps no findings/, 'and says so');
kill 'TERM', $replay->{pid};
close $hold;
finish($replay);

done_testing();
