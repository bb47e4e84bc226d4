#!/usr/bin/perl
# Several workers that share the packets: each flow is seen by one of them, what they find and count adds up, what
# rules remember is common; and what happens to one worker touches no other.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Live;
use JSON::PP ();
use Test::More;

my $workers = 3;
need_agent();
need_namespaces();
my ($iface, $there) = wire();
http_server($there, 80);
ok(listens($there, 80), 'a server is there');

my $each = <<'END_OF_RULE';
rule "test.each" { title = "each", severity = "info", on = "flow.end", match = { dst_port = 80, host = { set = true } } }
rule "test.once" {
  title = "once an hour", severity = "info", on = "http", match = { host = "same.example" },
  throttle = { by = { "host" }, every = "1h" },
}
rule "test.loop" {
  title = "never comes back", severity = "info", on = "http", match = { host = "loop.example" },
  when = function() local n = 0 while true do n = n + 1 end end,
}
END_OF_RULE
my $policies = policy($each, 'workers');

# Requests over connections of their own; a name is HOST or HOST:COUNT, for h1.HOST, h2.HOST, ... With `hold` the
# connections stay open until the file `hold` is gone.
sub client {
	my ($hold, @names) = @_;
	return start([$^X, '-MIO::Socket::INET', '-e', <<'END_OF_CLIENT', peer(), $hold, @names]);
my ($peer, $hold) = splice @ARGV, 0, 2;
my @open;
for (@ARGV) {
	my ($host, $count) = split /:/;
	for my $n ($count ? 1 .. $count : 0) {
		my $name = $n ? "h$n.$host" : $host;
		my $socket = IO::Socket::INET->new(PeerAddr => $peer, PeerPort => $hold ? 81 : 80) or die "$!\n";
		syswrite $socket, "GET / HTTP/1.1\r\nHost: $name\r\n\r\n";
		push @open, $socket if $hold;
		sysread $socket, my $answer, 4096;
	}
}
select undef, undef, undef, 0.02 while $hold && -e $hold;
END_OF_CLIENT
}

sub requests { return finish(client('', @_))->{code} }
sub ask { my ($agent, @args) = @_; return run([agent(), @args, '--set', "control.socket=$agent->{where}/socket"]) }
sub found { my ($agent, $rule) = @_; return grep { $_->{rule} eq $rule } live_findings($agent) }

