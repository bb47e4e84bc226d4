#!/usr/bin/perl
# Indicators that add up: one alone does not alert, two of different kinds about one service do, and say
# what they were; what a conclusive rule has reported is not reported again.
use strict;
use warnings;
use JSON::PP;
use lib 't/lib';
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my $dir = temp_dir();
my $number = 0;
my $hour = 3600 * 1_000_000;

# gemini.google.com is the service's own; this host of the same service carries other traffic too.
my ($own, $shared) = ('gemini.google.com', 'proactivebackend-pa.googleapis.com');

sub lookup {
	my ($name, $src) = @_;
	$src //= '10.0.0.1';
	return (ether(ipv4($src, '10.0.0.53', 17, udp(5353, 53, dns_query(7, $name)))),
		ether(ipv4('10.0.0.53', $src, 17, udp(53, 5353, dns_answer(7, $name, '192.0.2.9')))));
}

sub tls {
	my ($name, $src, @more) = @_;
	return map { ether($_) } tcp_stream(up => [ client_hello_for($name) ], src => $src // '10.0.0.1',
		down => [ "\x16\x03\x03\0\x20" . 's' x 32 ], @more);
}

sub capture { return pcap_write("$dir/" . ++$number . '.pcap', @_) }

sub findings { return objects(replay('--json', @_)) }
sub use_of { return grep { $_->{rule} eq 'ai.activity.use' } findings(@_) }

# ---- one, and two ----
my $dns = capture([ lookup($own) ]);
my $seen = capture([ tls($shared) ]);
my $both = capture([ lookup($own), tls($shared) ]);
is(scalar use_of($dns), 0, 'a look-up alone is no use');
is(scalar findings($seen), 0, 'a host that is shared with other traffic is nothing to tell');
my ($found, @more) = use_of($both);
ok($found && !@more, 'both are one finding') or BAIL_OUT('no finding to look at');
is_deeply($found->{evidence}, [
	"tls: $shared (rule ai.service.observed)",
	"dns: $own (rule ai.dns.name, 2 times)",
], 'whose evidence has both, the stronger first');
is($found->{confidence}, 65, 'confidence: 1 - 0.5 * 0.7');
is_deeply([ @{ $found->{details} }{qw(event subject indicators confidence)} ], [ 'activity', 'gemini', 2, 65 ],
	'details');
is($found->{details}{since}, Sense::Pcap::EPOCH * 1_000_000, 'since the first of them');
is($found->{summary}, 'Gemini app used by 10.0.0.1: 2 independent indicators, confidence 65 %', 'summary');
is_deeply([ @$found{qw(service host source_ip type severity)} ],
	[ 'gemini', $shared, '10.0.0.1', 'activity', 'medium' ], 'what, where and who');
my ($again) = use_of(capture([ tls($shared), lookup($own) ]));
is($again->{confidence}, 65, 'their order does not matter');
is($again->{host}, $own, 'the event is the one that came last');

# ---- what is not independent, or not about the same ----
is(scalar use_of(capture([ tls($shared), tls($shared, '10.0.0.1', sport => 40001) ])), 0,
	'the same kind twice is one');
is(scalar use_of(capture([ lookup($own), tls($shared, '10.0.0.2') ])), 0, 'two addresses are two activities');
is(scalar use_of(capture([ lookup('claude.ai'), tls($shared) ])), 0, 'so are two services');

# ---- a conclusive rule has its own alert ----
my @rules = sort map { $_->{rule} } findings(capture([ lookup($own), tls($own),
	tls($shared, '10.0.0.1', sport => 40001) ]));
is_deeply(\@rules, [qw(ai.dns.name ai.service.chat)], 'what was reported as conclusive is reported once');
is(scalar use_of(capture([ lookup($own), tls($shared) ]), '--no-policies'), 0, 'no rules, no activity');

# ---- time ----
my $late = { ts => Sense::Pcap::EPOCH * 1_000_000 + 48 * $hour };
my @late = map { { data => $_, ts => $late->{ts}++ } } tls($shared);
my $slow = capture([ lookup($own), @late ]);
is(scalar use_of($slow), 0, 'after two half-lives a look-up is worth a quarter: 1 - 0.5 * 0.925 is under 60');
is(scalar use_of('--set', 'activity.half_life=30d', $slow), 1, 'activity.half_life is the setting for that');

# ---- counters ----
my $stats = stats(replay('--json', '--stats', $both));
is_deeply([ @$stats{qw(activities activities_evicted activity_events activities_untold)} ], [ 1, 0, 2, 0 ],
	'one activity, an event for each of its kinds');
$stats = stats(replay('--json', '--stats', capture([ map { lookup($own, "10.0.$_.1"), lookup($own, "10.1.$_.1"),
	lookup($own, "10.2.$_.1"), lookup($own, "10.3.$_.1") } 0 .. 199 ]), '--set', 'activity.entries=256'));
