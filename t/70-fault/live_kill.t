#!/usr/bin/perl
# Workers, the sensor process and the whole agent are killed at random while traffic comes. What was once given out
# of the spool stays there until it is acknowledged, and never comes twice.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use Sense;
use Live;
use Test::More;
use Time::HiRes qw(time sleep);

my $rounds = $ENV{SENSE_TEST_KILLS} || 12;
need_agent();
need_namespaces();
my ($iface, $there) = wire();
http_server($there, 80);
ok(listens($there, 80), 'a server is there');
my $policies = policy(<<'END', 'kill');
rule "test.each" { title = "each", severity = "info", on = "flow.classified", match = { dst_port = 80 } }
END
my $dir = temp_dir();
mkdir "$dir/home";
my @command = (agent(), 'run', '-i', $iface, '--policies', $policies, '--set', "agent.dir=$dir/agent", '--set',
	"control.socket=$dir/socket", '--set', "host.homes=$dir/home", '--set', 'catalogue.dir=policies/catalogue');
my $handle = { where => $dir };

sub agent_start {
	my $begun = time;
	my $fresh = start([@command]);
	%$handle = (%$fresh, where => $dir);
	return wait_until(sub { live_status($handle) }, 20) ? time - $begun : undef;
}

# What lies in the spool, by id; dies of a finding that is there twice.
sub kept {
	my $run = run([agent(), 'findings', '--json', '--set', "control.socket=$dir/socket", @_]);
	my %kept;
	for my $finding (objects($run)) {
		fail("$finding->{id} is there twice") if $kept{ $finding->{id} }++;
	}
	return \%kept;
}

defined agent_start() or BAIL_OUT('the agent does not start');
my $load = serve('sh', '-c', 'while :; do curl -s -m 2 -o /dev/null http://' . peer() . '/; done');
my (%must, %gone, @slow);
my %killed = (worker => 0, sensor => 0, agent => 0);
srand 1;
for my $round (1 .. $rounds) {
	sleep 0.1 + rand 0.4;
	my $status = live_status($handle) or next;
	my $what = (qw(worker agent sensor))[$round % 3];
	my $pid = { worker => $status->{worker_pid}, sensor => $status->{host}{pid}, agent => $handle->{pid} }->{$what};
	my $before = kept();
	$must{$_} = 1 for keys %$before;
	next if !$pid;
	kill 'KILL', $pid;
	$killed{$what}++;
	my $begun = time;
	if ($what eq 'agent') {
		waitpid $pid, 0;
		my $took = agent_start();
		ok(defined $took, "round $round: the agent starts again") or last;
		push @slow, $took;
	} else {
		my $path = $what eq 'worker' ? sub { $_[0]{worker_pid} } : sub { $_[0]{host}{pid} };
		my $back = wait_until(sub { my $now = live_status($handle); $now && $path->($now) && $path->($now) != $pid }, 20);
		push @slow, time - $begun if $what eq 'worker';
		ok($back, "round $round: another $what follows");
	}
	my $after = kept();
	is_deeply([grep { !$after->{$_} } keys %must], [], "round $round: nothing that was kept is lost");
	is_deeply([grep { $gone{$_} } keys %$after], [], "round $round: nothing that was acknowledged comes again");
	next if $round % 4;
	my $acked = kept('--ack');
	$gone{$_} = 1 for keys %$acked;
	delete @must{ keys %$acked };
}
kill 'KILL', $load->{pid};
waitpid $load->{pid}, 0;
ok(keys(%gone) + keys(%must) > 20, keys(%gone) + keys(%must) . ' findings passed through the spool');
note("killed: $killed{worker} workers, $killed{sensor} sensor processes, $killed{agent} agents; until it answered again, "
	. 'at most ' . int(1000 * (sort { $b <=> $a } @slow)[0]) . ' ms');
my $end = live_stop($handle);
is($end->{code}, 0, 'the last agent ends in order') or diag($end->{err});
done_testing;
