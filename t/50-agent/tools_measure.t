#!/usr/bin/perl
# `bench` and `explain`: what each rule costs on a capture, and why it did or did not fire there.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use Sense;
use Test::More;

need_agent();
my @set = ('--set', 'catalogue.dir=policies/catalogue');
my $dir = temp_dir();
my $mix = captures() . '/mix_all.pcap';
my $flows = 39;

sub tool {
	my ($command, @args) = @_;
	return run([ agent(), $command, @set, '--on', $mix, @args, $dir ]);
}

spew("$dir/a.lua", <<'LUA');
rule "a.cheap" { title = "cheap", severity = "low", on = "flow.end", when = function(flow) return flow.l4 == 17 end }
rule "a.dear" { title = "dear", severity = "low", on = "flow.end",
  when = function(flow) local t = {} for i = 1, 300 do t[i] = ("%d %s"):format(i, flow.src_ip) end return #t < 0 end }
rule "a.none" { title = "none", severity = "low", on = "flow.end", match = { host = "nobody.example" } }
rule "a.chat" { title = "chat", severity = "low", on = "flow.classified", throttle = { by = { "src_ip" }, every = "1h" },
  match = { host = { suffix = "claude.ai" }, host_source = { "sni", "http" } } }
rule "a.bad" { title = "bad", severity = "low", on = "flow.end", match = { host_source = "sni" },
  when = function(flow) return flow.host > 5 end }
LUA

# ---- bench ----
my $run = tool('bench');
is($run->{code}, 0, 'bench') or diag($run->{err});
like($run->{out}, qr{\ARULE +CALLS +HELD +NS/CALL +P50 +P99 +MAX +B/CALL +FINDINGS +NS EACH +SHARE\na\.dear +$flows +0 +\d+}, 'the dearest first');
like($run->{out}, qr{^a\.cheap +$flows +15 +\d+}m, 'calls and what held are those of one pass');
unlike($run->{out}, qr{^a\.none}m, 'a rule without functions has no line');
like($run->{out}, qr{^2 rules ran no function here}m, 'but is counted');
like($run->{out}, qr{^match index \d+ ns an event, [\d.]+% of the run; scripts \d+ ns, [\d.]+%\n\z}m, 'all in all');
my $all = decode_json(tool('bench', '--json')->{out});
my %rule = map { $_->{rule} => $_ } @{ $all->{rules} };
cmp_ok($rule{'a.dear'}{ns_per_call}, '>', $rule{'a.cheap'}{ns_per_call}, 'what does more costs more');
cmp_ok($rule{'a.dear'}{bytes_per_call}, '>', 4096, 'and allocates');
cmp_ok($rule{'a.dear'}{ns_p50}, '<=', $rule{'a.dear'}{ns_p99}, 'p50 and p99');
cmp_ok($rule{'a.dear'}{ns_p50}, '<=', 1.07 * $rule{'a.dear'}{ns_max}, 'and the longest');
cmp_ok($all->{passes}, '>=', 3, 'several passes');
is(run([ agent(), 'bench', $dir ])->{code}, 2, 'bench needs a capture');
$run = run([ agent(), 'bench', @set, '--on', "$dir/no.pcap", $dir ]);
is($run->{code}, 1, 'one that is not there');
like($run->{err}, qr{no\.pcap: No such file}, 'is told');

# ---- explain ----
$run = tool('explain', '--rule', 'a.chat');
is($run->{code}, 0, 'explain') or diag($run->{err});
my @shown = $run->{out} =~ /^flow (\d+): /mg;
is(scalar @shown, 20, 'twenty flows');
like($run->{out}, qr{^19 more flows; --all shows them$}m, 'and how many more');
like($run->{out}, qr{^fired 1 times; $flows flows looked at; most often failed on: host \(37\), host_source \(\d+\)$}m, 'the summary');
like($run->{out}, qr{\Aflow \d+: [\d.]+:\d+ -> [\d.]+:\d+ "\S+": did not match\n  best of 1 event: a\.chat on flow\.classified\n  yes  host_source is "http"; wanted: one of "http", "sni"\n  NO   host is}, 'each with its conditions');
my @failed = map { scalar(() = /^  NO /mg) } grep { !/: fired\n/ } split /^(?=flow )/m, tool('explain', '--rule', 'a.chat', '--all')->{out};
is_deeply(\@failed, [ sort { $a <=> $b } @failed ], 'the nearest misses first');
is_deeply([ $failed[0], $failed[-1] ], [ 1, 2 ], 'which failed on less');
@shown = tool('explain', '--rule', 'a.chat', '--all')->{out} =~ /^flow (\d+): /mg;
is(scalar @shown, $flows, '--all');
$run = tool('explain', '--rule', 'a.chat', '--host', 'claude.ai');
is(scalar(() = $run->{out} =~ /^flow /mg), 2, '--host');
like($run->{out}, qr{"claude\.ai": fired$}m, 'one fired');
like($run->{out}, qr{^fired 1 times in all; 2 flows looked at}m, 'and is counted');
my ($number) = $run->{out} =~ /^flow (\d+): .*fired$/m;
is(join(' ', tool('explain', '--rule', 'a.chat', '--flow', $number)->{out} =~ /^flow (\d+)/mg), $number, '--flow');
like(tool('explain', '--rule', 'a.chat', '--host', 'nowhere.example')->{out},
	qr{^no flow to nowhere\.example or below it raised an event that it takes: flow\.\w+}m, 'a host that is not there is told');
like(tool('explain', '--rule', 'a.chat', '--flow', 9999)->{out}, qr{^flow 9999 is not there, or raised no event}m, '... and a flow');
like(tool('explain', '--rule', 'a.dear')->{out}, qr{all conditions hold, and `when` said no}, 'a `when` that says no');
like(tool('explain', '--rule', 'a.bad')->{out}, qr{all conditions hold, and `when` failed\n(?s:.*?)a\.lua:8: rule "a\.bad": when: attempt to compare}, 'one that fails, and how');
$run = run([ agent(), 'explain', @set, '--on', $mix, '--on', $mix, '--rule', 'a.chat', '--host', 'claude.ai', $dir ]);
like($run->{out}, qr{fired \d times in all; 4 flows looked at}, 'several captures');
$all = decode_json(tool('explain', '--json', '--rule', 'a.chat', '--host', 'claude.ai')->{out});
is_deeply([ map { $_->{ended_at}, $_->{failed} } @{ $all->{flows} } ], [ 'match', 1, 'fired', 0 ], 'JSON');
$run = tool('explain', '--rule', 'a.caht');
is($run->{code}, 1, 'an unknown rule');
like($run->{err}, qr{there is no rule 'a\.caht', did you mean 'a\.chat'\?}, 'and the one that was meant');
is(tool('explain')->{code}, 2, 'explain needs a rule');
is(tool('explain', '--rule', 'a.chat', '--flow', 'x')->{code}, 2, 'a flow is a number');

# ---- a rule that never returns ends the tool, with its name ----
spew("$dir/loop.lua", <<'LUA');
rule "a.loop" { title = "loop", severity = "low", on = "flow.end",
  when = function() local n = 0 while true do n = n + 1 end end }
LUA
for my $command ([ 'bench' ], [ 'explain', '--rule', 'a.cheap' ]) {
	$run = tool(@$command);
	SKIP: {
		skip 'this build stops the loop by its soft limit', 2 if !$run->{code};
		is($run->{code}, 1, "$command->[0]: a rule that hangs");
		like($run->{err}, qr{^\S*loop\.lua:1: rule "a\.loop": ran longer than its hard limit of 100 ms and was stopped$}m, 'is named');
	}
}
done_testing;
