#!/usr/bin/perl
# `sense-server policy`, `group` and `command` as people use them: what is refused, and how it is said; rollouts that the
# server takes from step to step.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Postgres;
use Sense;
use Server;

need_server();
need_postgres();

my $server = server_start(where => temp_dir());
my $dir = $server->{where};

sub admin { return run([server(), @_, '--set', "server.dir=$dir"]) }

sub refused {
	my ($what, $code, $message, @args) = @_;
	my $run = admin(@args);
	is($run->{code}, $code, $what);
	like($run->{err}, $message, "$what: says why");
	is($run->{out}, '', "$what: nothing on standard output");
}

sub rule { return "rule \"$_[0]\" { title = 'x', severity = 'low', on = 'flow.end', throttle = { by = { 'src_ip' }, every = '1h' } }\n" }
sub one { my ($run) = @_; return $run->{out} =~ /^\{/ ? (objects($run))[0] : {} }
sub rollout { my ($n) = @_; return (grep { $_->{generation} == $n } @{ one(admin(qw(policy status --json)))->{rollouts} })[0] }

# ---- organizations ----

my $good = policy(rule('t.a'), 'a');
refused('without an organization', 1, qr/no organization yet.*org create/, 'policy', 'list');
admin('org', 'create', 'acme');
is(admin('policy', 'list')->{code}, 0, 'with one nobody has to say which');

# ---- add ----

my $run = admin('policy', 'add', $good, '--json', '--note', "first\e[31m");
is($run->{code}, 0, 'policy add');
my $added = one($run);
is_deeply([map { 0 + $_ } @$added{qw(new rules files)}], [1, 1, 1], 'says what was added');
is(one(admin('policy', 'add', $good, '--json'))->{new}, 0, 'the same once more is the same');
$run = admin('policy', 'list');
is(() = $run->{out} =~ /^\Q${\substr $added->{hash}, 0, 12}\E/mg, 1, 'policy list has it once');
is(index($run->{out}, "\e"), -1, 'without what a terminal would obey');
is((objects(admin('policy', 'list', '--json')))[0]{hash}, $added->{hash}, 'as JSON with the whole hash');

refused('mistakes', 1, qr/test\.lua:1: rule "t\.b": .*did you mean 'severity'.*\n.*nothing was added/s,
	'policy', 'add', policy('rule "t.b" { title = "x", severty = "low", on = "flow.end" }'));
refused('a loop', 1, qr/test\.lua: ran longer than its limit/, 'policy', 'add', policy('while true do end'));
refused('no policies', 1, qr/no policies \(\*\.lua\) there/, 'policy', 'add', temp_dir());
refused('a name that agents do not take', 1, qr/my rule\.lua: agents take/, 'policy', 'add', policy(rule('t.c'), 'my rule'));
is(scalar objects(admin('policy', 'list', '--json')), 1, 'none of these was added');

my $tested = policy(rule('t.d'), 'd');
spew("$tested/d_test.lua", "test('fires', function(t) t:flow_end {} t:expect { rule = 't.nothing' } end)\n");
$run = admin('policy', 'add', $tested, '--test');
is($run->{code}, 1, 'with a test that fails it is not added');
like($run->{out} . $run->{err}, qr/1 failed.*do not pass/s, 'and the test is told');
$run = admin('policy', 'add', $tested);
is($run->{code}, 0, 'unless nobody asks for tests');
my ($second) = $run->{out} =~ /^([0-9a-f]{64})$/m;

# ---- show, diff ----

my $out = temp_dir();
refused('show into a directory with something in it', 1, qr/is not empty/, 'policy', 'show', $second, '--out', $tested);
is(admin('policy', 'show', $second, '--out', "$out/new")->{code}, 0, 'into a new one');
is_deeply([map { s{.*/}{}r } glob "$out/new/*"], ['d.lua'], 'go the policies');
is(slurp("$out/new/d.lua"), rule('t.d'), 'as they were');
is(one(admin('policy', 'show', $second, '--json'))->{files}[0]{name}, 'd.lua', 'show lists them');
like(admin('policy', 'diff', $added->{hash}, $second)->{out}, qr{^--- a/a\.lua\n\+\+\+ /dev/null\n\@\@ -1\S* \+0,0 \@\@\n-rule "t\.a".*--- /dev/null\n\+\+\+ b/d\.lua\n\@\@ -0,0 \+1\S* \@\@\n\+rule "t\.d"}s,
	'diff tells what went and what came, as diff(1) does');
is(admin('policy', 'diff', $second, $second)->{out}, '', 'and nothing of what is the same');
refused('a hash that is too short', 1, qr/at least 8 of its first digits/, 'policy', 'show', 'abc');
refused('a hash that is none', 1, qr/no bundle 0{64}/, 'policy', 'show', '0' x 64);

# ---- what cannot be ----

for (
	['an action that is none', qr/did you mean 'roll-out'/, qw(policy rollout x)],
	['no bundle', qr/takes a HASH/, qw(policy roll-out)],
	['percent', qr/--percent takes/, 'policy', 'roll-out', $second, '--percent', '101'],
	['steps without a beginning', qr/goes with --percent/, 'policy', 'roll-out', $second, '--steps', '5,100'],
	['steps down', qr/each above the one before/, 'policy', 'roll-out', $second, '--percent', '5', '--steps', '50,25'],
	['a pause', qr/--pause takes/, 'policy', 'roll-out', $second, '--pause', 'long'],
	['a share', qr/--halt-at takes/, 'policy', 'roll-out', $second, '--halt-at', '-1'],
	['a label', qr/KEY=VALUE/, 'policy', 'roll-out', $second, '--label', 'linux'],
	['a setting that is a map', qr/a setting is/, 'policy', 'roll-out', $second, '--param', 'x={"a": 1}'],
	['a setting that is a list of what it cannot hold', qr/a setting is/, 'policy', 'roll-out', $second, '--param', 'x=[true]'],
	['a setting that is too long', qr/a setting is .* of at most 1024 bytes/, 'policy', 'roll-out', $second, '--param', 'x=' . 'y' x 1025],
	['a list that is too long', qr/a list of at most 1000 /, 'policy', 'roll-out', $second, '--param', 'x=[' . join(',', 1 .. 1001) . ']'],
	['a key that is too long', qr/a key has at most 128 bytes/, 'policy', 'roll-out', $second, '--param', 'k' x 129 . '=1'],
	['a setting that is not UTF-8', qr/a setting is/, 'policy', 'roll-out', $second, '--param', "x=\xff"],
	['a command that agents do not know', qr/not 'shell'/, qw(command give x shell)],
	['a level that is none', qr/takes error, warn/, qw(command give x log-level all)],
	['a generation that is none', qr/not a generation/, qw(policy halt x)],
) {
	my ($what, $message, @args) = @$_;
	my $failed = admin(@args);
	is($failed->{code} == 0, '', $what);
	like($failed->{err}, $message, "$what: says why");
}
refused('a group that is none', 1, qr/no group 'x'/, 'policy', 'roll-out', $second, '--group', 'x');
refused('an agent that is none', 1, qr/no agent 'x'/, qw(command give x scan));
refused('nothing to go back to', 1, qr/no rollout to go back to/, qw(policy rollback));
is_deeply(one(admin(qw(policy status --json)))->{rollouts}, [], 'none of these began a rollout');

# ---- without the key ----

rename "$dir/policy.key", "$dir/policy.key.away";
refused('without the policy key', 1, qr/policy\.key.*signed with the policy key/s, 'policy', 'roll-out', $second);
rename "$dir/policy.key.away", "$dir/policy.key";

# ---- from step to step ----

is(one(admin('policy', 'roll-out', $added->{hash}, '--json'))->{generation}, 1, 'generations count from 1');
$run = admin('policy', 'roll-out', $second, '--percent', '10', '--steps', '40,100', '--pause', '1h', '--halt-at', '2.5%');
is($run->{code}, 0, 'a rollout in steps') or diag($run->{err});
is_deeply([@{ rollout(2) }{qw(state percent)}], ['running', 10], 'begins with the first');
is(admin(qw(policy halt --note), 'wait for it')->{code}, 0, 'it is halted');
is_deeply([@{ rollout(2) }{qw(state why)}], ['halted', 'wait for it'], 'with a reason');
refused('what is halted', 1, qr/not under way/, qw(policy halt 2));
is(admin(qw(policy resume 2))->{code}, 0, 'it is resumed');
is(one(admin('policy', 'roll-out', $second, '--percent', '10', '--steps', '40,100', '--pause', '0', '--json'))->{generation}, 3,
	'another one without pauses');
is(rollout(2)->{state}, 'replaced', 'takes its place');
ok(wait_until(sub { rollout(3)->{state} eq 'done' }, 60), 'the server takes it to its end') or diag(explain(rollout(3)));
is(rollout(3)->{percent}, 100, 'to all');
$run = admin(qw(policy rollback --json));
is_deeply([@{ one($run) }{qw(generation hash back_from)}], [4, $added->{hash}, 3], 'and back to what was before');

# ---- several at once ----

my @at_once = map { start([server(), 'policy', 'roll-out', $second, '--json', '--set', "server.dir=$dir"]) } 1 .. 4;
is_deeply([sort map { one(finish($_))->{generation} // 'none' } @at_once], [5 .. 8], 'rollouts at the same time take turns');
is_deeply([map { rollout($_)->{state} } 5 .. 8], [('done') x 4], 'all of them count');

server_stop($server);
done_testing();
