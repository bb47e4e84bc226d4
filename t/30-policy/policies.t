#!/usr/bin/perl
# The shipped policies as a whole: each loads, ids are unique, every category of the catalogue has a
# rule, and nothing that is not conclusive alerts.
use strict;
use warnings;
use File::Find;
use Test::More;

my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.lua$/ && !/_test\.lua$/ } }, 'policies');
@files = sort @files;
cmp_ok(scalar @files, '>=', 15, 'the policies are there');

# Names of the list in MITRE ATLAS; a tag that is not here was not checked against it.
my %atlas = map { $_ => 1 } map { "AML.T$_" } qw(0010 0024 0040 0047 0053 0055 0057 0086);
my %severity = map { $_ => 1 } qw(info low medium high critical);
my (%where, %category);

for my $file (@files) {
	open my $fh, '<', $file or die "$file: $!";
	my $text = do { local $/; <$fh> };
	like($text, qr/\A-- .*^policy \{/ms, "$file begins with what it is for");
	my @rules = split /^(?=rule ")/m, $text;
	shift @rules;
	ok(scalar @rules, "$file has rules");
	for my $rule (@rules) {
		my ($id) = $rule =~ /^rule "([^"]+)"/;
		ok(!$where{$id}, "$id is there once") or diag("also in $where{$id}");
		$where{$id} = $file;
		my ($level) = $rule =~ /\bseverity = "(\w+)"/;
		ok($level && $severity{$level}, "$id: severity");
		like($rule, qr/\bthrottle = \{ by = /, "$id: is throttled");
		like($rule, qr/\bon = /, "$id: has events");
		ok($atlas{$_}, "$id: tag $_") for $rule =~ /"atlas:([^"]+)"/g;
		$category{$_} = 1 for map { /"(\w+)"/g } $rule =~ /category = \{([^}]*)\}/;
		next if $rule =~ /action = "observe"/;
		my $certain = $rule =~ /conclusive = true/ || $rule =~ /score = \{ min = 100/
			|| $rule =~ /type = "(?:coverage|credential)"/
			|| $rule =~ /on = "activity".*indicators >= 2 or flow\.activity\.conclusive/s;
		ok($certain, "$id: alerts on what is conclusive only");
	}
}

open my $tsv, '<', 'policies/catalogue/services.tsv' or die $!;
my %wanted;
while (<$tsv>) {
	next if /^#/ || /^service_id\t/;
	$wanted{(split /\t/)[3]} = 1;
}
is_deeply([grep { !$category{$_} } sort keys %wanted], [], 'every category of the catalogue has a rule');

SKIP: {
	my $agent = ($ENV{SENSE_BUILD} || 'build') . '/sense-agent';
	skip "$agent is not built", 1 unless -x $agent;
	my $out = qx('$agent' check policies 2>&1);
	is($?, 0, 'sense-agent check takes them') or diag($out);
	$out = qx('$agent' test --set catalogue.dir=policies/catalogue policies 2>&1);
	is($?, 0, 'their own tests pass') or diag($out);
}
done_testing;