# Hosts below this name that a rule found, each with how often, once so many were.
sub hosts_of {
	my ($agent, $rule, $below, $count) = @_;
	my %hosts;
	wait_until(sub {
		%hosts = ();
		$hosts{ $_->{host} }++ for grep { ($_->{host} // '') =~ /\.\Q$below\E\z/ } found($agent, $rule);
		keys %hosts >= $count;
	}, 15);
	return \%hosts;
}

# Each host of a client's was found, and once.
sub each_once {
	my ($agent, $rule, $below, $count, $what) = @_;
	my $hosts = hosts_of($agent, $rule, $below, $count);
	is(scalar keys %$hosts, $count, "$what: each flow is seen");
	is_deeply([grep { $hosts->{$_} > 1 } keys %$hosts], [], "$what: and once");
}

my $agent = live('-i', $iface, '--policies', $policies, '--set', "capture.workers=$workers", '--set',
	'flow.idle_timeout=2s');
my $status;
my $together = wait_until(sub { $status = live_status($agent); !grep { $_->{behind} || !$_->{pid} } @{ $status->{workers} } },
	20);
ok($together, 'all workers have the policies at work');
my %pids = map { $_->{pid} => 1 } @{ $status->{workers} };
is(scalar keys %pids, $workers, "$workers processes");
is($status->{worker_pid}, $status->{workers}[0]{pid}, 'of which the first is named');
is($status->{generation}, 1, 'it is one generation');
like(ask($agent, 'status')->{out}, qr/^workers      pid \d+, \d+, \d+, 0 restarts$/m, 'status lists them');

# ---- flows -------------------------------------------------------------------------------------------

my $flows = 300;
is(requests("spread.example:$flows"), 0, "$flows connections");
each_once($agent, 'test.each', 'spread.example', $flows, 'over several workers');
my @all = found($agent, 'test.each');
my %ids = map { $_->{id} => 1 } @all;
is(scalar keys %ids, scalar @all, 'all findings have ids of their own');
my $known = grep { ($_->{process} // '') eq 'perl' } @all;
cmp_ok($known, '>=', 0.99 * $flows, 'all workers know whose a flow is');
wait_until(sub { $status = live_status($agent); $status->{packets} >= 4 * $flows }, 10);
my @busy = grep { $_->{packets} > $flows / 10 } @{ $status->{workers} };
cmp_ok(scalar @busy, '>=', 2, 'more than one worker did work');
my $sum = 0;
$sum += $_->{packets} for @{ $status->{workers} };
is($status->{packets}, $sum, 'their packets add up');

# ---- what rules remember -----------------------------------------------------------------------------

is(requests(('same.example') x 60), 0, 'a host that is asked 60 times');
# The rule's counts tell when all were seen.
my $once;
my $seen = wait_until(sub {
	my $run = ask($agent, 'status', '--json', '--rules');
	($once) = grep { $_->{id} eq 'test.once' } @{ JSON::PP::decode_json($run->{out})->{rule} };
	$once->{held} == 60;
}, 20);
ok($seen, 'what a rule did adds up') or diag(explain($once));
is($once->{throttled}, 59, 'a throttle is common to all workers');
wait_until(sub { found($agent, 'test.once') }, 15); # findings are printed some time after
is(scalar(found($agent, 'test.once')), 1, 'so that it is told once');

# ---- a reload under traffic --------------------------------------------------------------------------

my $client = client('', "reload.example:$flows");
policy($each . qq(rule "test.new" { title = "new", severity = "info", on = "http" }\n), 'workers', $policies);
my $reload = ask($agent, 'reload');
is($reload->{code}, 0, 'a reload') or diag($reload->{err});
like($reload->{out}, qr/^generation 2: 4 rules/, 'is one generation') or diag($reload->{err});
$status = live_status($agent);
is_deeply([map { $_->{behind} } @{ $status->{workers} }], [(JSON::PP::false) x $workers], 'which all have then');
is($status->{reload}{result}, 'loaded', 'and over');
is(finish($client)->{code}, 0, 'a client meanwhile');
each_once($agent, 'test.each', 'reload.example', $flows, 'while policies change');
is(requests('new.example:60'), 0, 'a client afterwards');
each_once($agent, 'test.new', 'new.example', 60, 'by a new rule');

policy("rule 'broken' {", 'workers', $policies);
$reload = ask($agent, 'reload');
is($reload->{code}, 1, 'policies that do not load');
$status = live_status($agent);
is($status->{generation}, 2, 'are none');
is($status->{reload}{problem_count}, 1, 'and are told once');
is($status->{restarts}, 0, 'no worker is lost by all that');

# ---- a worker that is killed -------------------------------------------------------------------------

serve(inside($there, $^X, '-MIO::Socket::INET', '-e', <<'END_OF_SERVER'));
my $server = IO::Socket::INET->new(LocalPort => 81, Listen => 1024, ReuseAddr => 1) or die "$!\n";
my @open;
while (my $client = $server->accept) {
	sysread $client, my $request, 4096;
	syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	push @open, $client;
}
END_OF_SERVER
ok(listens($there, 81), 'a server that holds its connections');
policy(qq(rule "test.held" { title = "held", severity = "info", on = "flow.end", match = { dst_port = 81,)
	. qq( host = { set = true } } }\n) . $each, 'workers', $policies);
is(ask($agent, 'reload')->{code}, 0, 'a reload');
my $held = 60;
my $hold = spew("$agent->{where}/hold", '');
my $packets = live_status($agent)->{packets};
$client = client($hold, "held.example:$held");
wait_until(sub { live_status($agent)->{packets} >= $packets + 5 * $held }, 20);
my @before = map { $_->{pid} } @{ live_status($agent)->{workers} };
kill 'KILL', $before[1];
my $replaced = wait_until(sub {
	$status = live_status($agent);
	my $second = $status->{workers}[1];
	$second->{restarts} == 1 && $second->{pid} && $second->{pid} != $before[1] && !$second->{behind};
}, 20);
ok($replaced, 'a worker that is killed is replaced');
is_deeply([map { $_->{pid} } @{ $status->{workers} }[0, 2]], [@before[0, 2]], 'the others go on');
is($status->{restarts}, 1, 'it is counted');
my ($lost) = slurp("$agent->{dir}/err") =~ /lost: (\d+) flows in progress/;
unlink $hold;
is(finish($client)->{code}, 0, 'the connections end');
cmp_ok($lost, '<', $held, 'some flows were in the hands of others');
my $kept = hosts_of($agent, 'test.held', 'held.example', $held - $lost);
cmp_ok(scalar keys %$kept, '>=', $held - $lost, 'and none of those is lost');
is_deeply([grep { $kept->{$_} > 1 } keys %$kept], [], 'each is found once');
is(requests('after.example:60'), 0, 'a client afterwards');
each_once($agent, 'test.each', 'after.example', 60, 'with a new worker');

# ---- a rule that kills its worker --------------------------------------------------------------------

@before = map { $_->{pid} } @{ live_status($agent)->{workers} };
finish(client('', 'loop.example'));
wait_until(sub { $status = live_status($agent); $status->{rules_quarantined} || $status->{rules_failing} }, 20);
SKIP: {
	skip 'here the loop ends by its soft limit', 6 if !$status->{rules_quarantined};
	is($status->{restarts}, 2, 'a rule that never comes back costs a worker');
	is(requests(('loop.example') x 60), 0, 'its event comes again, to all workers');
	is(requests('last.example:60'), 0, 'and others behind it');
	each_once($agent, 'test.each', 'last.example', 60, 'with a rule in quarantine');
	$status = live_status($agent);
	is($status->{restarts}, 2, 'the rule is in quarantine in all of them');
	my @same = grep { $before[$_] == $status->{workers}[$_]{pid} } 0 .. $workers - 1;
	is(scalar @same, $workers - 1, 'without the others having to begin anew');
}

# ---- the end -----------------------------------------------------------------------------------------

%ids = map { $_->{id} => 1 } live_findings($agent);
is(scalar keys %ids, scalar(live_findings($agent)), 'ids differ over restarts, too');
is(live_status($agent)->{spool}{known}, 0, 'so that the spool keeps each');
my $end = live_stop($agent);
is($end->{code}, 0, 'all end in order when they are told to') or diag($end->{err});
done_testing;
