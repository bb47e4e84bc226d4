#!/usr/bin/perl
# The commands of administrators: ca, org, token, agent. Keys and certificates as OpenSSL reads them, tokens as the
# document says, rows as they are in the database.
use strict;
use warnings;
use lib 't/lib';
use Digest::SHA qw(sha256 sha256_hex);
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Postgres;
use Sense;
use Server;
use Test::More;

need_server();
need_postgres();

my $dir = temp_dir();
my @set = ('--set', "server.dir=$dir/ca", '--set', 'server.names=sense.example,192.0.2.7',
	'--set', 'server.listen=0.0.0.0:9443');
my $database = 'host=/nonexistent';

# sense-server ARGS, with this test's settings.
sub admin { return run([server(), @_, @set, '--set', "database.url=$database"]) }
sub one { return objects($_[0]) ? (objects($_[0]))[0] : {} }

sub failed {
	my ($run, $code, $message, $what) = @_;
	is($run->{code}, $code, $what);
	like($run->{err}, $message, "$what: says so");
	is($run->{out}, '', "$what: nothing on standard output");
}

# ---- ca ----

my $run = admin(qw(ca init), '--name', 'Fleet of a test');
is($run->{code}, 0, 'ca init') or diag($run->{err});
for (qw(ca.pem ca.key policy.key policy.pub server.key server.pem ca.passphrase)) {
	like($run->{out}, qr/^  \Q$_\E /m, "$_ is named");
	is(sprintf('%04o', (stat "$dir/ca/$_")[2] & 07777), /pem|pub/ ? '0644' : '0600', 'and has its mode');
}
like($run->{out}, qr/Back up/, 'what to back up is said');
is((glob "$dir/ca/*.new")[0], undef, 'nothing unfinished is left');
my %before = map { $_ => slurp($_) } glob "$dir/ca/*";
failed(admin(qw(ca init)), 1, qr/is there already/, 'ca init a second time');
is_deeply({ map { $_ => slurp($_) } glob "$dir/ca/*" }, \%before, 'nothing was changed');
unlink "$dir/ca/ca.pem";
failed(admin(qw(ca init)), 1, qr/ca\.key is there already, and ca\.pem is not/, 'and when only a part is there');
spew("$dir/ca/ca.pem", $before{"$dir/ca/ca.pem"});
chmod 0644, "$dir/ca/ca.pem";
my ($serial) = openssl('x509', '-in', "$dir/ca/server.pem", '-noout', '-serial')->{out};
for my $name (['-verify_hostname', 'sense.example'], ['-verify_ip', '192.0.2.7']) {
	is(run(['openssl', 'verify', '-x509_strict', '-purpose', 'sslserver', @$name, '-CAfile', "$dir/ca/ca.pem",
		"$dir/ca/server.pem"])->{code}, 0, "the server's certificate is good for $name->[1]");
}

my $fingerprint = sha256_hex(openssl('x509', '-in', "$dir/ca/ca.pem", '-outform', 'DER')->{out});
$run = admin(qw(ca show --json));
my $shown = one($run);
is($shown->{fingerprint}, $fingerprint, 'ca show: the fingerprint');
like($shown->{subject}, qr/Fleet of a test/, 'the name');
my $public = openssl('pkey', '-pubin', '-in', "$dir/ca/policy.pub", '-outform', 'DER')->{out};
is($shown->{policy_key}, unpack('H*', substr $public, -32), 'the key of policies');
like(admin(qw(ca show))->{out}, qr/^fingerprint  $fingerprint$/m, 'and for people');

$run = admin(qw(ca server --names), 'other.example,*.other.example');
is($run->{code}, 0, 'ca server') or diag($run->{err});
is(run(['openssl', 'verify', '-verify_hostname', 'a.other.example', '-CAfile', "$dir/ca/ca.pem",
	"$dir/ca/server.pem"])->{code}, 0, 'makes its certificate for other names');
isnt(openssl('x509', '-in', "$dir/ca/server.pem", '-noout', '-serial')->{out}, $serial, 'another one');
is(openssl('x509', '-in', "$dir/ca/server.pem", '-noout', '-pubkey')->{out},
	openssl('pkey', '-in', "$dir/ca/server.key", '-pubout')->{out}, 'with the key that was there');

