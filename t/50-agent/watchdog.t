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
	my ($times) = @_;
	my $captures = join ' ', ('t/captures/mix_all.pcap') x ($times // 1);
	my $out = `$agent replay --set catalogue.dir=policies/catalogue --policies $dir --json --stats $captures 2>$dir/err`;
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

# Rules that are asked together become one function: the one that hangs is still told from the others.
my $times = int(600 / $all) + 1;
policy('loop', join '', map { qq(rule "test.with$_" { title = "with", $match, when = function(flow) return flow.l4 == 17 end }\n) } 1 .. 3);
policy('ploop', qq(local calls = 0 rule "test.late" { title = "late", $match,
  when = function() calls = calls + 1 local n = 0 while calls > 400 do n = n + 1 end end }\n));
policy('qloop', qq(rule "test.with4" { title = "with", $match, when = function(flow) return flow.l4 == 6 end }\n));
($code, $findings, $err) = replay($times);
SKIP: {
	skip 'this build stops the loop by its soft limit', 3 unless $err =~ /^rules_quarantined: [1-9]/m;
	is($code, 1, 'one among others that hangs late makes the run fail');
	is(join(' ', $err =~ /^rule_quarantined\.(\S+): 1$/mg), 'test.late', 'it alone is in quarantine');
	like($err, qr/^restarts: 1$/m, 'for one worker');
}
my %of;
$of{$_->{rule}}++ for @$findings;
my ($lost) = $err =~ /^packets_lost: (\d+)/m;
cmp_ok($of{'test.with4'} + $of{'test.with1'}, '>', 0.8 * $times * $all, "the others went on (packets lost: $lost)");
unlink "$dir/ploop.lua", "$dir/qloop.lua";

# The other end of the scale: a mistake in every call is an error, counted and told, not a restart.
unlink "$dir/loop.lua";
policy('bad', qq(rule "test.bad" { title = "bad", $match, when = function(flow) return flow.src_ip + {} end }\n));
($code, $findings, $err) = replay();
is(scalar(grep { $_->{rule} eq 'test.good' } @$findings), $all, 'a failing rule takes nothing from others');
like($err, qr/^rule_errors\.test\.bad: $all$/m, 'each failure is counted');
is(scalar(() = $err =~ /bad\.lua:\d+: rule \\?"test\.bad/g), 1, 'and told once, with file and line');
like($err, qr/^restarts: 0$/m, 'no worker was replaced');

done_testing;
