#!/usr/bin/perl
# The command line: help, usage errors, exit codes, and what goes to which stream.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use POSIX ();
use Test::More;

my $build = $ENV{SENSE_BUILD} // 'build';
my $agent = "$build/sense-agent";
my $captures = 't/captures';
plan skip_all => "$agent is not built" unless -x $agent;

# Beside a build directory elsewhere there are no policies.
my @where = ('--set', 'catalogue.dir=policies/catalogue');
my @policies = ('--policies', 'policies');
my $dir = tempdir(CLEANUP => 1);
$ENV{COLUMNS} = 0;
delete $ENV{NO_COLOR};

sub slurp { my ($file) = @_; open my $in, '<', $file or return ''; local $/; return <$in> // '' }

# Runs the agent; exit code (128 + signal when one ended it), stdout, stderr.
sub agent {
	my @args = @_;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDOUT, '>', "$dir/out" or die;
		open STDERR, '>', "$dir/err" or die;
		open STDIN, '<', '/dev/null' or die;
		exec $agent, @args or POSIX::_exit(99);
	}
	waitpid $pid, 0;
	my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
	return ($code, slurp("$dir/out"), slurp("$dir/err"));
}

sub usage_error {
	my ($what, $pattern, @args) = @_;
	my ($code, $out, $err) = agent(@args);
	is($code, 2, "$what is a usage error");
	is($out, '', "$what: nothing on stdout");
	like($err, $pattern, "$what: the message says so");
	unlike($err, qr/\n.*\n.*\n/, "$what: and is short");
}

# ---- help and version ----
for my $args (['--help'], ['-h'], ['help']) {
	my ($code, $out, $err) = agent(@$args);
	is($code, 0, "@$args");
	like($out, qr/^Usage: sense-agent COMMAND/m, "@$args: usage");
	like($out, qr/^  replay FILE\.\.\./m, "@$args: the commands");
	like($out, qr/^Examples:/m, "@$args: examples");
	unlike($out, qr/not in this build/, "@$args: nothing that does not exist");
	is($err, '', "@$args: no message");
}
for my $command (qw(run scan inventory replay findings check config status reload test bench explain new)) {
	my ($code, $out) = agent($command, '--help');
	is($code, 0, "$command --help");
	like($out, qr/^Usage: sense-agent $command/, "$command --help is about $command");
	like($out, qr/--config FILE/, "$command --help lists options");
	is((agent('help', $command))[1], $out, "help $command is the same");
}
my ($code, $out, $err) = agent('--version');
is($code, 0, '--version');
like($out, qr/^sense-agent \S+\n\z/, 'the version is one line');

# ---- usage errors ----
usage_error('no command', qr/no command/);
usage_error('an unknown command', qr/'repaly'; did you mean 'replay'\?/, 'repaly');
usage_error('a command that is like no other', qr/unknown command 'xyzzyxyzzy'\n/, 'xyzzyxyzzy');
usage_error('an option before the command', qr/a command comes first/, '--json', 'replay', 'x');
usage_error('an unknown option', qr/'--jsn'; did you mean '--json'\?/, 'replay', '--jsn', 'x');
usage_error('an unknown option with a value', qr/'--stat'|'--stast'; did you mean '--stats'/, 'replay', '--stast=1', 'x');
usage_error('an unknown letter', qr/unknown option '-x'/, 'replay', '-x', 'y');
usage_error('an option of another command', qr/unknown option '--flows' \(replay has it, check does not\)/, 'check', '--flows', 'x');
usage_error('a missing argument', qr/--policies needs an argument/, 'replay', 'x', '--policies');
usage_error('an argument too many', qr/takes no argument/, 'replay', '--json=yes', 'x');
usage_error('replay without a file', qr/needs FILE/, 'replay', '--json');
usage_error('check without a directory', qr/needs DIR/, 'check');
usage_error('config with an operand', qr/takes no 'x'/, 'config', 'x');
usage_error('a colour that is none', qr/not 'green'/, 'replay', '--color', 'green', 'x');
usage_error('a setting without a value', qr/KEY=VALUE/, 'replay', '--set', 'flow.max', 'x');
usage_error('policies and none', qr/exclude each other/, 'replay', '--no-policies', '--policies', 'p', 'x');

