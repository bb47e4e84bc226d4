#!/usr/bin/perl
# The flows of a capture are those that ndpiReader finds: 5-tuple, packets, bytes and protocol of at
# least 99.5 % of them. Known to differ: fragments (put together here, so they count as one packet and
# have their ports), captures of the fuzzers of nDPI that hold no two sensible packets, and responses
# that arrive on another port of the same hosts.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Test::More;

need_agent();
my $wanted = 99.5;
plan skip_all => 'ndpiReader is not installed' unless grep { -x "$_/ndpiReader" } split /:/, $ENV{PATH};

sub parity {
	my ($what, $least, @captures) = @_;
	my $command = agent() . ' replay --set catalogue.dir=policies/catalogue --no-policies --flows';
	my $run = run([ $^X, 't/parity/compare.pl', '-v', '--run', $command, @captures ]);
	is($run->{code}, 0, "$what: could be compared") or diag($run->{err});
	my ($flows, $same, $percent) = $run->{out} =~ /^flows (\d+) identical (\d+) differ \d+ percent ([\d.]+)$/m;
	cmp_ok($flows // 0, '>=', $least, "$what: flows were compared");
	cmp_ok($percent // 0, '>=', $wanted, "$what: at least $wanted % are identical");
	diag("$what: $same of $flows flows identical ($percent %)");
	diag($_) for grep { /^\S+: / } split /\n/, $run->{out};
}

parity('sample captures', 100, glob captures() . '/*.pcap');

SKIP: {
	my $folder = ($ENV{SENSE_CAPTURES} // '../shared/captures') . '/ndpi';
	my @captures = sort grep { /\.(?:pcap|pcapng|cap)$/ } glob "$folder/*";
	skip "there are no captures in $folder", 3 unless @captures;
	# A sanitizer makes each start slow: every fifth capture is enough to look for faults.
	@captures = @captures[ grep { $_ % 5 == 0 } 0 .. $#captures ] if is_sanitized();
	$wanted = 98 if is_sanitized(); # of so few flows one is more than 0.1 %
	parity("captures of nDPI", @captures * 5, @captures);
}

done_testing;