is($stats->{activities}, 800, 'an activity for each address');
cmp_ok($stats->{activities_evicted}, '>=', 800 - 256, 'those there is no room for are forgotten, and counted');
is($stats->{activity_events}, 800, 'each was told once');

# ---- a worker that has to be replaced between the two; what it had in hand is lost, so both stand far off ----
my $hang = policy(<<'LUA');
rule "t.hang" {
  title = "Never returns", severity = "info", on = "dns", match = { host = "hang.example" },
  when = function() local n = 0 while true do n = n + 1 end end,
}
LUA
my @apart = map { ether(ipv4('10.0.0.9', '10.0.0.8', 17, udp(9, 9, 'x'))) } 1 .. 64;
my $died = replay('--policies', 'policies', '--policies', $hang, '--json', '--stats',
	capture([ lookup($own), @apart, lookup('hang.example'), @apart, tls($shared) ]));
SKIP: {
	skip 'this build stops the loop by its soft limit', 2 unless $died->{err} =~ /^restarts: [1-9]/m;
	$died->{out} =~ /^(.*"ai\.activity\.use".*)$/m or BAIL_OUT("nothing found: $died->{err}");
	my $found_after = JSON::PP->new->utf8->decode($1);
	is($found_after->{confidence}, 65, 'what was known before a worker died counts with what came after');
	is($found_after->{evidence}[1], "dns: $own (rule ai.dns.name, 2 times)", 'and is still evidence');
}

# ---- rules of one's own ----
my $policy = policy(<<'LUA');
rule "t.one" {
  title = "A host of mine", severity = "info", on = "flow.classified", action = "observe",
  match = { host = { suffix = "example.org" }, host_source = "sni" },
  indicator = { weight = 40, about = "dst_ip" },
}
rule "t.two" {
  title = "A name of mine", severity = "info", on = "tls", action = "observe",
  match = { host = { suffix = "example.org" } },
  indicator = { kind = "name", weight = 100, about = "dst_ip" },
}
rule "t.activity" {
  title = "Mine", severity = "low", on = "activity", confidence = 5,
  match = { activity = { conclusive = true } },
}
rule "t.finding" {
  title = "Mine", severity = "low", on = "activity",
  match = { activity = { indicators = { min = 2 } } },
  finding = function(flow)
    return { confidence = 7, summary = ("%s by %s, %s"):format(flow.activity.subject, flow.activity.kind,
      tostring(flow.activity.reported)) }
  end,
}
LUA
my @own = findings('--policies', $policy, capture([ tls('www.example.org') ]));
is_deeply([ map { [ @$_{qw(rule confidence summary)} ] } @own ], [
	[ 't.activity', 100, '192.0.2.1 used by 10.0.0.1: 1 independent indicator, confidence 100 %' ],
	[ 't.activity', 100, '192.0.2.1 used by 10.0.0.1: 2 independent indicators, confidence 100 %' ],
	[ 't.finding', 7, '192.0.2.1 by flow, false' ],
], 'a conclusive indicator of a rule that observes; kinds and subjects of choice; finding has the last word');
is_deeply($own[2]{evidence}, [ 'name: www.example.org (rule t.two)', 'flow: www.example.org (rule t.one)' ],
	'the kind is by default the first word of the event');

# ---- mistakes ----
sub problem {
	my ($keys, $on) = @_;
	my $mistaken = policy(sprintf "rule 'r' { title = 't', severity = 'low', on = '%s', %s }\n", $on // 'dns', $keys);
	return run([ agent(), 'check', $mistaken ])->{err};
}
like(problem('indicator = 0'), qr/indicator\.weight: takes a number from 1 to 100/, 'a weight of nothing');
like(problem('indicator = 101'), qr/indicator\.weight: takes a number from 1 to 100/, 'too much');
like(problem('indicator = "40"'), qr/indicator: takes a weight from 1 to 100, or \{/, 'a text');
like(problem('indicator = { wieght = 4 }'), qr/indicator\.wieght: unknown key, did you mean 'weight'\?/, 'a typo');
like(problem('indicator = { weight = 4, kind = "D N S" }'), qr/indicator\.kind: takes a word/, 'not a word');
like(problem('indicator = { weight = 4, about = "hots" }'),
	qr/indicator\.about: 'hots' is not a field, did you mean 'host'\?/, 'no such field');
like(problem('indicator = { weight = 4, about = "dst_port" }'),
	qr/indicator\.about: 'dst_port' is neither a text nor an address/, 'a number is no subject');
like(problem('indicator = 4', 'activity'), qr/a rule on "activity" cannot be one/, 'no rule on itself');

done_testing;
