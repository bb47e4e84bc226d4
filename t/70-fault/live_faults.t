#!/usr/bin/perl
# What can go wrong around a live agent: an interface that vanishes, /proc that cannot be read, a full disk, a
# damaged spool, a sensor that crashes, 100,000 processes, names of any bytes. It goes on, and says what it
# could not see.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::INET;
use JSON::PP;
use Sense;
use Live;
use Test::More;

need_agent();
need_namespaces();

sub gaps {
	my ($handle, $what) = @_;
	return grep { $_->{rule} =~ m{^ai\.coverage\.} && $_->{details}{what} eq $what } live_findings($handle);
}

my $each = policy(<<'END', 'each');
rule "test.each" { title = "each", severity = "info", on = "flow.classified", match = { dst_port = 80 } }
rule "test.process" { title = "process", severity = "info", on = "process.start",
  match = { process = { pid = 4000001 } },
  finding = function(process)
    return { summary = ("%s|%s|%s|%s"):format(process.process.name, process.process.path, process.user,
      process.process.command) }
  end }
END
my @policies = ('--policies', 'policies', '--policies', $each);

# ---- an interface that goes away and comes back ----
{
	my ($iface, $there) = wire();
	http_server($there, 80);
	listens($there, 80);
	my $agent = live('-i', $iface, @policies, '--set', 'host.sensors=procs');
	my $peer = peer();
	my $own = $peer =~ s/2$/1/r;
	system "ip link del $iface";
	ok(wait_until(sub { gaps($agent, 'packets') }, 15), 'an interface that vanishes is a gap, and told');
	like((gaps($agent, 'packets'))[0]{summary}, qr/\Q$iface\E/, 'by its name');
	system "ip link add $iface type veth peer name wire netns $there; ip addr add $own/24 dev $iface; "
	    . "ip link set $iface up; ip -n $there addr add $peer/24 dev wire; ip -n $there link set wire up";
	my $seen = wait_until(sub {
		system 'curl -s -m 1 -o /dev/null http://' . peer() . '/';
		grep { $_->{rule} eq 'test.each' } live_findings($agent);
	}, 20);
	ok($seen, 'another one of that name is listened to');
	my $end = live_stop($agent);
	is($end->{code}, 0, 'and the agent ends in order');
	system "ip link del $iface 2>/dev/null";
}

