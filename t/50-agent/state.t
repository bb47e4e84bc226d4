#!/usr/bin/perl
# What rules count over time, as a replay shows it: right against what --flows says of the same capture, kept
# over a worker's death, bounded, and counted when a bound cost something.
use strict;
use warnings;
use lib 't/lib';
use List::Util qw(sum);
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my $mix = captures() . '/mix_all.pcap';
my @flows = objects(replay('--flows', $mix));

sub findings {
	my ($policy, @args) = @_;
	my $run = replay('--policies', policy($policy), '--json', '--stats', @args);
	is($run->{code}, 0, 'the rules run') or diag($run->{err});
	return $run, map { { %$_, %{ $_->{details} } } } objects($run);
}

# ---- three AI services in an hour ----
# In the order in which clients said the names: connections with a name, by their beginning.
my (%services, @want);
for my $flow (sort { $a->{first_ts} <=> $b->{first_ts} } grep { $_->{service} && $_->{hello} } @flows) {
	my $mine = $services{ $flow->{src_ip} } //= {};
	push @want, "$flow->{src_ip} $flow->{src_port}" if !$mine->{ $flow->{service} }++ && keys %$mine == 3;
}
is(scalar @want, 1, 'in the capture one client reaches three services');

my $many = <<'RULE';
rule "test.many" {
  title = "Three AI services in an hour", severity = "medium", on = "tls",
  match = { ["service.id"] = { set = true } },
  when = function(flow)
    return state.first(flow.src_ip .. "|" .. flow.service.id, "1h")
      and state.distinct(flow.src_ip, flow.service.id, "1h") == 3
  end,
}
RULE
my ($run, @found) = findings($many, $mix);
is_deeply([map { "$_->{source_ip} $_->{source_port}" } @found], \@want, 'the rule finds that moment, and no other');
is(stats($run)->{state_evicted}, 0, 'nothing was forgotten');
my $services = keys %{ (values %services)[0] };
is(stats($run)->{state_entries}, 1 + $services, 'a counter for the client, and one a service');

# ---- sums ----
($run, @found) = findings(<<'RULE', $mix);
rule "test.sum" {
  title = "Bytes", severity = "low", on = "flow.end",
  finding = function(flow)
    return { details = {
      all = state.sum("all", flow.bytes_up, "1h"), n = state.count("n", 3600),
      mine = state.sum(flow.src_ip .. flow.src_port, flow.bytes_up, "1h"), up = flow.bytes_up,
    } }
  end,
}
RULE
my @by_n = sort { $a->{n} <=> $b->{n} } @found;
is_deeply([map { $_->{n} } @by_n], [1 .. @flows], 'each flow is counted');
is($by_n[-1]{all}, sum(map { $_->{bytes_up} } @flows), 'the sum is that of --flows');
is_deeply([grep { $_->{mine} != $_->{up} } @found], [], 'a sum by a key of two parts is apart');

($run, @found) = findings($many, $mix, $mix);
is(scalar @found, 1, 'the same capture again: what was seen within the window before the clock leapt back counts');

# ---- a worker's death ----
my $requests = 400;
my $dir = temp_dir();
my $capture = pcap_write("$dir/requests.pcap", [map {
	my @packets = tcp_stream(syn => 0, end => 0, server => 0, sport => 20000 + $_, dport => 80,
		up => [http_get(sprintf('n%03d.example', $_), '/')]);
	map { ether($_) } @packets;
} 1 .. $requests]);
my $count = <<'RULE';
rule "test.count" {
  title = "Requests", severity = "low", on = "http",
  finding = function(flow)
    return { details = { n = state.count("all", "1d"), own = state.count(flow.host, "1d") } }
  end,
}
RULE
my $loop = <<'RULE';
rule "test.loop" {
  title = "Never ends", severity = "low", on = "http", match = { host = "n200.example" },
  when = function() local n = 0 while true do n = n + 1 end end,
}
RULE
$run = replay('--set', 'rules.hard_limit=50ms', '--policies', policy($count . $loop), '--json', '--stats', $capture);
SKIP: {
	skip 'here the loop ends by its soft limit', 2 if !stats($run)->{restarts};
	my ($most) = sort { $b <=> $a } map { $_->{details}{n} // 0 } objects($run);
	cmp_ok($most, '>=', $requests - stats($run)->{packets_lost}, 'a new worker goes on counting');
	cmp_ok($most, '<=', $requests, 'and counts nothing twice');
}

# ---- bounds ----
($run, @found) = findings($count, '--set', 'state.entries=256', '--set', 'state.per_policy=10', $capture);
my $stats = stats($run);
cmp_ok($stats->{state_entries}, '<=', 256, 'no more counters than are allowed');
cmp_ok($stats->{state_evicted}, '>', 0, 'the oldest had to go');
cmp_ok($stats->{state_entries} + $stats->{state_evicted}, '>=', $requests + 1, 'and all that did are counted');
is(scalar @found, $requests, 'no finding is lost by it');
is_deeply([grep { $_->{own} != 1 } @found], [], 'no counter is taken for another');
$run = replay('--set', 'state.per_policy=0', $capture);
like(join("\n", problems($run)), qr/state\.per_policy.*out of range/, 'a share of nothing is refused');

done_testing;
