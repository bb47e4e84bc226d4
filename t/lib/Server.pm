# A sense-server of the test's own: in a temporary directory, with stores of its own, on a port of the loopback that the
# system chose.
#
#   use lib 't/lib'; use Sense; use Server;
#   need_server();
#   my $server = server_start(set => ['server.workers=2'], conf => "log = { level = 'debug' }");
#   my $run = curl($server, '/healthz');                     $run->{code}, {out}, {err}
#   my $agent = certificate($server->{where}, 'agent1');     { cert, key, agent, org, serial }
#   server_stop($server);
package Server;
use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use IPC::Open2;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes ();
use Sense;

our @EXPORT = qw(server need_server authority certificate server_start server_stop server_log server_logged curl
    metrics talk ask workers openssl);

my @started;
my $owner = $$;

sub server { return build() . '/sense-server' }

sub need_server {
	plan(skip_all => server() . ' is not built') unless -x server();
	delete @ENV{ grep { /^SENSE_/ && $_ ne 'SENSE_BUILD' } keys %ENV };
}

sub openssl {
	my (@args) = @_;
	my $run = run(['openssl', @args]);
	BAIL_OUT("openssl @args: $run->{err}") if $run->{code};
	return $run;
}

# ---- certificates ------------------------------------------------------------------------------------

my @p256 = (qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes));

# A CA of its own, beside that which the server makes, and a server's certificate in DIR.
sub authority {
	my ($dir) = @_;
	openssl('req', '-x509', @p256, '-keyout', "$dir/ca.key", '-out', "$dir/ca.pem", '-subj', '/CN=Test CA', '-days', 30);
	my $made = certificate($dir, 'server', subject => '/CN=localhost', use => 'serverAuth');
	rename $made->{key}, "$dir/server.key" or die $!;
	spew("$dir/server.pem", slurp($made->{cert}) . slurp("$dir/ca.pem"));
	return $dir;
}

my $count = 0;

