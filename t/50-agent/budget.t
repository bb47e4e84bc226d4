#!/usr/bin/perl
# A rule that stays just under the limit of one call, each time, takes no more than its share either: it
# is suspended, named and counted, and other rules see everything.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Test::More;

need_agent();
my @captures = (captures() . '/mix_all.pcap') x 30;
my $dir = policy(<<'END');
rule "test.good" {
  title = "good", severity = "low", on = "flow.classified", match = { l4 = { 6, 17 } },
  when = function(flow) return flow.dst_port ~= nil end,
}
rule "test.greedy" {
  title = "greedy", severity = "low", on = "flow.classified", match = { l4 = { 6, 17 } },
  when = function()
    local n = 0
    for i = 1, 2e6 do n = n + i % 7 end
    return n > 0
  end,
}
END
my @how = ('--policies', $dir, '--json', '--stats', '--set', 'rules.soft_limit=1s', '--set', 'rules.hard_limit=60s');
my $count = sub { my ($run, $rule) = @_; return scalar grep { $_->{rule} eq $rule } objects($run) };

my $free = replay(@how, '--set', 'rules.budget=0', @captures);
my $all = $count->($free, 'test.good');
is($free->{code}, 0, 'without a budget');
is($count->($free, 'test.greedy'), $all, 'a dear rule finds all there is');
my $stats = stats($free);
is($stats->{rules_suspended}, 0, 'and is not suspended');
my $dearest = (map { /^rule_cpu_ms\.(\S+): / ? $1 : () } split /\n/, $free->{err})[0];
is($dearest, 'test.greedy', 'it is the dearest');
cmp_ok($stats->{'rule_cpu_ms.test.greedy'}, '>', 100 * $stats->{cpu_seconds}, 'by far');
ok(!$stats->{"rule_$_.test.good"}, "test.good has no $_") for qw(errors suspended skipped);

my $run = replay(@how, '--set', 'rules.budget=30', '--set', 'rules.budget_window=100ms', @captures);
$stats = stats($run);
is($run->{code}, 1, 'over its budget: exit code 1, the answer is not whole');
cmp_ok($stats->{rules_suspended}, '>=', 1, 'it was suspended');
is($stats->{'rule_suspended.test.greedy'}, $stats->{rules_suspended}, 'it alone');
cmp_ok($count->($run, 'test.greedy'), '<', $all, 'it does not see all');
is($count->($run, 'test.greedy') + $stats->{'rule_skipped.test.greedy'}, $all, 'what it did not see is counted');
is($count->($run, 'test.good'), $all, 'the other one sees all');
my @said = grep { /rule test\.greedy used/ } problems($run);
is(scalar @said, $stats->{rules_suspended}, 'it is said each time');
like($said[0], qr/used \d+ % of the CPU time of the last 100 ms \(limit 30 %\): suspended for 600 ms of CPU time/,
	'with share, limit and how long');
is($stats->{restarts}, 0, 'without a restart');
done_testing;
