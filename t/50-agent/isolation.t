#!/usr/bin/perl
# What one bad rule, or a worker that dies, may cost: the batch in hand and flows in progress, each
# counted; every other finding comes, and comes once. And what a worker is allowed to do: nothing.
use strict;
use warnings;
use lib 't/lib';
use POSIX ();
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my $dir = temp_dir();
my $batch = 32; # frames that are taken from a capture at one time: core/engine

# 400 connections of one packet each, a GET to a host of its own: a packet, a flow, a finding.
my $requests = 400;
my $capture = pcap_write("$dir/requests.pcap", [map {
	my @packets = tcp_stream(syn => 0, end => 0, server => 0, sport => 20000 + $_, dport => 80,
		up => [http_get(sprintf('n%03d.example', $_), '/')]);
	map { ether($_) } @packets;
} 1 .. $requests]);

my $good = q(rule "test.good" { title = "good", severity = "low", on = "http" }) . "\n";

sub rule {
	my ($id, $when, $match) = @_;
	return qq(rule "$id" { title = "t", severity = "low", on = "http", match = { $match },\n  when = $when }\n);
}

# Hosts that test.good found, each with how often.
sub hosts {
	my ($run) = @_;
	my %hosts;
	$hosts{ $_->{host} }++ for grep { $_->{rule} eq 'test.good' } objects($run);
	return \%hosts;
}

# What a restart may have lost: at most one batch in hand, all of it counted, and nothing doubled.
sub holds {
	my ($what, $run) = @_;
	my ($hosts, $stats) = (hosts($run), stats($run));
	my @missing = grep { !$hosts->{$_} } map { sprintf 'n%03d.example', $_ } 1 .. $requests;
	is_deeply([grep { $hosts->{$_} > 1 } keys %$hosts], [], "$what: nothing is found twice");
	cmp_ok(scalar @missing, '<=', $stats->{packets_lost}, "$what: what is missing was counted as lost");
	cmp_ok($stats->{packets_lost}, '<=', $batch * $stats->{restarts}, "$what: which is a batch a restart");
	is($stats->{packets}, $requests, "$what: every packet was read once");
	my $told = scalar objects($run);
	cmp_ok(abs($told - $stats->{findings}), '<=', $batch * $stats->{restarts},
		"$what: --stats survives a restart");
	return @missing;
}

my $run = replay('--policies', policy($good), '--json', '--stats', $capture);
is($run->{code}, 0, 'a good rule');
is(scalar keys %{ hosts($run) }, $requests, 'finds every request');
is(stats($run)->{$_}, 0, "$_ is 0") for qw(restarts rules_quarantined flows_lost packets_lost);

# ---- a loop that no hook can stop ----
# Compiled to machine code it never comes back; limits as shipped.
my $loop = 'function() local n = 0 while true do n = n + 1 end end';
my $limits = 'rules.hard_limit=50ms';
my $looping = policy($good . rule('test.loop', $loop, 'host = "n200.example"'));
$run = replay('--set', $limits, '--policies', $looping, '--json', '--stats', $capture);
my $stats = stats($run);
SKIP: {
	skip 'here the loop ends by its soft limit', 12
	    unless $stats->{rules_quarantined} || !$stats->{script_errors};
	is($run->{code}, 1, 'an endless loop: exit code 1, the answer is not whole');
	is($stats->{restarts}, 1, 'one worker was replaced');
	is($stats->{rules_quarantined}, 1, 'one rule is in quarantine');
	is($stats->{'rule_quarantined.test.loop'}, 1, 'which is named');
	my $said = join "\n", problems($run);
	like($said, qr/rule test\.loop is in quarantine.*50 ms/, 'and said, with the limit');
	like($said, qr/a new worker goes on; lost: \d+ flows in progress, \d+ packets/, 'and what was lost');
	my @missing = holds('a loop', $run);
	my ($from, $to) = (int(199 / $batch) * $batch + 1, (int(199 / $batch) + 1) * $batch);
	is_deeply([grep { my ($n) = /(\d+)/; $n < $from || $n > $to } @missing], [],
		'a loop: only the batch in hand is missing');
	is($stats->{flows_lost}, $from - 1, 'a loop: the flows in progress are counted');
}

# Two such rules: two restarts, one after the other.
$run = replay('--set', $limits, '--policies', policy($good . rule('test.loop', $loop, 'host = "n100.example"')
	. rule('test.other', $loop, 'host = "n300.example"')), '--json', '--stats', $capture);
$stats = stats($run);
SKIP: {
	skip 'here loops end by their soft limit', 6 unless $stats->{rules_quarantined} || !$stats->{script_errors};
	is("$stats->{restarts} $stats->{rules_quarantined}", '2 2', 'two endless loops cost two restarts');
	holds('two loops', $run);
}

# In quarantine a rule is not asked again, however many events match.
$run = replay('--set', $limits, '--policies', policy($good . rule('test.loop', $loop, 'dst_port = 80')),
	'--json', '--stats', $capture);
SKIP: {
	skip 'here loops end by their soft limit', 6 unless stats($run)->{rules_quarantined};
	is(stats($run)->{restarts}, 1, 'a rule in quarantine is not run again');
	holds('a loop for all', $run);
}

# ---- memory and mistakes: no restart ----
my $hoard = 'function() local t = {} for i = 1, 1e7 do t[i] = { i } end end';
$run = replay('--set', 'rules.memory=8MiB', '--set', 'rules.soft_limit=1s', '--set', 'rules.hard_limit=60s',
	'--policies', policy($good . rule('test.hoard', $hoard, 'host = { "n010.example", "n390.example" }')),
	'--json', '--stats', $capture);