usage_error('run with a file', qr/takes no 'x\.pcap'/, 'run', 'x.pcap');
usage_error('scan with an operand', qr/scan takes no '\/home'/, 'scan', '/home');
usage_error('an option that scan has not', qr/unknown option '--flows' \(replay has it, scan does not\)/, 'scan', '--flows');
usage_error('an option of scan that is misspelt', qr/did you mean '--observed'/, 'scan', '--obsreved');
usage_error('a command that is misspelt', qr/'inventroy'; did you mean 'inventory'/, 'inventroy');
usage_error('an interface without a name', qr/-i needs an argument/, 'run', '-i');
usage_error('interfaces and none', qr/exclude each other/, 'run', '-i', 'lo', '--no-capture');
usage_error('a colour of findings that is none', qr/Try 'sense-agent findings --help'/, 'findings', '--color', 'green');
usage_error('an option of run that is misspelt', qr/did you mean '--interface'/, 'run', '--interfaec', 'lo');

# ---- results and exit codes ----
my @replay = ('replay', @where, @policies);
($code, $out, $err) = agent(@replay, "$captures/mix_all.pcap");
is($code, 0, 'a replay');
is($err, '', 'has nothing to complain about');
like($out, qr/^SERVICE +HOST +CLIENT +UP +DOWN +COUNT +RULE +SEVERITY\n/, 'a table comes out');
like($out, qr/\n\d+ findings in \d+ flows, \d+ packets, from 1 file\n\z/, 'and a closing line');
unlike($out, qr/\033/, 'without colours, since stdout is a file');
my ($found) = $out =~ /^(\d+) findings/m;

