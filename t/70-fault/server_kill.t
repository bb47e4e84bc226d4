#!/usr/bin/perl
# kill -9 under load: to the agents, a worker, the whole server, PostgreSQL, at random moments. In the end the database
# has the findings that were generated, each once. SENSE_TEST_SERVER_KILLS: how many rounds (6).
use strict;
use warnings;
use lib 't/lib';
use Load;
use Sense;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{SENSE_TEST_SERVER_KILLS} || 6;
my $seed = $ENV{SENSE_TEST_SEED} || time ^ $$;
need_load();
srand $seed;
note("SENSE_TEST_SEED=" . int $seed);

my $fleet = fleet_start();
my $state = "$fleet->{dir}/spools";
my @agents = ('--state', $state, '--agents', 40, '--heartbeat', 1, '--timeout', 10);
my @busy = (@agents, '--rate', 1500, '--batch', 40, '--delay', 0.05);
my $load = load_start($fleet, @busy);

my %hurt = (
	agents => sub {
		kill 'KILL', $load->{pid};
		my $run = finish($load);
		$load = load_start($fleet, @busy);
		return $run->{code} == 137;
	},
	worker => sub {
		my @workers = fleet_members($fleet, qr/^sense:worker/) or return 0;
		return kill 'KILL', $workers[rand @workers];
	},
	server => sub {
		fleet_kill($fleet);
		return fleet_begin($fleet) || !diag(fleet_log($fleet));
	},
	postgres => sub {
		my @all = fleet_members($fleet, qr/^postgres/) or return 0;
		# All of them, the first (which ends the others), or any one.
		my @some = (sub { @all }, sub { $all[0] }, sub { $all[rand @all] })[rand 3]->();
		return kill 'KILL', @some;
	},
);

my $kept = sub { fleet_sql($fleet, 'SELECT coalesce(sum(through), 0) FROM sense.agent_progress', 1) || 0 };
ok(wait_until(sub { sleep 0.1; $kept->() > 0 }, 60), 'findings come in');
my @order = qw(worker postgres agents server);
for my $round (1 .. $rounds) {
	my $before = $kept->();
	sleep 0.2 + rand 1.2;
	my $what = $order[$round % @order];
	my $begun = time;
	ok($hurt{$what}->(), "round $round: kill -9 of $what");
	my $again = wait_until(sub { sleep 0.1; $kept->() > $before }, 90);
	ok($again, sprintf "round $round: findings come in again after %.1f s", time - $begun)
	    or diag(fleet_log($fleet)) or last;
}
# A process of PostgreSQL that has not noticed that the others are gone keeps the next one from starting; for a while.
my (undef, $left) = fleet_members($fleet, qr/^postgres/);
fleet_kill($fleet, $left);
ok(-e "/proc/$left", 'the server is killed, but for a process of PostgreSQL');
my $freed = start(['sh', '-c', "sleep 3; kill -CONT $left"]);
ok(fleet_begin($fleet), 'the server starts when that one has ended') or diag(fleet_log($fleet));
finish($freed);

fleet_settle($fleet, "$rounds rounds", $load, @agents);
is(fleet_stop($fleet), 0, 'the server ends in order');
done_testing();