is(scalar keys %{ hosts($run) }, $requests, 'a rule over its memory takes nothing from others');
is(stats($run)->{'rule_errors.test.hoard'}, 2, 'it is counted each time');
is(stats($run)->{restarts}, 0, 'without a restart');
like(join("\n", problems($run)), qr/test\.hoard.*memory/, 'and said why');
is(scalar(grep { /test\.hoard/ } problems($run)), 1, 'once');

my $bad = rule('test.bad', 'function(flow) return flow.host + {} end', 'dst_port = 80');
$run = replay('--policies', policy($good . $bad), '--json', '--stats', $capture);
is(scalar keys %{ hosts($run) }, $requests, 'a rule that fails takes nothing from others');
is(stats($run)->{'rule_errors.test.bad'}, $requests, 'each failure is counted');
is(stats($run)->{script_errors}, $requests, 'in the sum too');
is(scalar(grep { /test\.bad/ } problems($run)), 1, 'and said once');
my ($line) = grep { /test\.bad/ } problems($run);
like($line, qr/test\.lua:\d+/, 'with file and line');
is($run->{code}, 0, 'exit code 0: everything was examined'); # the failures stand in --stats and on stderr

# ---- what a policy cannot reach ----
for my $name (qw(os io ffi require package debug loadstring load dofile getmetatable setfenv coroutine jit)) {
	my $at_load = replay('--policies', policy("local x = $name\n" . $good), $capture);
	is($at_load->{code}, 1, "$name is out of reach at load");
	like(join("\n", problems($at_load)), qr/test\.lua:1: .*'$name' is not available to policies/,
		"$name: said so");
}
my @tries = ('os.execute("true")', 'io.open("/etc/passwd")', 'ffi.C.getpid()', '("x").dump(function() end)',
	'require("ffi")', 'string.format.x.y()', 'error(setmetatable)');
my $text = $good;
$text .= rule("test.try$_", "function(flow) $tries[$_] return true end", 'host = "n001.example"')
    for 0 .. $#tries;
$run = replay('--policies', policy($text), '--json', '--stats', $capture);
is_deeply([grep { $_->{rule} ne 'test.good' } objects($run)], [], 'nor when an event comes');
is(stats($run)->{script_errors}, scalar @tries, 'each try is an error');
is(scalar keys %{ hosts($run) }, $requests, 'and nothing else');

# ---- a worker killed from outside ----
# The slow rule keeps it at work for long enough to be found; limits that do not end it.
my $busy = 'function() local n = 0 for i = 1, 3e6 do n = n + i % 7 end return n < 0 end';
my $slow = rule('test.slow', $busy, 'dst_port = 80');
my @slow = (agent(), 'replay', '--set', 'catalogue.dir=policies/catalogue', '--set', 'rules.soft_limit=1s',
	'--set', 'rules.hard_limit=60s', '--policies', policy($good . $slow), '--json', '--stats');
my $handle = start([@slow, $capture]);
my $worker;
ok(wait_until(sub { -s "$handle->{dir}/out" && ($worker = child_of($handle->{pid})) }),
	'a worker is at work');
kill 'SEGV', $worker if $worker;
$run = finish($handle);
$stats = stats($run);
is($run->{code}, 1, 'a worker killed from outside: exit code 1');
is($stats->{restarts}, 1, 'a restart is counted');
like(join("\n", problems($run)), is_sanitized() ? qr/a new worker goes on/ : qr/signal 11/, 'and said');
holds('a killed worker', $run);

# ---- what a worker may do ----
POSIX::mkfifo("$dir/fifo", 0600) or die "mkfifo: $!";
open my $fifo, '+<:raw', "$dir/fifo" or die "fifo: $!"; # both ends: opening does not wait
$handle = start([agent(), 'replay', '--set', 'catalogue.dir=policies/catalogue', '--policies', policy($good),
	'--json', "$dir/fifo"]);
syswrite $fifo, slurp($capture);
my $status = {};
ok(wait_until(sub {
	$worker = child_of($handle->{pid}) or return 0;
	$status = proc_status($worker);
	return ($status->{Seccomp} // 0) == 2;
}, 30), 'a worker that reads a pipe has a filter of system calls');
is($status->{NoNewPrivs}, 1, 'it cannot gain privileges');
is($status->{Seccomp}, 2, 'its system calls are filtered');
like($status->{$_}, qr/^0+$/, "$_ is empty") for qw(CapEff CapPrm CapInh CapAmb);
is(proc_status($handle->{pid})->{Seccomp}, 0, 'the supervisor is another process');
SKIP: {
	my @open = map { readlink } glob "/proc/$worker/fd/*";
	skip 'its descriptors cannot be seen', 2 unless @open;
	is_deeply([grep { !m{^(?:/dev/null|socket:|\Q$dir\E/fifo$|\Q$handle->{dir}\E/err$)} } @open], [],
		'it has nothing open but stderr, the capture and one socket') or diag("@open");
	is(scalar(grep { /^socket:/ } @open), 1, 'one socket');
}
kill 'SEGV', $worker;
close $fifo;
$run = finish($handle);
is($run->{code}, 1, 'when it dies while it reads a pipe: exit code 1');
like(join("\n", problems($run)), qr/fifo: cannot be read on from the middle/,
	'the rest is said to be not examined');

done_testing;