spew("$dir/wrong", "something else\n");
chmod 0600, "$dir/wrong";
failed(admin(qw(ca server --passphrase-file), "$dir/wrong"), 1, qr/ca\.key cannot be read: the passphrase/,
	'another passphrase');
chmod 0644, "$dir/wrong";
failed(admin(qw(ca server --passphrase-file), "$dir/wrong"), 1, qr/has mode 0644: others may read it/,
	'a passphrase that others may read');
chmod 0640, "$dir/ca/ca.key";
failed(admin(qw(ca server)), 1, qr/ca\.key has mode 0640/, 'a key that others may read');
chmod 0600, "$dir/ca/ca.key";
failed(admin(qw(ca server --names), 'a,b c'), 2, qr/'b c' is no DNS name/, 'a name that is none');
failed(admin(qw(ca begin)), 2, qr/not 'begin'/, 'what it cannot do');
spew("$dir/mine", "correct horse battery staple\n");
chmod 0600, "$dir/mine";
is(run([server(), qw(ca init --dir), "$dir/second", '--passphrase-file', "$dir/mine"])->{code}, 0,
	'with a passphrase of our own');
ok(!-e "$dir/second/ca.passphrase", 'no file is made of it');
is(run(['openssl', 'pkey', '-in', "$dir/second/ca.key", '-passin', "file:$dir/mine", '-noout'])->{code}, 0,
	'the key is encrypted by it');

# ---- a database ----

failed(admin(qw(org list)), 1, qr/cannot be reached/, 'no database');
my $pg = Postgres->new(fsync => 0);
$database = $pg->conninfo;
failed(admin(qw(org list)), 1, qr/start the server once/, 'a database without tables');
$pg->sql('CREATE SCHEMA sense');
$pg->sql(slurp($_)) for sort glob 'server/migrations/*.sql';

$run = admin(qw(org create acme));
like($run->{out}, qr/^[0-9a-f-]{36}$/, 'org create') or diag($run->{err});
chomp(my $org = $run->{out});
failed(admin(qw(org create acme)), 1, qr/already/, 'a second of this name');
failed(admin(qw(org create), "a\nb"), 2, qr/one line/, 'a name of two lines');
failed(admin(qw(org create)), 2, qr/NAME/, 'no name');
is_deeply(one(admin(qw(org list --json)))->{id}, $org, 'org list');

# ---- token ----

$run = admin(qw(token create --org acme --note), 'for laptops');
is($run->{code}, 0, 'token create') or diag($run->{err});
like($run->{out}, qr/^sense1\.[A-Za-z0-9_-]+\n\z/, 'prints the token alone');
my ($text) = $run->{out} =~ /^sense1\.(.*)/;
my ($version, $id, $secret, $ca, $count, $rest) = unpack 'C a16 a16 a32 C a*', decode_base64($text =~ tr{-_}{+/}r);
is($version, 1, 'its version');
is(unpack('H*', $ca), $fingerprint, 'the fingerprint of the CA');
is_deeply([$count, unpack '(C/a)*', $rest], [2, 'sense.example:9443', '192.0.2.7:9443'], 'the servers, as configured');
my $uuid = join '-', unpack 'A8 A4 A4 A4 A12', unpack 'H*', $id;
is($pg->sql("SELECT concat_ws(' ', org_id, encode(secret_hash, 'hex'), uses_left, note, expires_at - created) "
	. "FROM sense.enrolment_tokens WHERE id = '$uuid'"), "$org @{[sha256_hex($secret)]} 100 for laptops 1 day",
	'what is written down');
my $dump = $pg->sql("SELECT t::text FROM sense.enrolment_tokens t");
ok(index($dump, unpack 'H*', $secret) < 0, 'which is not the secret');
like($run->{err}, qr/token $uuid: 100 uses until/, 'what it is good for is said beside it');