# ---- packets that nobody looks at in time ----
{
	my ($iface, $there) = wire();
	# Another one, on which nobody else sends: lo is everybody's, and with an address of IPv6 the kernel speaks.
	my $quiet = "sq$$";
	my $behind = peer() =~ s/^10\.99/10.98/r;
	my $before = $behind =~ s/2$/1/r;
	system("ip link add $quiet type veth peer name p$quiet "
	    . "&& { ip link set p$quiet addrgenmode none; ip link set $quiet addrgenmode none; "
	    . "ip link set p$quiet up && ip link set $quiet up; } "
	    . "&& ip addr add $before/24 dev $quiet && ip neigh add $behind lladdr 02:00:00:00:00:02 dev $quiet") == 0
	    or BAIL_OUT('no veth');
	my $agent = live('-i', $iface, '-i', $quiet, @policies, '--set', 'host.sensors=procs', '--set',
		'capture.ring=2MiB');
	my $worker = live_status($agent)->{worker_pid};
	kill STOP => $worker;
	my $socket = IO::Socket::INET->new(Proto => 'udp', PeerAddr => peer(), PeerPort => 9) or die "udp: $!";
	my $own = IO::Socket::INET->new(Proto => 'udp', PeerAddr => $behind, PeerPort => 9) or die "udp: $!";
	$own->send('few');
	$socket->send('x' x 1000) for 1 .. 20_000;
	kill CONT => $worker;
	my $told = sub { grep { $_->{details}{why} =~ /dropped/ } gaps($agent, 'packets') };
	ok(wait_until(sub { $told->() }, 15), 'packets that were dropped are a gap, and told');
	like(($told->())[0]{summary}, qr/\Q$iface\E/, 'by the name of their interface');
	my $of = sub {
		my $status = live_status($agent) or return {};
		return { map { $_->{name} => $_ } @{ $status->{capture}{interfaces} } };
	};
	ok(wait_until(sub { ($of->()->{$iface}{dropped} // 0) > 10_000 }, 15), 'and counted there');
	# What waits in the ring still is shared out by estimate.
	ok(wait_until(sub { my $seen = $of->()->{$quiet}; $seen && defined $seen->{dropped} && !$seen->{dropped} }, 15),
		'none at an interface where few came');
	is(live_stop($agent)->{code}, 0, 'and the agent ends in order');
	system "ip link del $iface 2>/dev/null; ip link del $quiet";
}

# ---- a disk that is full, and is not any more ----
{
	my $dir = temp_dir();
	mkdir "$dir/agent";
	system("mount -t tmpfs -o size=2m none $dir/agent") == 0 or plan skip_all => 'no tmpfs can be mounted';
	my ($iface, $there) = wire();
	http_server($there, 80);
	listens($there, 80);
	my $agent = live('-i', $iface, @policies, '--set', 'host.sensors=procs', '--set', "agent.dir=$dir/agent",
		'--set', 'spool.max_bytes=8MiB');
	open my $fill, '>', "$dir/agent/fill" or die;
	1 while syswrite $fill, 'x' x 65536;
	my $full = wait_until(sub {
		system 'curl -s -m 1 -o /dev/null http://' . peer() . '/' for 1 .. 20;
		my $status = live_status($agent);
		$status && $status->{spool}{failing};
	}, 60);
	ok($full, 'a full disk is noticed');
	ok(wait_until(sub { gaps($agent, 'spool') }, 15), 'and told');
	close $fill;
	unlink "$dir/agent/fill";
	my $again = wait_until(sub {
		my $status = live_status($agent);
		$status && !$status->{spool}{failing} && !$status->{spool}{waiting};
	}, 30);
	ok($again, 'when there is room again findings are kept again');
	my $status = live_status($agent);
	my @all = live_findings($agent);
	my $dropped = $status->{spool}{dropped};
	my $run = run([agent(), 'findings', '--json', '--set', "control.socket=$agent->{where}/socket"]);
	my %kept = map { $_->{id} => 1 } objects($run);
	is(scalar(grep { !$kept{ $_->{id} } } @all), $dropped, 'none was lost but what is counted as dropped');
	my $end = live_stop($agent);
	is($end->{code}, 0, 'and the agent ends in order') or diag($end->{err});
	system "umount $dir/agent";
}

# ---- a spool that is damaged ----
{
	my $dir = temp_dir();
	my $agent = live('--no-capture', '--set', 'host.sensors=procs', '--set', "agent.dir=$dir/agent");
	live_stop($agent);
	my ($file) = grep { -s } glob "$dir/agent/spool/*.mdb";
	ok($file, 'a spool') or diag(join ' ', glob "$dir/agent/spool/*");
	spew($file, 'garbage' x 1000);
	$agent = live('--no-capture', '--set', 'host.sensors=procs', '--set', "agent.dir=$dir/agent");
	ok(scalar(glob "$dir/agent/spool/*unreadable*"), 'a damaged spool is set aside, not removed');
	my $end = live_stop($agent);
	like($end->{err}, qr/cannot be used/, 'which is said');
}

# ---- /proc that shows nothing ----
{
	my $dir = temp_dir();
	spew("$dir/hidden.sh", "#!/bin/sh\nmount -t tmpfs none /proc && exec \"\$\@\"\n");
	chmod 0755, "$dir/hidden.sh";
	my $build = $ENV{SENSE_BUILD} // 'build';
	local $Live::through = ['unshare', '-m', "$dir/hidden.sh"];
	my $agent = live('--no-capture', @policies, '--set', "plugins.dir=$build/plugins");
	ok(wait_until(sub { gaps($agent, 'processes') }, 20), 'processes that cannot be seen are a gap');
	my $end = live_stop($agent);
	is($end->{code}, 0, 'and the agent ends in order') or diag($end->{err});
}

# ---- a crowd, strange texts, a crash ----
{
	my $dir = temp_dir();
	my $plugin = run(['/usr/bin/env', qw(cc -std=gnu11 -shared -fPIC -w -I.), '-o', "$dir/crowd.so", 't/70-fault/crowd.c']);
	is($plugin->{code}, 0, 'the test\'s sensor is built') or diag($plugin->{err});
	my $build = $ENV{SENSE_BUILD} // 'build';
	symlink "$_", "$dir/" . ($_ =~ m{([^/]+)$})[0] for map { $_ =~ m{^/} ? $_ : do { require Cwd; Cwd::getcwd() . "/$_" } } glob "$build/plugins/*.so";
	spew("$dir/crash", '');
	local $ENV{SENSE_TEST_CRASH} = "$dir/crash";
	my $agent = live('--no-capture', @policies, '--set', "plugins.dir=$dir", '--set', 'host.sensors=crowd', '--set',
		'host.cpu=100');
	ok(wait_until(sub { gaps($agent, 'host') }, 15), 'a sensor that crashes is a gap');
	ok(-e "$dir/crash", 'and could not remove a file');
	unlink "$dir/crash";
	my $all = wait_until(sub {
		my $status = live_status($agent);
		$status && ($status->{host}{gauges}{processes} // 0) >= 100_000;
	}, 60);
	ok($all, '100,000 processes are known, after another sensor process began');
	my $status = live_status($agent);
	cmp_ok($status->{host}{restarts}, '>=', 1, 'by another one');
	is($status->{host}{gauges}{'processes.refused'}, 0, 'none was refused');
	my $memory = proc_status($status->{host}{pid});
	note("the sensor process with 100,000 processes: VmRSS $memory->{VmRSS}, RssAnon $memory->{RssAnon}");
	my ($process) = grep { $_->{rule} eq 'test.process' } live_findings($agent);
	like($process->{summary} // '', qr{^\Qstr?ange?|/tmp/a?b?(/str?[31mange|u?ser|strange --api-key ~redacted~ \E},
		'a name of any bytes is told as text, its key is not');
	my ($file) = grep { $_->{rule} eq 'ai.local.model_file' } live_findings($agent);
	like($file->{summary} // '', qr/\Q"}{\E/, 'so is a path');
	my $end = live_stop($agent);
	unlike($end->{out}, qr/[^\x20-\x7e\n\x80-\xff]/, 'and nothing else gets out');
	like($end->{err}, qr/a sensor told of a value 'no\.such\.field'/, 'a sensor\'s mistake is logged');
	is(scalar(() = $end->{err} =~ /a sensor told of/g), 1 + $status->{host}{restarts},
		'once for each process of sensors');
}
done_testing;
