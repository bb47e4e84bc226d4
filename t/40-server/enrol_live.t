#!/usr/bin/perl
# A whole server: it makes its CA, an agent enrols over HTTPS, is served over TLS 1.3 by its certificate, renews it, and is
# hung up on when it is revoked. The agent here is OpenSSL's commands and bytes.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Postgres;
use Sense;
use Server;
use Test::More;

need_server();
need_postgres();

my $pg = Postgres->new(fsync => 0);
my $dir = temp_dir();
my @set = ("database.url=@{[$pg->conninfo]}", 'server.names=localhost,127.0.0.1');
my $server = server_start(where => $dir, set => \@set);

sub admin { return run([server(), @_, map { ('--set', $_) } "server.dir=$dir", @set]) }

# A key and a request of NAME; DER when that is wanted.
sub request {
	my ($name, $form) = @_;
	openssl(qw(req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=me -outform), $form // 'PEM',
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	return slurp("$dir/$name.csr");
}

# Number and secret of a new token, as they stand in a request.
sub token {
	my $run = admin(qw(token create --org acme --server), "localhost:$server->{port}", @_);
	is($run->{code}, 0, 'a token') or diag($run->{err});
	my ($text) = $run->{out} =~ /^sense1\.(.*)/;
	return unpack 'H64', substr decode_base64($text =~ tr{-_}{+/}r), 1;
}

# What curl printed: {status}, {head}, {json}.
sub enrol {
	my ($token, $csr) = @_;
	spew("$dir/body", encode_json({ token => $token, csr => $csr, host => 'laptop', version => '0.3.0' }));
	my $run = curl($server, '/v1/enroll', '-i', '--data-binary', "\@$dir/body", '-H', 'Content-Type: application/json');
	my ($head, $body) = split /\r\n\r\n/, $run->{out}, 2;
	my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)};
	return { status => $status // 0, head => $head, json => eval { decode_json($body) } // {}, err => $run->{err} };
}

# A connection of the agent whose files are NAME.pem and NAME.key.
sub connected {
	my ($name) = @_;
	return talk($server, '', qw(-alpn sense/1 -tls1_3 -cert), "$dir/$name.pem", '-key', "$dir/$name.key");
}

# Requests of MessagePack-RPC, as bytes.
sub call {
	my ($id, $method, $map) = @_;
	return "\x94\0" . chr($id) . chr(0xa0 + length $method) . "$method\x91" . ($map // "\x80");
}

is(admin(qw(org create acme))->{code}, 0, 'an organization');
my $token = token('--uses', 2);
my $made = enrol($token, request('one'));
is($made->{status}, 200, 'an agent enrols') or diag("$made->{err} $made->{head} " . encode_json($made->{json}));
like($made->{head}, qr/^Cache-Control: no-store\r?$/mi, 'which nobody keeps');
my $json = $made->{json};
is($json->{ca}, slurp("$dir/ca.pem"), 'it gets the CA');
is($json->{policy_key}, unpack('H*', substr openssl('pkey', '-pubin', '-in', "$dir/policy.pub", '-outform', 'DER')->{out}, -32),
	'and the key of policies');
spew("$dir/one.pem", $json->{certificate});
is(run(['openssl', 'verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', "$dir/ca.pem", "$dir/one.pem"])->{code}, 0,
	'and a certificate that is good');

my $talk = connected('one');
like(ask($talk, call(1, 'GetCommands'), qr/^\x94\x01\x01\xc0/), qr/^\x94\x01\x01\xc0/, 'by which it is served');

$talk->{got} = '';
ask($talk, call(2, 'RenewCertificate', "\x81\xa7request" . "\xc5" . pack 'n/a*', request('two', 'DER')), qr/expires/);
my ($length) = $talk->{got} =~ /\xabcertificate\xc5(..)/s;
my ($der) = $length ? unpack 'n/a*', substr $talk->{got}, $-[1] : '';
spew("$dir/two.der", $der // '');
is(run(['openssl', 'x509', '-inform', 'DER', '-in', "$dir/two.der", '-out', "$dir/two.pem"])->{code}, 0, 'it gets another');
is(run(['openssl', 'verify', '-purpose', 'sslclient', '-CAfile', "$dir/ca.pem", "$dir/two.pem"])->{code}, 0, 'which is good');
my @subjects = map { openssl('x509', '-in', "$dir/$_.pem", qw(-noout -subject -nameopt RFC2253))->{out} } qw(one two);
is($subjects[1], $subjects[0], 'of the same agent');
like($subjects[0], qr/CN=\Q$json->{agent}\E,O=\Q$json->{organization}\E/, 'which is it');
my $second = connected('two');
like(ask($second, call(1, 'GetCommands'), qr/^\x94\x01\x01\xc0/), qr/^\x94\x01\x01\xc0/, 'by that one it is served, too');

# The signer dies: the next one is there for whoever asks.
my ($signer) = map { m{^(\d+) \(sense:signer\) \S (\d+)} && $2 == $server->{pid} ? $1 : () }
    map { eval { slurp($_) } // '' } glob '/proc/[0-9]*/stat';
ok($signer && kill('KILL', $signer), 'the signer is killed');
my $other;
wait_until(sub { ($other = enrol($token, request('three')))->{status} != 503 }, 60);
is($other->{status}, 200, 'another agent enrols');
isnt($other->{json}{agent}, $json->{agent}, 'and has another number');
my $no = enrol($token, request('four'));
is("$no->{status} $no->{json}{code}", '403 token_spent', 'a token that is used up');
$no = enrol('0' x 64, request('four'));
is("$no->{status} $no->{json}{code}", '401 token_unknown', 'a token that is none');
like($no->{head}, qr/^WWW-Authenticate: /mi, 'as HTTP wants it');
like($no->{head}, qr{^Content-Type: application/problem\+json}mi, 'is a problem');

is(admin(qw(agent revoke), $json->{agent}, '--why', 'stolen')->{code}, 0, 'the agent is revoked');
ask($_, '', undef) for $talk, $second;
ok($talk->{ended} && $second->{ended}, 'both its connections end');
for my $name (qw(one two)) {
	my $again = connected($name);
	ask($again, call(1, 'GetCommands'), qr/^\x94\x01\x01\xc0/);
	ok($again->{ended} && $again->{got} eq '', "and $name.pem is taken no more");
}
is(server_stop($server)->{code}, 0, 'the server ends');

done_testing();