# A certificate of DIR's CA. Options: agent, org (UUIDs), subject (in their place), serial (hex), use, days.
sub certificate {
	my ($dir, $name, %with) = @_;
	my $number = ++$count;
	$with{agent} //= sprintf '00000000-0000-4000-8000-%012d', $number;
	$with{org} //= '11111111-1111-4111-8111-111111111111';
	$with{serial} //= sprintf '%032x', 0xabc000 + $number;
	my $subject = $with{subject} // "/O=$with{org}/CN=$with{agent}";
	openssl('req', @p256, '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr", '-subj', $subject);
	my $names = $name eq 'server' ? 'DNS:localhost,IP:127.0.0.1' : "URI:sense:agent:$with{agent}";
	spew("$dir/$name.ext", "subjectAltName=$names\nextendedKeyUsage="
	    . ($with{use} // 'clientAuth') . "\n");
	my @secret = -e "$dir/ca.passphrase" ? ('-passin', "file:$dir/ca.passphrase") : ();
	openssl('x509', '-req', @secret, '-in', "$dir/$name.csr", '-CA', "$dir/ca.pem", '-CAkey', "$dir/ca.key", '-set_serial',
		"0x$with{serial}", '-days', $with{days} // 30, '-extfile', "$dir/$name.ext", '-out', "$dir/$name.pem");
	return { %with, cert => "$dir/$name.pem", key => "$dir/$name.key" };
}

# ---- the server ------------------------------------------------------------------------------------------

# Options: where => the directory of a server that ran before, conf => the text of its file, set => [KEY=VALUE], fails => 1: it will
# not begin.
sub server_start {
	my (%with) = @_;
	my $dir = $with{where} // temp_dir();
	# The port stays the same over a reload, and is no other test's.
	spew("$dir/server.lua", $with{conf} // '') if defined $with{conf} || !-e "$dir/server.lua";
	my @set = ("server.dir=$dir", 'server.listen=127.0.0.1:0', 'server.workers=2', @{ $with{set} // [] });
	my $handle = start([server(), 'run', '-c', "$dir/server.lua", map { ('--set', $_) } @set]);
	$handle->{where} = $dir;
	push @started, $handle->{pid};
	return $handle if $with{fails};
	my $ready = wait_until(sub { server_logged($handle, qr/^ready: /) || waitpid($handle->{pid}, POSIX::WNOHANG()) }, 60);
	ok($ready && server_logged($handle, qr/^ready: /), 'the server runs') or diag(slurp("$handle->{dir}/err"));
	($handle->{port}) = map { /^listens on .*\(port (\d+)\)/ ? $1 : () } server_log($handle);
	return $handle;
}

sub server_stop {
	my ($handle) = @_;
	kill 'TERM', $handle->{pid};
	@started = grep { $_ != $handle->{pid} } @started;
	return finish($handle);
}

# The messages of its log so far.
sub server_log {
	my ($handle) = @_;
	my $json = JSON::PP->new->utf8;
	return () if !-e "$handle->{dir}/err"; # it has just been started
	return map { eval { $json->decode($_)->{message} } // () } split /\n/, slurp("$handle->{dir}/err");
}

# How many of them match.
sub server_logged {
	my ($handle, $what) = @_;
	return scalar grep { /$what/ } server_log($handle);
}

# Ids of its workers.
sub workers {
	my ($handle) = @_;
	my @found;
	for my $file (glob '/proc/[0-9]*/stat') {
		open my $in, '<', $file or next;
		my $line = <$in> // next;
		push @found, $1 if $line =~ /^(\d+) \(sense:worker .*\) (?!Z)\S (\d+)/s && $2 == $handle->{pid};
	}
	@found = sort { $a <=> $b } @found;
	return @found;
}

# ---- talking to it -----------------------------------------------------------------------------------------

sub curl {
	my ($handle, $path, @args) = @_;
	return run(['curl', '-sS', '--max-time', 60, '--cacert', "$handle->{where}/ca.pem", @args,
		"https://localhost:$handle->{port}$path"]);
}

# All metrics: name with labels => value.
sub metrics {
	my ($handle) = @_;
	return { map { /^([^#]\S*) (\S+)$/ ? ($1 => $2) : () } split /\n/, curl($handle, '/metrics')->{out} };
}

# A connection by `openssl s_client`, and what is sent on it first. Options go to s_client.
sub talk {
	my ($handle, $bytes, @args) = @_;
	my $file = temp_dir() . '/err';
	my $pid = open2(my $out, my $in, 'sh', '-c', 'exec openssl s_client "$@" 2>' . $file, 's_client', '-connect',
		"127.0.0.1:$handle->{port}", '-CAfile', "$handle->{where}/ca.pem", '-quiet', '-no_ign_eof', @args);
	binmode $_ for $in, $out;
	$in->autoflush(1);
	local $SIG{PIPE} = 'IGNORE';
	print $in $bytes if length $bytes;
	return { pid => $pid, in => $in, out => $out, err => $file, got => '' };
}

# Sends more and reads until it matches, or until the end. Gives all that came; {ended}: the other side has closed.
sub ask {
	my ($talk, $bytes, $until, $seconds) = @_;
	local $SIG{PIPE} = 'IGNORE';
	print { $talk->{in} } $bytes if length $bytes;
	my $select = IO::Select->new($talk->{out});
	my $end = Time::HiRes::time() + ($seconds // 60);
	while (!$talk->{ended} && !(defined $until && $talk->{got} =~ $until) && Time::HiRes::time() < $end) {
		next if !$select->can_read(0.1);
		my $n = sysread $talk->{out}, $talk->{got}, 65536, length $talk->{got};
		$talk->{ended} = 1 if !$n;
	}
	if ($talk->{ended}) {
		waitpid $talk->{pid}, 0;
		$talk->{said} = slurp($talk->{err});
	}
	return $talk->{got};
}

END {
	my $code = $?;
	if ($$ == $owner && @started) {
		kill 'TERM', @started; # the stores end with it, as they would not when it is killed
		my %there = map { $_ => 1 } @started;
		wait_until(sub { waitpid($_, POSIX::WNOHANG()) && delete $there{$_} for keys %there; !%there }, 30);
		kill 'KILL', keys %there;
	}
	$? = $code;
}

1;
