#!/usr/bin/perl
# Who gets in: ALPN, versions of TLS and certificates, by openssl's own client.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Sense;
use Server;

need_server();

my $server = server_start();
my $dir = $server->{where};
my $agent = certificate($dir, 'agent');
my @mine = ('-cert', $agent->{cert}, '-key', $agent->{key});
my @sense = ('-alpn', 'sense/1');

# [0, 7, "Nope", [{}]] and the beginning of its answer, [1, 7, {"code": "unknown_method", ...
my $call = "\x94\x00\x07\xa4Nope\x91\x80";
my $answer = qr/^\x94\x01\x07\x83?.*\xa4code\xaeunknown_method/s;

sub refused {
	my ($what, $alert, @args) = @_;
	my $talk = talk($server, $call, @args);
	ask($talk, '');
	is($talk->{got}, '', "$what: no answer");
	like($talk->{said}, $alert, "$what: and why");
}

# ---- agents ------------------------------------------------------------------------------------------

my $talk = talk($server, $call, @sense, @mine);
like(ask($talk, '', $answer), $answer, 'an agent with a certificate of the CA is answered');
is(metrics($server)->{sense_agents_connected}, 1, 'and counted');
close $talk->{in};
ask($talk, '');
ok(wait_until(sub { metrics($server)->{sense_agents_connected} == 0 }, 20), 'until it goes');

refused('no certificate', qr/alert certificate required/, @sense);
refused('TLS 1.2', qr/alert protocol version/, @sense, @mine, '-tls1_2');
refused('another protocol', qr/alert no application protocol/, '-alpn', 'h2', @mine);
refused('another protocol beside none of ours', qr/alert no application protocol/, '-alpn', 'h2,spdy/1');

my $other = authority(temp_dir());
my $stranger = certificate($other, 'stranger');
refused('a certificate of another CA', qr/alert unknown ca|alert decrypt error/i, @sense, '-cert', $stranger->{cert},
	'-key', $stranger->{key});

my $expired = certificate($dir, 'expired', days => -1);
refused('an expired certificate', qr/alert certificate expired/, @sense, '-cert', $expired->{cert}, '-key',
	$expired->{key});

my $server_auth = certificate($dir, 'server_auth', use => 'serverAuth');
refused('a certificate for servers', qr/alert unsupported certificate/, @sense, '-cert', $server_auth->{cert}, '-key',
	$server_auth->{key});

my $before = metrics($server)->{'sense_connections_ended_total{reason="certificate"}'};
my @odd = (
	['no organization', '/CN=22222222-2222-4222-8222-222222222222'],
	['no UUID', '/O=11111111-1111-4111-8111-111111111111/CN=agent'],
	['capital letters', '/O=11111111-1111-4111-8111-111111111111/CN=ABCDEFAB-2222-4222-8222-222222222222'],
	['two agents', '/O=11111111-1111-4111-8111-111111111111/CN=22222222-2222-4222-8222-222222222222/CN=33333333-3333-4333-8333-333333333333'],
	['something more', '/O=11111111-1111-4111-8111-111111111111/OU=x/CN=22222222-2222-4222-8222-222222222222'],
);
for (@odd) {
	my ($what, $subject) = @$_;
	my $made = certificate($dir, 'odd', subject => $subject);
	my $hung = talk($server, $call, @sense, '-cert', $made->{cert}, '-key', $made->{key});
	ask($hung, '');
	is($hung->{got}, '', "a subject with $what is not served");
}
is(metrics($server)->{'sense_connections_ended_total{reason="certificate"}'}, $before + @odd, 'each is counted');
is(server_logged($server, qr/refused as an agent: client certificate: its subject is not an organization and an agent/),
	scalar @odd, 'and said');

# ---- resumption ----------------------------------------------------------------------------------------

my $session = "$dir/session";
for my $side (['agents', @sense, @mine], ['others']) {
	my ($who, @args) = @$side;
	unlink $session;
	my $request = $who eq 'agents' ? $call : "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	for my $version (@sense && $who eq 'agents' ? ('-tls1_3') : ('-tls1_3', '-tls1_2')) {
		my $first = talk($server, $request, @args, $version, '-sess_out', $session);
		ask($first, '', qr/\n|unknown_method/);
		close $first->{in};
		ask($first, '');
		if (-s $session) { # of TLS 1.2: an id without anything behind it
			my $again = run(['sh', '-c', "exec openssl s_client -connect 127.0.0.1:$server->{port} @args $version "
			    . "-sess_in $session -CAfile $dir/ca.pem </dev/null"]);
			unlike($again->{out}, qr/^Reused/m, "$who, $version: a saved session is not resumed");
			like($again->{out}, qr/^New, TLS/m, "$who, $version: a whole handshake takes its place");
		} else {
			pass("$who, $version: there is no session to save");
		}
		unlink $session;
	}
}
# A session that another context gave out is nothing to an agent's either.
my $renegotiate = run(['sh', '-c', "(printf 'R\\n'; sleep 1) | openssl s_client -connect 127.0.0.1:$server->{port} "
    . "-tls1_2 -CAfile $dir/ca.pem 2>&1"]);
like($renegotiate->{out}, qr/no renegotiation|unexpected eof|alert/i, 'no renegotiation');

# ---- what is no message ---------------------------------------------------------------------------------

for my $bytes ("GET / HTTP/1.1\r\n\r\n", "\xc1", "\x94\x00", "\x91" x 40, "\x94\x00\x01\xa1x\x92\x80\x80", "\x94\x01\x01\xc0\x80") {
	my $bad = talk($server, $bytes, @sense, @mine);
	next if $bytes eq "\x94\x00" and close $bad->{in}; # it may still come
	ask($bad, '');
	is($bad->{got}, '', 'hung up on: ' . unpack 'H*', $bytes);
	ok($bad->{ended}, 'at once');
}
cmp_ok(metrics($server)->{sense_rpc_malformed_total}, '>=', 5, 'they are counted');

# ---- ending ---------------------------------------------------------------------------------------------

my $run = server_stop($server);
is($run->{code}, 0, 'it ends well');
is_deeply([grep { /ended (?:by|with)/ } server_log($server)], [], 'no process died');

done_testing();