{
	local $ENV{COLUMNS} = 90;
	my ($width) = sort { $b <=> $a } map { utf8::decode(my $l = $_); length $l }
	    split /\n/, (agent(@replay, "$captures/mix_all.pcap"))[1];
	cmp_ok($width, '<=', 90, 'the table fits the terminal');
	like((agent(@replay, '--color', 'always', "$captures/mix_all.pcap"))[1], qr/\033\[/, 'colours on demand');
}

($code, $out) = agent(@replay, '--json', "$captures/mix_all.pcap");
my @findings = map { decode_json($_) } split /\n/, $out;
is(scalar @findings, $found, '--json prints as many findings');
my @fields = qw(id timestamp type severity rule policy source_ip source_port dest_ip dest_port host service
    category confidence evidence process user summary details tags action);
is_deeply([sort keys %{$findings[0]}], [sort @fields], 'with the fields of the schema');
like($findings[0]{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'time is RFC 3339');

($code, $out) = agent(@replay, '--flows', "$captures/mix_all.pcap");
my @flows = map { decode_json($_) } split /\n/, $out;
@fields = qw(src_ip src_port dst_ip dst_port l4 vlan first_ts last_ts packets_up packets_down bytes_up
    bytes_down ndpi_master ndpi_app host alpn ja3 ja4 tls_version quic http_method http_path user_agent
    service service_category process host_source hello);
is_deeply([sort keys %{$flows[0]}], [sort @fields], '--flows prints the fields of a flow');
my ($packets, $bytes) = (0, 0);
for (@flows) {
	$packets += $_->{packets_up} + $_->{packets_down};
	$bytes += $_->{bytes_up} + $_->{bytes_down};
}

($code, $out, $err) = agent(@replay, '--stats', '--json', "$captures/mix_all.pcap");
my %stats = map { /^([\w.]+): ([\d.]+)$/ ? ($1 => $2) : () } split /\n/, $err;
is($stats{packets}, $packets, '--stats counts the packets that the flows have');
is($stats{bytes}, $bytes, 'their bytes');
is($stats{flows}, scalar @flows, 'the flows');
is($stats{findings}, $found, 'and the findings');
is($stats{$_}, 0, "$_ is 0") for qw(restarts flows_lost packets_lost rules_quarantined script_errors dropped);
unlike($err, qr/^[\w.]+:(?! [\d.]+$)/m, 'every line is a key and a number');

($code, $out) = agent('replay', @where, '--no-policies', '--stats', "$captures/mix_all.pcap");
is($code, 0, 'without policies');
like($out, qr/\A0 findings in/, 'nothing is found');

# stdin
my $piped = `$agent @replay --json - < $captures/mix_all.pcap`;
is($? >> 8, 0, 'a capture from stdin');
is(scalar(split /\n/, $piped), $found, 'gives the same');
$piped = `cat $captures/mix_all.pcap | $agent @replay --json -`;
is(scalar(split /\n/, $piped), $found, 'through a pipe too');

# ---- trouble ----
($code, $out, $err) = agent(@replay, '--json', "$dir/absent.pcap", "$captures/mix_all.pcap");
is($code, 1, 'a file that does not exist makes the run fail');
is(scalar(split /\n/, $out), $found, 'after the other one was read');
like($err, qr/absent\.pcap: No such file/, 'and it is named');
unlike($err, qr/\n./, 'in one message');

($code, $out, $err) = agent(@replay, "$dir");
is($code, 1, 'a directory is not a capture');
like($err, qr/Is a directory; name captures, and policies by --policies/, 'which is said');
is($out, '', 'and nothing else');

($code, $out, $err) = agent(@replay, '--json', 'Makefile', "$captures/mix_all.pcap");
is($code, 1, 'a file that is no capture makes the run fail');
is(scalar(split /\n/, $out), $found, 'after the other one was read');
like($err, qr/Makefile/, 'and it is named');

($code, $out, $err) = agent('config', '--set', 'flow.maximum=5');
is($code, 1, 'an unknown setting fails');
like($err, qr/flow\.max/, 'with what was meant');

# A reader that has seen enough is no failure, and no reason to read on.
my $many = join ' ', ("$captures/mix_all.pcap") x 200;
my $first = `$agent @replay --flows $many | head -1`;
ok(decode_json($first), 'head gets its line');
my $status = system('bash', '-c', "$agent @replay --flows $many 2>$dir/err | head -1 >/dev/null; exit \${PIPESTATUS[0]}");
is($status >> 8, 0, 'a closed pipe ends the run quietly');
is(slurp("$dir/err"), '', 'without a word');

# A full disk is a failure.
SKIP: {
	skip 'no /dev/full', 2 unless -e '/dev/full';
	my $message = `$agent @replay --json $captures/mix_all.pcap 2>&1 >/dev/full`;
	is($? >> 8, 1, 'output that cannot be written is a failure');
	like($message, qr/No space left/, 'which is said');
}

# Ctrl-C: the capture never ends, what was found is printed.
pipe(my $from, my $to) or die;
my $pid = fork // die;
if (!$pid) {
	close $to;
	open STDIN, '<&', $from or die;
	open STDOUT, '>', "$dir/out" or die;
	open STDERR, '>', "$dir/err" or die;
	exec $agent, @replay, '--flows', '-' or POSIX::_exit(99);
}
close $from;
my $capture = slurp("$captures/mix_all.pcap");
my $records = substr $capture, 24;
syswrite $to, $capture;
# The pipe takes more than it can hold only when the worker reads: then it is at work.
syswrite $to, $records for 1 .. 4;
kill 'INT', $pid;
$SIG{PIPE} = 'IGNORE';
1 while syswrite $to, $records;
waitpid $pid, 0;
is($? >> 8, 130, 'after SIGINT the exit code is 130');
cmp_ok(scalar(split /\n/, slurp("$dir/out")), '>=', scalar @flows, 'and what there was is printed');

done_testing;
