#!/usr/bin/perl
# PostgreSQL away, PostgreSQL that does not answer, Redis away, one of two servers behind haproxy killed, a full disk:
# under load, and nobody lends a hand. Afterwards all findings are there, each once.
# SENSE_TEST_OUTAGE: seconds of each outage (3).
use strict;
use warnings;
use lib 't/lib';
use File::Copy ();
use Load;
use Postgres;
use Sense;
use Test::More;
use Time::HiRes qw(sleep time);

my $outage = $ENV{SENSE_TEST_OUTAGE} || 3;
need_load();
my $db = Postgres->new(redis => 1, settings => { max_connections => 80 });
my @stores = ('database.url=' . $db->conninfo, 'redis.url=unix://' . $db->redis_path);
my $fleet = fleet_start(set => \@stores, conninfo => $db->conninfo);

my @agents = ('--agents', 40, '--heartbeat', 1, '--timeout', 10);
my @busy = ('--rate', 1500, '--batch', 40, '--delay', 0.05);

sub kept { return fleet_sql($_[0], 'SELECT coalesce(sum(through), 0) FROM sense.agent_progress', 1) || 0 }

# True when more findings come in than there are now.
sub comes_in {
	my ($of, $what) = @_;
	my ($begun, $before) = (time, kept($of));
	my $good = wait_until(sub { sleep 0.1; kept($of) > $before }, 90);
	return ok($good, sprintf '%s: findings come in (after %.1f s)', $what, time - $begun);
}

# ---- PostgreSQL ------------------------------------------------------------------------------------------------

my @spools = ('--state', "$fleet->{dir}/spools", @agents);
my $load = load_start($fleet, @spools, @busy);
comes_in($fleet, 'before');
for my $how (qw(fast immediate)) {
	$db->stop($how);
	ok(!fleet_ready($fleet, 2), "PostgreSQL stopped ($how): the server says that it is not ready");
	sleep $outage;
	$db->start;
	comes_in($fleet, "PostgreSQL stopped ($how) for $outage s");
}
my @all = keys %{ descendants($db->pid) };
kill 'STOP', @all;
sleep $outage;
kill 'CONT', @all;
comes_in($fleet, "PostgreSQL held for $outage s");
ok(fleet_ready($fleet), 'the server says that it is ready again');

# ---- Redis -----------------------------------------------------------------------------------------------------

$db->stop_redis;
comes_in($fleet, 'Redis stopped');
sleep $outage;
comes_in($fleet, "Redis stopped for $outage s");
$db->start_redis;
fleet_settle($fleet, 'PostgreSQL and Redis away', $load, @spools);
my $waiting = 'SELECT count(*) FROM sense.outbox WHERE place IS NULL';
ok(wait_until(sub { sleep 0.2; fleet_sql($fleet, $waiting) eq '0' }, 60), 'each batch was published');
my $batches = fleet_sql($fleet, 'SELECT count(*) FROM sense.outbox');
ok(wait_until(sub { sleep 0.2; $db->redis('XLEN', 'sense:batches') == $batches }, 60),
	"the stream has an entry for each of $batches batches") or diag($db->redis('XLEN', 'sense:batches'));
is(fleet_stop($fleet), 0, 'the server ends in order');

# ---- two servers behind haproxy --------------------------------------------------------------------------------

SKIP: {
	skip 'haproxy is not installed', 1 if !-x '/usr/sbin/haproxy';
	my $one = fleet_start(set => \@stores, conninfo => $db->conninfo, dir => $fleet->{dir});
	my $other_dir = temp_dir();
	mkdir "$other_dir/data";
	for my $file (glob "$fleet->{data}/*") {
		next if !-f $file;
		File::Copy::cp($file, "$other_dir/data/") or die "$file: $!";
		chmod +(stat $file)[2] & 07777, $other_dir . '/data/' . ($file =~ m{([^/]+)$})[0];
	}
	my $two = fleet_start(set => \@stores, conninfo => $db->conninfo, dir => $other_dir);
	my $port = free_port();
	my $proxy = start(['/usr/sbin/haproxy', '-db', '-f', spew("$other_dir/haproxy.cfg", <<"END")]);
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 3
  option redispatch
listen sense
  bind 127.0.0.1:$port
  balance roundrobin
  server one 127.0.0.1:$one->{port} check inter 200ms fall 1 rise 1
  server two 127.0.0.1:$two->{port} check inter 200ms fall 1 rise 1
END
	my @through = ('--server', "127.0.0.1:$port");
	# Other agents than before.
	@spools = ('--state', "$other_dir/spools", @agents, '--seed', 2, @through);
	$load = load_start($one, @spools, @busy);
	comes_in($one, 'two servers');
	my $busy = sub { metric($_[0], 'sense_agents_connected') };
	ok(wait_until(sub { sleep 0.2; $busy->($one) && $busy->($two) }, 60), 'two servers: both have agents');
	fleet_kill($one);
	comes_in($two, 'one of two servers killed');
	ok(wait_until(sub { sleep 0.2; $busy->($two) == 40 }, 60), 'its agents are with the other');
	ok(fleet_begin($one), 'the first server runs again');
	fleet_kill($two);
	comes_in($one, 'the other one killed');
	ok(fleet_begin($two), 'the second server runs again');
	# Both loads' findings are in this database.
	my $first = "$fleet->{dir}/ids";
	kill 'TERM', $load->{pid};
	finish($load);
	my $end = finish(load_start($one, @spools, '--seconds', 0.01, '--drain', 120, '--ids', "$other_dir/ids"));
	is($end->{code}, 0, 'two servers: all are acknowledged in the end') or diag($end->{out});
	fleet_same($one, 'two servers', $first, "$other_dir/ids");
	kill 'TERM', $proxy->{pid};
	finish($proxy);
	is(fleet_stop($_), 0, 'a server ends in order') for $one, $two;
}
$db->end;

# ---- a full disk -----------------------------------------------------------------------------------------------

SKIP: {
	my $disk = temp_dir();
	skip 'no file system may be mounted here', 1
	    if $> || system("mount -t tmpfs -o size=420m,mode=0755 sense-test $disk 2>/dev/null");
	my $full = eval {
		my $small = fleet_start(dir => $disk);
		@spools = ('--state', temp_dir() . '/spools', @agents, '--seed', 3);
		$load = load_start($small, @spools, @busy);
		comes_in($small, 'a small disk');
		fill("$disk/ballast");
		my $refused = sub { (grep { -e && slurp($_) =~ /No space left on device/ } glob "$small->{data}/log/*.log") > 0 };
		ok(wait_until(sub { sleep 0.2; fill("$disk/ballast"); $refused->() }, 90), 'a full disk: PostgreSQL has no room');
		sleep $outage;
		unlink "$disk/ballast";
		comes_in($small, 'there is room again');
		fleet_settle($small, 'a full disk', $load, @spools);
		is(fleet_stop($small), 0, 'the server ends in order');
		1;
	};
	ok($full, 'a full disk: to the end') or diag($@);
	system("umount $disk || umount -l $disk");
}
done_testing();

sub metric {
	my ($of, $name) = @_;
	my $run = run(['curl', '-sS', '--max-time', 10, '--cacert', "$of->{data}/ca.pem",
		"https://localhost:$of->{port}/metrics"]);
	return $run->{out} =~ /^\Q$name\E (\d+)$/m ? $1 : 0;
}

# Whatever room there is, but for what lies in pages already.
sub fill {
	my ($file) = @_;
	open my $out, '>>:raw', $file or return;
	while (syswrite $out, "\0" x 65536) { }
	while (syswrite $out, "\0" x 512) { }
	close $out;
}