$pg->sql("INSERT INTO sense.agent_groups (org_id, name) VALUES ('$org', 'lab')");
$run = admin(qw(token create --org acme --uses 3 --expires 90m --group lab --json --server), 'a.example:1,[2001:db8::1]:2');
my $token = one($run);
is_deeply($token->{servers}, ['a.example:1', '[2001:db8::1]:2'], 'servers of its own');
is($token->{uses_left}, 3, 'uses');
is($pg->sql("SELECT expires_at - created FROM sense.enrolment_tokens WHERE id = '$token->{id}'"), '01:30:00', 'a time');
my %tokens = map { $_->{id} => $_ } objects(admin(qw(token list --json)));
is($tokens{$token->{id}}{groups}, 'lab', 'token list: its group');
is($tokens{$uuid}{state}, 'good', 'its state');
failed(admin(qw(token list --org nobody)), 1, qr{no organization 'nobody'}, 'of one that is not there');
like(admin(qw(token list))->{out}, qr/^id .*\n(?:.*\n)*$uuid +acme +good/, 'and for people');

is(admin(qw(token create))->{code}, 0, 'without --org it is for the only organization');
is(admin(qw(org create other))->{code}, 0, 'another organization');
failed(admin(qw(token create)), 1, qr/several organizations.*--org/, 'of several none is meant');
failed(admin(qw(token list --org other --json), 'x'), 2, qr/takes no operands/, 'an operand too many');
is(scalar(() = objects(admin(qw(token list --org other --json)))), 0, 'tokens of one organization alone');
failed(admin(qw(token create --org nobody)), 1, qr/no organization 'nobody'/, 'one that is not there');
failed(admin(qw(token create --org acme --group none)), 1, qr/no group 'none'/, 'a group that is not there');
failed(admin(qw(token create --org acme --uses), $_), 2, qr/--uses/, "uses: '$_'") for 0, -1, '1x', '', 1000001;
failed(admin(qw(token create --org acme --expires), $_), 2, qr/--expires/, "a time: '$_'") for 0, '367d', 'soon';
failed(admin(qw(token create --org acme --server), $_), 2, qr/--server/, "a server: '$_'") for 'a', 'a:b', ':1', 'a:1,';
failed(run([server(), qw(token create --org acme --dir), "$dir/none", @set, '--set', "database.url=$database"]), 1,
	qr/ca init/, 'no CA');

failed(admin(qw(token revoke --org other), $uuid), 1, qr/no token/, 'a token of another organization');
is(admin(qw(token revoke), $uuid)->{code}, 0, 'token revoke');
is((grep { $_->{id} eq $uuid } objects(admin(qw(token list --json))))[0]{state}, 'revoked', 'it is revoked');
failed(admin(qw(token revoke), $uuid), 1, qr/no token/, 'a second time');
failed(admin(qw(token revoke 1)), 2, qr/ID/, 'what is no id');

# ---- agent ----

my $agent = $pg->sql("INSERT INTO sense.agents (org_id, host, version) VALUES ('$org', E'lap\\x1b[31mtop', '1') RETURNING id");
$pg->sql("INSERT INTO sense.agent_certificates (serial, agent_id, org_id, not_after) VALUES "
	. "('\\x01', '$agent', '$org', '2030-01-01')");
is_deeply([map { "$_->{id} $_->{state} $_->{certificate_ends}" } objects(admin(qw(agent list --json)))],
	["$agent enrolled 2030-01-01"], 'agent list');
my $listed = admin(qw(agent list --org acme))->{out};
like($listed, qr/$agent +acme +lap/, 'and for people');
unlike($listed, qr/\x1b/, 'whose terminal obeys no host name');
failed(admin(qw(agent revoke --org other), $agent), 1, qr/no agent/, 'an agent of another organization');
$run = admin(qw(agent revoke), $agent, '--why', 'stolen');
is($run->{code}, 0, 'agent revoke') or diag($run->{err});
is($pg->sql("SELECT revoked_why || ' ' || (SELECT count(*) FROM sense.agent_certificates WHERE revoked_at IS NOT NULL) "
	. "FROM sense.agents WHERE revoked_at IS NOT NULL"), 'stolen 1', 'with its certificate');
is(one(admin(qw(agent list --json)))->{state}, 'revoked', 'it is revoked');
failed(admin(qw(agent revoke), $agent), 1, qr/revoked before/, 'a second time');
failed(admin(qw(agent revoke), $org), 1, qr/no agent/, 'one that is not there');
failed(admin(qw(agent revoke me)), 2, qr/ID/, 'what is no id');
is($pg->sql("SELECT string_agg(action, ' ' ORDER BY id) FROM sense.audit_log"),
	'organization.create token.create token.create token.create organization.create token.revoke agent.revoke', 'the audit log has all of it');

done_testing();
