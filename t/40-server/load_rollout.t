#!/usr/bin/perl
# Policies to hundreds of agents at once: all get them, and a worker keeps no more of them in memory than agents are
# taking.
use strict;
use warnings;
use lib 't/lib';
use Load;
use Sense;
use Test::More;

need_load();

my $agents = 400;
my $fleet = fleet_start(set => ['server.per_address=100000', 'server.workers=1']);
fleet_sql($fleet, "INSERT INTO sense.organizations (name) VALUES ('load')");

sub largest {
	my ($worker) = fleet_members($fleet, qr/^sense:worker/);
	my ($kb) = slurp("/proc/$worker/status") =~ /^VmHWM:\s+(\d+)/m;
	return $kb / 1024;
}

my $load = load_start($fleet, '--agents', $agents, '--ramp', 1000, '--wait-policy', 1, '--policy-rules', 5, '--seconds', 100);
ok(wait_until(sub { fleet_sql($fleet, 'SELECT count(*) FROM sense.agents WHERE registered IS NOT NULL') == $agents }, 60),
	"$agents agents are there");

# Random, so that nothing makes it smaller.
my $policies = temp_dir();
spew("$policies/one.lua", "rule \"t.one\" { title = 'x', severity = 'low', on = 'flow.end' }\n");
srand 1;
spew("$policies/filler$_.lua", join '', map { sprintf "-- %s\n", join '', map { sprintf '%08x', rand 2**32 } 1 .. 12 } 1 .. 2500) for 1 .. 4;
my ($hash) = fleet_server($fleet, 'policy', 'add', $policies, '--org', 'load') =~ /^([0-9a-f]{64})/m;
my $size = fleet_sql($fleet, 'SELECT length(bundle) FROM sense.policies');
cmp_ok($size, '>', 900_000, 'a bundle of nearly a megabyte');
my $before = largest();
fleet_server($fleet, 'policy', 'roll-out', $hash, '--org', 'load');
my $report = load_report(finish($load));
is($report->{policy_missing}, 0, 'all have it');
is(fleet_sql($fleet, 'SELECT count(*) FROM sense.policy_state WHERE generation = 1 AND loaded'), $agents, 'and say so');
my $grown = largest() - $before;
# A piece for each would be 100 MiB. What a sanitizer keeps for itself is more.
SKIP: {
	skip 'a sanitizer', 1 if is_sanitized();
	cmp_ok($grown, '<', 60, sprintf 'the worker grew by %.0f MiB', $grown);
}

fleet_stop($fleet);
done_testing();
