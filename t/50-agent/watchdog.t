#!/usr/bin/perl
# A rule that no hook can stop costs one worker restart, and nothing else.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $build = $ENV{SENSE_BUILD} // 'build';
my $agent = "$build/sense-agent";
plan skip_all => "$agent is not built" unless -x $agent;
my $dir = tempdir(CLEANUP => 1);

sub policy {
	my ($name, $text) = @_;
	open my $out, '>', "$dir/$name.lua" or die "$name: $!";
	print $out $text;
	close $out;
}

sub replay {
	my $out = `$agent replay --set catalogue.dir=policies/catalogue --policies $dir --json --stats t/captures/mix_all.pcap 2>$dir/err`;
	my $code = $? >> 8;
	open my $in, '<', "$dir/err" or die;
	local $/;
	return ($code, [map { decode_json($_) } split /\n/, $out], <$in>);
}

my $match = 'severity = "low", type = "test", on = "flow.end", match = { l4 = { 6, 17 } }';
policy('good', qq(rule "test.good" { title = "good", $match }\n));
my ($code, $findings, $err) = replay();
my $all = scalar @$findings;
is($code, 0, 'a good rule runs');
cmp_ok($all, '>', 5, 'and finds');

# Compiled to machine code, the loop never looks at a hook.
policy('loop', qq(rule "test.loop" { title = "loop", $match,
  when = function() local n = 0 while true do n = n + 1 end end }\n));
($code, $findings, $err) = replay();
is($code, 1, 'one that never returns makes the run fail');
my ($quarantined) = $err =~ /^rules_quarantined: (\d+)/m;
SKIP: {
	skip 'this build stops the loop by its soft limit', 3 unless $quarantined;
	like($err, qr/rule test\.loop is in quarantine/, 'it is named');
	like($err, qr/^rule_quarantined\.test\.loop: 1$/m, 'also in --stats');
	like($err, qr/^restarts: 1$/m, 'one worker was replaced');
}
is(scalar(grep { $_->{rule} eq 'test.loop' } @$findings), 0, 'it finds nothing');
my %seen;
$seen{$_->{id}}++ for @$findings;
is(scalar(grep { $_ > 1 } values %seen), 0, 'no finding is reported twice');

# The other end of the scale: a mistake in every call is an error, counted and told, not a restart.
unlink "$dir/loop.lua";
policy('bad', qq(rule "test.bad" { title = "bad", $match, when = function(flow) return flow.src_ip + {} end }\n));
($code, $findings, $err) = replay();
is(scalar(grep { $_->{rule} eq 'test.good' } @$findings), $all, 'a failing rule takes nothing from others');
like($err, qr/^rule_errors\.test\.bad: $all$/m, 'each failure is counted');
is(scalar(() = $err =~ /bad\.lua:\d+: rule \\?"test\.bad/g), 1, 'and told once, with file and line');
like($err, qr/^restarts: 0$/m, 'no worker was replaced');

done_testing;
