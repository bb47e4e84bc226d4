#!/usr/bin/perl
# The cookbook: each recipe stands alone, is explained and tested, tells the truth in the table of
# docs/cookbook.md, and disturbs nothing when it is loaded beside the shipped policies.
use strict;
use warnings;
use lib 't/lib';
use File::Basename qw(basename);
use File::Copy qw(copy);
use Sense;
use Test::More;

my $dir = 'contrib/cookbook';
my @recipes = map { basename($_, '.lua') } grep { !/_test\.lua$/ } sort glob("$dir/*.lua");
is(scalar @recipes, 24, 'twenty-four recipes');
my %of = map { $_ => slurp("$dir/$_.lua") } @recipes;
my %test_of = map { $_ => -e "$dir/${_}_test.lua" ? slurp("$dir/${_}_test.lua") : '' } @recipes;

# ---- each by itself ----
for my $name (@recipes) {
	my $text = $of{$name};
	my $lines = qr/.*\n(?:--         .*\n)*/;
	like($text, qr/\A-- Finds   $lines-- Misses  $lines-- Change  ${lines}policy \{ title = /,
		"$name says what it finds, misses and what to change");
	cmp_ok(($text =~ tr/\n//), '<=', 50, "$name is short");
	my @rules = split /^(?=rule ")/m, $text;
	shift @rules;
	is_deeply([grep { !/\Arule "cookbook\.$name["\.]/ } @rules], [], "$name: ids are its own");
	is_deeply([grep { !/\bthrottle = \{ by = / } @rules], [], "$name: each rule is throttled");
	like($test_of{$name}, qr/t:forbid/, "$name: its test has near misses");
	unlike($test_of{$name}, qr/t:nothing|t:only|t:capture/,
		"$name: its test passes beside other policies, anywhere");
	my @others = grep { !/\A$name(?:\.|\z)/ } $test_of{$name} =~ /"cookbook\.([\w.]+)"/g;
	is_deeply(\@others, [], "$name: and names its own rules");
}

# ---- the page ----
my $page = slurp('docs/cookbook.md');
my @rows = $page =~ m{^\| \[(\w+)\]\(\.\./contrib/cookbook/\1\.lua\) \|}mg;
is_deeply(\@rows, \@recipes, 'docs/cookbook.md has a row for each, in order');
for my $row ($page =~ /^(\| \[\w+\]\(.*)$/mg) {
	my ($name, $shows) = (split /\s*\|\s*/, $row)[1, 3];
	$name =~ s/^\[(\w+)\].*/$1/;
	for my $word (grep { !/[ =]/ } map { s/^flow\.//r } $shows =~ /`([^`]+)`/g) {
		like($of{$name}, qr/\b\Q$word\E\b/, "$name shows $word");
	}
}

# ---- all of the language ----
my $all = join '', values %of;
for my $what (
	(map { "state.$_" } qw(sum count distinct get first last)),
	(map { "$_ = " } qw(any all none prefix suffix cidr min max set params finding evidence details severity
		confidence mode action indicator about tags hour weekday)),
	(map { qr/\b$_[ (]/ } qw(words contains starts entropy redact labels domain date bytes duration size
		seconds lower set)),
	(map { "\"$_\"" } qw(flow.new flow.classified flow.update flow.end tls http dns timer activity process.start
		listen file mcp inventory observe coach block)))
{
	my $found = ref $what ? $all =~ $what : index($all, $what) >= 0;
	ok($found, "some recipe shows $what");
}

SKIP: {
	skip agent() . ' is not built', 1 unless -x agent();
	delete @ENV{ grep { /^SENSE_/ && !/^SENSE_BUILD$/ } keys %ENV };
	my @set = ('--set', 'catalogue.dir=policies/catalogue');

	is(run([agent(), 'check', @set, 'policies', $dir])->{code}, 0, 'they load beside the shipped ones');
	my $run = run([agent(), 'test', @set, '--mutate', '--coverage', $dir]);
	is($run->{code}, 0, 'their tests pass, fire each rule and notice each mutant')
		or diag($run->{out}, $run->{err});
	for my $name (@recipes) {
		$run = run([agent(), 'test', @set, '--coverage', "$dir/$name.lua"]);
		is($run->{code}, 0, "$name needs no other recipe") or diag($run->{out}, $run->{err});
	}
	for my $zone (qw(America/New_York Asia/Tokyo Pacific/Kiritimati)) {
		local $ENV{TZ} = $zone;
		$run = run([agent(), 'test', @set, $dir]);
		is($run->{code}, 0, "their tests pass in $zone") or diag($run->{out}, $run->{err});
	}

	# On traffic. The day of the captures is a Sunday, so what is about weekends fires too.
	local $ENV{TZ} = 'UTC';
	my @captures = sort glob(captures() . '/*.pcap');
	$run = replay(@set, '--policies', $dir, '--json', '--observed', '--stats', @captures);
	is($run->{code}, 0, 'all captures go through');
	is(stats($run)->{script_errors}, 0, 'no recipe fails on traffic');
	my %rules = map { $_->{rule} => 1 } objects($run);
	ok($rules{"cookbook.$_"}, "$_ fires on traffic")
		for qw(many_services residency night_only lookups_only.used);
	$run = replay(@set, '--policies', $dir, '--json', '--observed', grep { m{/neg_} } @captures);
	is($run->{out}, '', 'captures without AI have no findings');

	# Beside the shipped policies nothing of these changes: one thing is still one alert of theirs.
	my @shipped;
	for my $with ([], ['--policies', $dir]) {
		my $found = replay(@set, '--policies', 'policies', @$with, '--json', @captures);
		push @shipped, [map { "$_->{timestamp} $_->{rule} $_->{source_port} $_->{summary}" }
			grep { $_->{rule} !~ /^cookbook\./ } objects($found)];
	}
	cmp_ok(scalar @{$shipped[0]}, '>', 20, 'the shipped policies find things in the captures');
	is_deeply($shipped[1], $shipped[0], 'the same beside the cookbook');
	$run = run([agent(), 'replay', @set, '--json', "@{[captures()]}/mix_all.pcap"]);
	like($run->{out}, qr/"rule":"ai\./, 'by default the shipped ones are loaded');
	unlike($run->{out}, qr/cookbook/, 'and no recipe');

	my $both = temp_dir();
	copy($_, $both) or die "$_: $!" for 'policies/activity/use.lua', "$dir/two_hints.lua";
	my $one = $test_of{two_hints} =~ s/^(?=  t:expect\("cookbook\.two_hints", )/  t:forbid "ai.activity.use"\n/mr;
	isnt($one, $test_of{two_hints}, 'the test has the place');
	spew("$both/two_hints_test.lua", $one);
	$run = run([agent(), 'test', @set, $both]);
	is($run->{code}, 0, 'two_hints is one alert beside ai.activity.use') or diag($run->{out}, $run->{err});
}
done_testing;
