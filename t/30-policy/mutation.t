#!/usr/bin/perl
# The tests of the shipped policies notice when a rule is broken: each rule is turned round, never fires, and fires
# for every event that it takes, and some test must fail each time.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Test::More;

need_agent();
plan skip_all => 'it would take minutes, and tests no C' if is_sanitized();
my @set = ('--set', 'catalogue.dir=policies/catalogue');
my $run = run([ agent(), 'test', '--mutate', '--coverage', @set, 'policies' ]);
is($run->{code}, 0, 'all pass, cover every rule and notice every mutant') or diag($run->{out});
my ($rules, $fired) = $run->{out} =~ /^(\d+) rules, (\d+) fired in tests$/m;
is($fired, $rules, 'every rule fires in some test');
like($run->{out}, qr/^(\d+) mutants of rules tried, all were noticed$/m, 'three mutants a rule');
is(($run->{out} =~ /^(\d+) mutants/m)[0], 3 * ($rules // 0), 'none was left out');
diag($_) for $run->{out} =~ /^(\d+ (?:rules|mutants|tests)\b.*)$/mg;
is($run->{err}, '', 'nothing is said on stderr');
done_testing;
