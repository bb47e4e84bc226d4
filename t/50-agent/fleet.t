#!/usr/bin/perl
# A whole fleet, with nothing played: a server with its own PostgreSQL and Redis, and an agent that enrols there, reports
# what captures hold, runs the policies that it is given, does what it is told, survives the end of its uplink by force,
# and is sent away.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use Load;
use Sense;
use Test::More;

need_agent();
need_load();
plan skip_all => 'a sanitizer and a live agent' if is_sanitized();

my $top = temp_dir();
my @set = ('--set', "agent.dir=$top/agent", '--set', "control.socket=$top/socket");
my $fleet = fleet_start();
my $agent;

# An agent that is left behind by a test that gives up would go on for ever.
END {
	my $code = $?;
	kill 'KILL', $agent->{pid} if $agent && kill 0, $agent->{pid};
	$? = $code;
}

sub server {
	my (@words) = @_;
	my $run = run([build() . '/sense-server', @words, '--set', "server.dir=$fleet->{data}"]);
	is($run->{code}, 0, "sense-server @words[0 .. 1]") or diag($run->{err});
	return $run->{out};
}

sub status {
	my $run = run([agent(), 'status', '--json', @set]);
	return $run->{code} ? undef : decode_json($run->{out});
}

# ---- enrolment, and what captures hold ----
server('org', 'create', 'acme');
my ($token) = split /\n/, server('token', 'create', '--org', 'acme', '--server', "127.0.0.1:$fleet->{port}");
my $run = run([agent(), 'enroll', '--token', $token, @set]);
is($run->{code}, 0, 'an agent enrols') or diag($run->{err});
my @found = sort map { $_->{id} } objects(run([agent(), 'replay', '--json', '--keep', @set, glob(captures() . '/*.pcap')]));
cmp_ok(scalar @found, '>', 30, 'captures hold findings');
$agent = start([agent(), 'run', '--no-capture', '--set', 'host.sensors=procs', @set]);
ok(wait_until(sub { (status() // {})->{uplink}{connected} }, 30), 'the agent runs, and is connected')
    or diag(slurp("$agent->{dir}/err"));
my $have = sub { return split /\n/, fleet_sql($fleet, q(SELECT id FROM sense.findings WHERE rule NOT LIKE 'ai.coverage.%')) };
wait_until(sub { $have->() >= @found }, 30);
is_deeply([sort $have->()], \@found, 'the server keeps exactly what was found');
wait_until(sub { !status()->{spool}{findings} }, 15);
is(status()->{spool}{findings}, 0, 'and the spool is empty');
is(fleet_sql($fleet, 'SELECT count(*) FROM sense.agents WHERE last_seen IS NOT NULL'), 1, 'the agent is known to be there');

# ---- policies ----
mkdir "$top/$_" for qw(one two);
spew("$top/one/first.lua", <<'END');
rule "fleet.first" { title = "first", severity = "low", on = "process.start", match = { process = { name = "sleep" } } }
END
spew("$top/two/second.lua", <<'END');
rule "fleet.second" { title = "second", severity = "low", on = "process.start", match = { process = { name = "sleep" } },
  params = { word = "unset", fine = set { "nobody" } },
  finding = function(_, params) return { summary = params.word .. (params.fine.somebody and " and fine" or "") } end }
END
my ($one) = server('policy', 'add', "$top/one") =~ /([0-9a-f]{64})/;
my ($two) = server('policy', 'add', "$top/two") =~ /([0-9a-f]{64})/;
ok($one && $two && $one ne $two, 'two bundles');

sub fires {
	my ($rule) = @_;
	return wait_until(sub {
		system 'sleep 0.05';
		fleet_sql($fleet, "SELECT count(*) FROM sense.findings WHERE rule = '$rule'");
	}, 30);
}

server('policy', 'roll-out', $one);
ok(fires('fleet.first'), 'what is rolled out is run, and finds');
server('policy', 'roll-out', $two);
ok(fires('fleet.second'), 'so does the next');
is(fleet_sql($fleet, 'SELECT count(*) FROM sense.policy_state WHERE loaded AND rules_failed = 0'), 1, 'which is acknowledged');

# ---- with settings ----
sub says {
	my ($text) = @_;
	return wait_until(sub {
		system 'sleep 0.05';
		fleet_sql($fleet, "SELECT count(*) FROM sense.findings WHERE rule = 'fleet.second' AND summary = '$text'");
	}, 30);
}
ok(says('unset'), 'its params are its own');
server('policy', 'roll-out', $two, '--param', 'fleet.second.word=set by the server', '--param', '*.fine=["somebody"]');
ok(says('set by the server and fine'), 'until the server sets them');
is(status()->{rules}, 1, 'in the same rule');
for (['a number for a text', qr/second\.lua:2: rule "fleet\.second": params\.word: is a text, and the server set it to 5\n/, 'fleet.second.word=5'],
	['a param that no rule has', qr/fleet\.second\.wort: the server sets it, .*did you mean 'fleet\.second\.word'/, 'fleet.second.wort=x']) {
	my ($what, $like, $param) = @$_;
	my $run = run([build() . '/sense-server', 'policy', 'roll-out', $two, '--param', $param, '--set', "server.dir=$fleet->{data}"]);
	is($run->{code}, 1, "$what is refused");
	like($run->{err}, $like, 'and it is told why');
	like($run->{err}, qr/does not load with these settings: nothing was signed/, 'and that nothing came of it');
}
is(fleet_sql($fleet, 'SELECT max(generation) FROM sense.policy_rollouts'), 3, 'so it is');
server('policy', 'rollback');
my $unset = fleet_sql($fleet, q(SELECT count(*) FROM sense.findings WHERE rule = 'fleet.second' AND summary = 'unset'));
ok(wait_until(sub {
	system 'sleep 0.05';
	fleet_sql($fleet, q(SELECT count(*) FROM sense.findings WHERE rule = 'fleet.second' AND summary = 'unset')) > $unset;
}, 30), 'and they are again what they were');
my $before = fleet_sql($fleet, q(SELECT count(*) FROM sense.findings WHERE rule = 'fleet.first'));
server('policy', 'rollback');
ok(wait_until(sub {
	system 'sleep 0.05';
	fleet_sql($fleet, q(SELECT count(*) FROM sense.findings WHERE rule = 'fleet.first')) > $before;
}, 30), 'after a rollback the first is run again');

# ---- commands ----
server('command', 'give', fleet_sql($fleet, 'SELECT id FROM sense.agents'), 'reload', '--wait');
is(fleet_sql($fleet, 'SELECT status FROM sense.commands'), 'done', 'the agent has done what it was told');
server('command', 'give', fleet_sql($fleet, 'SELECT id FROM sense.agents'), 'scan', '--wait');
is(fleet_sql($fleet, q(SELECT status FROM sense.commands WHERE name = 'scan')), 'done', 'it looks at its host when it is told to');

# ---- the uplink ends by force, and the server ----
my $uplink = status()->{uplink}{pid};
kill 'KILL', $uplink;
ok(wait_until(sub { my $is = status()->{uplink}; $is->{connected} && $is->{pid} != $uplink }, 30), 'an uplink that is killed is replaced');
ok(fleet_kill($fleet), 'the server is killed, stores and all');
system 'sleep 0.05' for 1 .. 5;
ok(wait_until(sub { !status()->{uplink}{connected} }, 30), 'the agent notices');
ok(fleet_begin($fleet), 'it begins again');
ok(wait_until(sub { my $is = status(); $is->{uplink}{connected} && !$is->{spool}{findings} }, 90), 'and gets what was found meanwhile');
is(fleet_sql($fleet, 'SELECT count(*) - count(DISTINCT id) FROM sense.findings'), 0, 'nothing is there twice');
my $through = fleet_sql($fleet, 'SELECT count(*) FROM sense.findings');
my $stored = status()->{spool}{acknowledged};
is($stored, $through, 'each that was acknowledged is there');

# ---- and is sent away ----
server('agent', 'revoke', fleet_sql($fleet, 'SELECT id FROM sense.agents'));
ok(wait_until(sub { !status()->{uplink}{connected} }, 30), 'one that is revoked is hung up on');
sleep 1;
is(status()->{uplink}{connected}, JSON::PP::false, 'and not let in again');
kill 'TERM', $agent->{pid};
is(finish($agent)->{code}, 0, 'the agent ends in order');
is(fleet_stop($fleet), 0, 'and the server');
done_testing;
