#!/usr/bin/perl
# sense-load: what it says of wrong use, both ways to have agents, policies, and that it notices a server that loses.
use strict;
use warnings;
use lib 't/lib';
use Load;
use Sense;
use Test::More;
use Time::HiRes qw(sleep);

need_load();
my $program = build() . '/sense-load';

# ---- use -----------------------------------------------------------------------------------------------------

my $run = run([$program, '--help']);
is($run->{code}, 0, '--help');
my %told = map { $_ => 1 } $run->{out} =~ /^  --([\w-]+)/mg;
my %taken = map { $_ => 1 } slurp('contrib/load/options.c') =~ /^\s+\{"([\w-]+)", (?:required|no)_argument/mg;
delete $taken{help};
is_deeply(\%told, \%taken, 'tells of each option');
for my $case (
	[['--agents', 10], qr/--server HOST:PORT is missing/],
	[['--server', '127.0.0.1:1'], qr/either --ca-dir and --database, or --token and --ca are needed/],
	[['--server', '127.0.0.1:1', '--agents', 'many'], qr/--agents many: a number from 1 to 60000 is needed/],
	[['--server', '127.0.0.1:1', '--ca', 'x', '--token', 'x', '--state', 'x'], qr/--state goes with --ca-dir/],
	[['more'], qr/there are no operands/],
	[['--nonsense'], qr/unrecognized option/],
) {
	my ($args, $message) = @$case;
	$run = run([$program, @$args]);
	is($run->{code}, 2, "wrong use: @$args");
	like($run->{err}, $message, 'and why');
}
$run = run([$program, '--server', '127.0.0.1:1', '--ca', 't/40-server/load_generator.t', '--token', 'sense1.x']);
is($run->{code}, 1, 'a token that is none');
like($run->{err}, qr/the token/, 'and why');

# ---- agents that are made ------------------------------------------------------------------------------------

my $fleet = fleet_start();
my $dir = $fleet->{dir};
my @some = ('--agents', 20, '--delay', 0.05, '--batch', 20);
$run = finish(load_start($fleet, @some, '--findings', 3000, '--rate', 'max', '--ids', "$dir/ids", '--state', "$dir/spools"));
my $report = load_report($run);
is($run->{code}, 0, 'all findings are acknowledged') or diag($run->{err}, explain($report));
is($report->{generated}, 3000, 'as many as were asked for');
is($report->{acknowledged}, 3000, 'all acknowledged');
is($report->{registrations}, 20, 'each agent registered once');
is($report->{batch_us}{count}, $report->{batches}, 'the time of each batch is known');
cmp_ok($report->{batch_us}{p50}, '<=', $report->{batch_us}{p99}, 'times are in order');
cmp_ok($report->{batch_us}{p99}, '<=', $report->{batch_us}{max}, 'up to the longest');
is_deeply($report->{errors}, {}, 'no errors');
fleet_same($fleet, 'sense-load', "$dir/ids");
is(fleet_sql($fleet, 'SELECT count(*) FROM sense.agents WHERE last_seen IS NOT NULL'), 20, 'the agents are known');

# ---- a server that loses -------------------------------------------------------------------------------------

my @again = (@some, '--state', "$dir/spools", '--seconds', 0.01, '--drain', 20);
fleet_sql($fleet, 'UPDATE sense.agent_progress SET through = through - 7 WHERE agent_id = (SELECT min(agent_id::text)::uuid '
	. 'FROM sense.agent_progress)');
$run = finish(load_start($fleet, @again));
is($run->{code}, 1, 'a server that knows less than it acknowledged: noticed');
is(load_report($run)->{lost}, 1, 'for the agent in question');
fleet_sql($fleet, 'UPDATE sense.agent_progress SET through = 1000000');
$run = finish(load_start($fleet, @again));
is($run->{code}, 1, 'a server that knows more than was ever sent: noticed');
is(load_report($run)->{doubled}, 20, 'for each agent');
$run = run(load_command($fleet, @again, '--seed', 5));
like($run->{err}, qr/is not of a run with 20 agents and the seed 5/, 'spools of other agents are not taken');

# ---- agents that enrol ---------------------------------------------------------------------------------------

my $token = fleet_server($fleet, 'token', 'create', '--org', 'load', '--uses', 12, '--server', "127.0.0.1:$fleet->{port}");
like($token, qr/^sense1\.\S+$/, 'a token');
my @enrol = ($program, '--server', "127.0.0.1:$fleet->{port}", '--ca', "$fleet->{data}/ca.pem", '--token', $token,
	'--json', '--agents', 12, '--delay', 0.05);
$run = run([@enrol, '--findings', 600, '--rate', 6000, '--seconds', 30, '--ids', "$dir/enrolled"]);
$report = load_report($run);
is($run->{code}, 0, 'agents enrol, and their findings are taken') or diag($run->{err});
is($report->{enrolments}, 12, 'all of them');
is($report->{enrolment_us}{count}, 12, 'the time of each is known');
is($report->{acknowledged}, 600, 'all findings are acknowledged');
is(fleet_sql($fleet, 'SELECT count(DISTINCT id) FROM sense.findings'), 3600, 'and in the database, beside those of the others');
$run = run([@enrol, '--enrol-only']);
is($run->{code}, 1, 'a token that was used up');
like($run->{err}, qr/12 of 12 agents did not enrol: .*403/, 'and why');

# ---- policies --------------------------------------------------------------------------------------------------

my $waits = load_start($fleet, '--agents', 20, '--seed', 7, '--seconds', 60, '--wait-policy', 1);
my $registered = 'SELECT count(*) FROM sense.agents WHERE registered IS NOT NULL';
ok(wait_until(sub { sleep 0.1; fleet_sql($fleet, $registered) == 52 }, 60), 'agents wait for policies');
# A bundle of more than one piece.
my $rule = 'rule "test.a" { title = "a", severity = "low", on = "flow.classified", match = { dst_port = 1 } }';
my $policies = policy("$rule\n" . ("-- what fills a line or two\n" x 9000), 'one');
policy("-- nothing\n" x 20000, 'two', $policies);
my ($hash) = fleet_server($fleet, 'policy', 'add', $policies, '--org', 'load') =~ /^([0-9a-f]{64})/m;
fleet_server($fleet, 'policy', 'roll-out', $hash, '--org', 'load');
$run = finish($waits);
$report = load_report($run);
is($run->{code}, 0, 'all agents acknowledge them') or diag(explain($report));
is($report->{policies_acknowledged}, 20, 'each once');
cmp_ok($report->{policy_last_us}, '>=', $report->{policy_first_us}, 'and when that was is told');
is(fleet_sql($fleet, 'SELECT count(*) FROM sense.policy_state WHERE loaded AND generation = 1'), 20, 'the server knows');
is(fleet_stop($fleet), 0, 'the server ends in order');
done_testing();
