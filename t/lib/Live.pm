# A live agent between network namespaces of the test's own: what it needs, and how it is asked.
package Live;
use strict;
use warnings;
use Exporter 'import';
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes;
use Sense;

our @EXPORT = qw(need_namespaces wire peer peer6 inside serve live live_status live_stop live_findings tls_server
    http_server listens);

# What `run` is started through, in place of by itself.
our $through = [];
my (@made, @started, @unreachable);
my $wires = 0;
my $owner = $$;

sub need_namespaces {
	plan skip_all => 'network namespaces and live capture take root' if $>;
	plan skip_all => 'a sanitizer and a live agent: t/20-plugin has the parts' if is_sanitized();
	plan skip_all => 'no network namespace can be made here'
	    if system "ip netns add sense-$$-try 2>/dev/null && ip netns del sense-$$-try 2>/dev/null";
}

# A net of each test's own: tests run beside each other.
my $net = 1 + $$ % 250;
sub peer { return "10.99.$net.2" }
sub peer6 { return "fd99:$net\::2" }

# Another host, in a network namespace, at the other end of a wire: `peer` and `peer6`. This end, with a 1, lies
# here, since the kernel tells of processes in its first network namespace alone.
sub wire {
	my $there = "sense-$$-" . ++$wires;
	my $iface = "sn$$-$wires";
	system "ip addr show to 10.99.$net.1 | grep -q . && sleep 1"; # the wire before this one is going
	# While there is no wire, what is sent to the other end goes nowhere: never by this machine's default route.
	system "ip route replace unreachable 10.99.$net.0/24 metric 9999; "
	    . "ip -6 route replace unreachable fd99:$net\::/64 metric 9999 2>/dev/null";
	@unreachable = (["ip route del unreachable 10.99.$net.0/24 metric 9999"],
		["ip -6 route del unreachable fd99:$net\::/64 metric 9999"]);
	system("ip netns add $there && ip -n $there link set lo up") == 0 or BAIL_OUT("ip netns add $there failed");
	push @made, $there;
	system("ip link add $iface type veth peer name wire netns $there") == 0 or BAIL_OUT('no veth');
	for (['ip', $iface, 1], ["ip -n $there", 'wire', 2]) {
		my ($ip, $name, $last) = @$_;
		system "$ip addr add 10.99.$net.$last/24 dev $name; $ip addr add fd99:$net\::$last/64 dev $name nodad; "
		    . "$ip link set $name up";
	}
	return ($iface, $there);
}

# Not `ip netns exec`: that hides the control groups, on which eBPF programs hang.
sub inside {
	my ($name, @command) = @_;
	return ('nsenter', "--net=/var/run/netns/$name", @command);
}

# Starts a command that goes on; it is ended with the test.
sub serve {
	my (@command) = @_;
	my $handle = start([@command]);
	push @started, $handle->{pid};
	return $handle;
}

sub tls_server {
	my ($name, $port) = @_;
	my $dir = temp_dir();
	system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $dir/key -out $dir/cert "
	    . "-subj /CN=test -days 2 2>/dev/null") == 0 or BAIL_OUT('openssl req failed');
	serve(inside($name, 'openssl', 's_server', '-quiet', '-accept', $port, '-key', "$dir/key", '-cert', "$dir/cert",
		'-www'));
}

# Answers each connection with a few bytes and closes it.
sub http_server {
	my ($name, $port) = @_;
	serve(inside($name, $^X, '-MIO::Socket::INET', '-e', <<'END', $port));
my $server = IO::Socket::INET->new(LocalPort => shift, Listen => 1024, ReuseAddr => 1) or die "$!\n";
while (my $client = $server->accept) {
	sysread $client, my $request, 4096;
	syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	close $client;
}
END
}

# Waits until somebody listens on a TCP port of a namespace.
sub listens {
	my ($name, $port) = @_;
	my $at = sprintf ':%04X', $port;
	return wait_until(sub {
		grep { (split)[1] =~ /\Q$at\E$/ && (split)[3] eq '0A' }
		    `nsenter --net=/var/run/netns/$name cat /proc/self/net/tcp /proc/self/net/tcp6`;
	}, 10);
}

# An agent at work. Options go to `run`.
sub live {
	my (@options) = @_;
	my $dir = temp_dir();
	mkdir "$dir/home";
	my $handle = start([ @$through, agent(), 'run', '--json', '--set', "agent.dir=$dir/agent",
		'--set', "control.socket=$dir/socket", '--set', "host.homes=$dir/home",
		'--set', 'catalogue.dir=policies/catalogue', @options ]);
	$handle->{where} = $dir;
	push @started, $handle->{pid};
	my $ready = wait_until(sub { live_status($handle) || !kill 0, $handle->{pid} }, 20);
	ok($ready && live_status($handle), 'the agent runs') or diag(slurp("$handle->{dir}/err"));
	return $handle;
}

# What `status --json` says; undef: nobody answers, or nothing is at work yet.
sub live_status {
	my ($handle) = @_;
	return undef if !-S "$handle->{where}/socket";
	my $run = run([agent(), 'status', '--json', '--set', "control.socket=$handle->{where}/socket"]);
	return undef if $run->{code};
	my $status = decode_json($run->{out});
	return $status->{generation} ? $status : undef;
}

sub live_stop {
	my ($handle) = @_;
	kill 'TERM', $handle->{pid};
	@started = grep { $_ != $handle->{pid} } @started;
	return finish($handle);
}

# What it has printed so far.
sub live_findings {
	my ($handle) = @_;
	my $out = slurp("$handle->{dir}/out");
	$out =~ s/[^\n]*\z//;
	return objects({ out => $out });
}

END {
	my $code = $?;
	if ($$ == $owner) {
		kill 'KILL', @started;
		waitpid $_, 0 for @started;
		system "ip netns del $_" for @made;
		system "@$_ 2>/dev/null" for @unreachable;
	}
	$? = $code;
}

1;
