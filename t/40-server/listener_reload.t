#!/usr/bin/perl
# Workers that end, die and are replaced: no connection is refused meanwhile.
use strict;
use warnings;
use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;
use Sense;
use Server;

need_server();
my $where; # of the first server: the others go on in it, which is quicker

# So many requests, each on a connection of its own: the first that fails ends it with another code than 0.
sub load_start {
	my ($server, $count) = @_;
	my $url = "https://localhost:$server->{port}/healthz";
	return start(['curl', '-sS', '--max-time', 60, '--fail-early', '--fail', '--cacert', "$server->{where}/ca.pem",
		'-H', 'Connection: close', '-4', map { ($url, '-o', '/dev/null') } 1 .. $count]);
}


# How many connections to this port wait to be accepted, or have been.
sub established {
	my ($port) = @_;
	my $at = sprintf ':%04X', $port;
	return scalar grep { (split)[1] =~ /\Q$at\E$/ && (split)[3] eq '01' } split /\n/, slurp('/proc/net/tcp');
}

# ---- SIGHUP under load ----------------------------------------------------------------------------------

{
	my $server = server_start(set => ['server.drain=5s']);
	$where = $server->{where};
	my @before = workers($server);
	is(scalar @before, 2, 'two workers');
	my @load = map { load_start($server, 150) } 1 .. 3;
	my $reloads = 0;
	for (1 .. 4) {
		kill 'HUP', $server->{pid};
		$reloads++ if wait_until(sub { server_logged($server, qr/^reloaded: /) == $_ }, 60);
	}
	is($reloads, 4, 'reloaded, four times');
	my @done = map { finish($_) } @load;
	is_deeply([map { $_->{code} } @done], [0, 0, 0], 'no connection was refused or lost');
	diag($_->{err}) for grep { $_->{code} } @done;
	ok(wait_until(sub { workers($server) == 2 }, 20), 'the workers before them have ended');
	my %before = map { $_ => 1 } @before;
	is_deeply([grep { $before{$_} } workers($server)], [], 'all workers are new ones');
	cmp_ok(metrics($server)->{'sense_http_answers_total{class="2xx"}'}, '>=', 450, 'what was counted goes on');

	# ---- a configuration that is wrong ----
	my @same = workers($server);
	spew("$server->{where}/server.lua", "server = { workerss = 3 }\nlog = { level = 'loud' }\n");
	kill 'HUP', $server->{pid};
	ok(wait_until(sub { server_logged($server, qr/^the new configuration is not taken: /) }, 20), 'a bad one is not taken');
	ok(server_logged($server, qr/server\.workerss: unknown key, did you mean 'server\.workers'/), 'and why is said');
	ok(server_logged($server, qr/log\.level: 'loud' is not one of/), 'all of it');
	is_deeply([workers($server)], \@same, 'the workers stay');
	is(curl($server, '/healthz')->{out}, "ok\n", 'and serve');

	# ---- certificates that are wrong ----
	spew("$server->{where}/server.lua", "agents = { heartbeat = '31s' }\n");
	rename "$server->{where}/server.key", "$server->{where}/server.key.away";
	kill 'HUP', $server->{pid};
	ok(wait_until(sub { server_logged($server, qr/not taken: .*server\.key: no key of the server's certificate/) }, 20),
		'neither is one without its key');
	is_deeply([workers($server)], \@same, 'the workers stay');
	rename "$server->{where}/server.key.away", "$server->{where}/server.key";
	kill 'HUP', $server->{pid};
	ok(wait_until(sub { server_logged($server, qr/^reloaded: /) == 5 }, 60), 'put right, it is taken');
	is(server_stop($server)->{code}, 0, 'it ends well');
}

# ---- what does not begin -----------------------------------------------------------------------------------

{
	my $run = finish(server_start(where => $where, fails => 1, set => ['tls.certificate=/nowhere.pem', 'tls.key=/nowhere.key']));
	is($run->{code}, 1, 'without its certificate it does not begin');
	like($run->{err}, qr/nowhere\.pem: no certificate of the server/, 'and says so');
	like(finish(server_start(where => $where, fails => 1, set => ['tls.certificate=/nowhere.pem']))->{err},
		qr/tls\.certificate and tls\.key go together/, 'nor with a half of it');
	my $server = server_start(where => $where, set => $> ? [] : ['server.user=nobody']);
	my $second = finish(server_start(where => $where, fails => 1, set => ["server.listen=127.0.0.1:$server->{port}"]));
	is($second->{code}, 1, 'an address that is taken');
	like($second->{err}, qr/127\.0\.0\.1:$server->{port} is in use by another program/, 'is not shared with another server');
	my $odd = finish(server_start(where => $where, fails => 1, set => ['server.listen=localhost']));
	like($odd->{err}, qr/'localhost' is no ADDRESS:PORT/, 'an address that is none');
	is(curl($server, '/healthz')->{out}, "ok\n", 'the one that is there serves');
	SKIP: {
		skip 'to become another user takes root', 3 if $>;
		my $nobody = finish(server_start(where => $where, fails => 1, set => ['server.user=no-such-user']));
		like($nobody->{err}, qr/there is no user 'no-such-user' on this host/, 'a user that there is not');
		my $status = proc_status((workers($server))[0]);
		is((split ' ', $status->{Uid})[0], scalar getpwnam('nobody'), 'workers become the user that was set');
		is($status->{NoNewPrivs}, 1, 'and can gain nothing');
	}
	is(server_stop($server)->{code}, 0, 'it ends well');
}

# ---- who is slow -------------------------------------------------------------------------------------------

{
	my $server = server_start(where => $where, set => ['server.workers=1', 'server.handshake_timeout=200ms', 'server.request_timeout=300ms',
		'server.idle_timeout=400ms', 'server.per_address=20']);
	my $mute = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$server->{port}") or die $!;
	is(sysread($mute, my $nothing, 1), 0, 'a connection without a handshake is closed');
	my $slow = talk($server, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ");
	for (1 .. 1000) { # a byte now and then does not help
		last if $slow->{ended};
		ask($slow, 'x', undef, 0.05);
	}
	ok($slow->{ended} && $slow->{got} eq '', 'a request that never ends is hung up on');
	my $silent = talk($server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	like(ask($silent, ''), qr/ok\n$/, 'a silent connection is closed');
	my $seen = metrics($server);
	is($seen->{"sense_connections_ended_total{reason=\"$_\"}"}, 1, "counted: $_") for qw(handshake slow_sender idle);

	my @crowd = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$server->{port}") // () } 1 .. 60;
	is(scalar @crowd, 60, 'many connections from one address');
	my $closed = wait_until(sub { (eval { metrics($server) } // {})->{'sense_connections_refused_total{reason="source"}'} }, 20);
	ok($closed, 'more than it may have are closed at once');
	is(server_stop($server)->{code}, 0, 'it ends well');
}

# ---- the service manager ---------------------------------------------------------------------------------

{
	my $path = temp_dir() . '/notify';
	my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
	my $heard = '';
	my $told = sub {
		my ($what) = @_;
		return wait_until(sub {
			$heard .= "$_\n" if IO::Select->new($manager)->can_read(0) && defined $manager->recv(local $_, 4096);
			return $heard =~ $what;
		}, 60);
	};
	local $ENV{NOTIFY_SOCKET} = $path;
	my $server = server_start(where => $where);
	delete $ENV{NOTIFY_SOCKET};
	ok($told->(qr/^READY=1$/m), 'a service manager is told when the server is ready');
	$heard = '';
	kill 'HUP', $server->{pid};
	ok($told->(qr/^RELOADING=1\n.*^READY=1\n/ms), 'that it reloads, and has');
	is(server_stop($server)->{code}, 0, 'it ends well');
	ok($told->(qr/^STOPPING=1$/m), 'and that it ends');
}

# ---- kill -9 ----------------------------------------------------------------------------------------------

{
	my $server = server_start(where => $where, set => ['server.workers=1']);
	my ($worker) = workers($server);
	kill 'STOP', $worker;
	my $request = load_start($server, 1);
	ok(wait_until(sub { established($server->{port}) >= 1 }, 20), 'a connection waits for a worker that hangs');
	kill 'KILL', $worker;
	my $done = finish($request);
	is($done->{code}, 0, 'the worker is killed: its successor takes the connection') or diag($done->{err});
	ok(server_logged($server, qr/^worker 0 \(process $worker\) ended by signal 9/), 'which is said');
	isnt((workers($server))[0], $worker, 'another process');
	for my $n (1 .. 3) {
		my ($pid) = workers($server);
		kill 'KILL', $pid;
		is(curl($server, '/healthz')->{out}, "ok\n", "killed again, $n: it goes on");
	}
	my ($pid) = workers($server);
	kill 'KILL', $server->{pid};
	waitpid $server->{pid}, 0;
	ok(wait_until(sub { !kill 0, $pid }, 20), 'without a master the workers end');
}

done_testing();
