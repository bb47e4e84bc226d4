#!/usr/bin/perl
# Policies and commands from end to end: a server that runs, the commands of administrators, and agents that are another
# program than ours. Bundles and signatures are checked by OpenSSL.
use strict;
use warnings;
use lib 't/lib';
use Digest::SHA qw(sha256 sha256_hex);
use Test::More;
use Postgres;
use Rpc;
use Sense;
use Server;

need_server();
need_postgres();

my $server = server_start(where => temp_dir());
my $dir = $server->{where};

# What an agent is told of a generation, or of one behind it: each change of policies tells anew what it lacks.
sub policy_told {
	my ($who, $generation) = @_;
	my $note;
	do { $note = notified($who, 'PolicyChanged') } while $note && $note->{generation} < $generation;
	return $note;
}

sub admin { return run([server(), @_, '--set', "server.dir=$dir"]) }
sub said { my $run = admin(@_); diag("@_: $run->{err}") if $run->{code}; return $run->{out} =~ s/\n\z//r }
sub sql { return run(['/usr/lib/postgresql/15/bin/psql', '-XqAt', '-h', "$dir/run", '-U', 'sense', '-c', $_[0], 'sense'])->{out} =~ s/\n\z//r }

sub registered {
	my ($rpc, $host, $generation) = @_;
	return call($rpc, 'RegisterAgent', { version => '9.9-test', host => $host, os => 'Linux', policy_generation => $generation // 0,
		$generation ? (policy_hash => \("x" x 32)) : () });
}

sub beat {
	my ($rpc, $generation) = @_;
	return call($rpc, 'Heartbeat', { time => time() . '000000', uptime => 5, counters => {}, gaps => [],
		policy_generation => $generation // 0, $generation ? (policy_hash => \("x" x 32)) : (), rules => 3,
		rules_failing => 0, rules_quarantined => 0 });
}

# All pieces of a generation.
sub fetch {
	my ($rpc, $generation) = @_;
	my ($bytes, $first, $pieces) = ('', undef, 0);
	while (!$first || length $bytes < $first->{size}) {
		my ($piece, $error) = call($rpc, 'GetPolicies', { generation => $generation, offset => length $bytes });
		return { error => $error->{code} } if !$piece;
		$first //= $piece;
		last if !length $piece->{bytes} || $piece->{offset} != length $bytes;
		$bytes .= $piece->{bytes};
		$pieces++;
	}
	return { %$first, bytes => $bytes, pieces => $pieces };
}

sub verifies {
	my ($got, $key) = @_;
	my $files = temp_dir();
	spew("$files/data", "sense policy manifest v1\0$got->{manifest}");
	spew("$files/signature", $got->{signature});
	return run(['openssl', 'pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', $key, '-in', "$files/data", '-sigfile',
		"$files/signature"])->{code} == 0;
}

sub acknowledge {
	my ($rpc, $generation, $hash, $problem, @rules) = @_;
	return call($rpc, 'AcknowledgePolicy', { generation => $generation, hash => \$hash, loaded => $problem ? \0 : \1,
		$problem ? (problem => $problem) : (), rules => [@rules] });
}

sub rollout { my ($generation) = @_; return (grep { $_->{generation} == $generation } @{ status()->{rollouts} })[0] }
sub status { return (objects(admin('policy', 'status', '--org', 'acme', '--json')))[0] }

# ---- a fleet ----

for (qw(acme other)) {
	ok(said('org', 'create', $_), "an organization: $_");
}
my $token = said('token', 'create', '--org', 'acme', '--server', "localhost:$server->{port}");
my $one = enrol($server, $token, 'one');
my $two = enrol($server, $token, 'two');
my $stranger = enrol($server, said('token', 'create', '--org', 'other', '--server', "localhost:$server->{port}"), 'three');
my $rpc = connect_as($server, $one);
my $other = connect_as($server, $stranger);
my ($answer, $error) = registered($rpc, 'one');
is($answer->{agent}, $one->{agent}, 'an agent registers') or diag(explain($error));
is($answer->{policy_generation}, 0, 'and there are no policies for it');
registered($other, 'three');

# ---- a bundle that takes several pieces ----

my $rule = "rule \"t.one\" { title = 'x', severity = 'low', on = 'flow.end', throttle = { by = { 'src_ip' }, every = '1h' } }\n";
my $policies = temp_dir();
my %files = map { ("filler/$_.lua" => join '', map { '-- ' . sha256_hex("$_") . "\n" } 1 .. 3000) } qw(a b c);
$files{'one.lua'} = $rule;
mkdir "$policies/filler";
spew("$policies/$_", $files{$_}) for keys %files;
my $hash = said('policy', 'add', $policies, '--org', 'acme', '--note', 'the first');
like($hash, qr/^[0-9a-f]{64}$/, 'policy add says which bundle it is');
my $run = admin('policy', 'roll-out', $hash, '--org', 'acme');
is($run->{code}, 0, 'it is rolled out') or diag($run->{err});
my $note = notified($rpc, 'PolicyChanged');
is($note->{generation}, 1, 'a connected agent is told at once');
is(unpack('H*', $note->{hash} // ''), $hash, 'which bundle it is');

# Many who ask at once are one statement, as after a rollout, and as heartbeats are.
sub statements { sleep 2; return metrics($server)->{sense_database_statements_total} } # told once a second
sub at_once {
	my ($method, $params) = @_;
	my $before = statements();
	my @calls = map { send_call($rpc, $method, $params) } 1 .. 20;
	my @answers = map { (answer_to($rpc, $_))[0] // () } @calls;
	cmp_ok(statements() - $before, '<', 15, "20 calls of $method are few statements");
	return \@answers;
}
my $same = at_once('GetPolicies', { generation => 1, offset => 0 });
is(scalar(grep { $_->{size} == $same->[0]{size} && $_->{bytes} eq $same->[0]{bytes} } @$same), 20, 'with the same answer for all');
my $alive = at_once('Heartbeat', { time => time() . '000000', uptime => 5, counters => {}, gaps => [], policy_generation => 0,
	rules => 3, rules_failing => 0, rules_quarantined => 0 });
is(scalar(grep { $_->{policy_generation} == 1 } @$alive), 20, 'each is answered');

my $got = fetch($rpc, 1);
cmp_ok($got->{pieces}, '>', 1, 'it comes in pieces');
is(sha256_hex($got->{bytes}), $hash, 'together they are the bundle');
my ($bundle) = unpack_message($got->{bytes});
is($bundle->{format}, 1, 'a bundle of format 1');
is_deeply({ map { @$_ } @{ $bundle->{files} } }, \%files, 'with the files that were added');
my ($manifest) = unpack_message($got->{manifest});
is_deeply([@$manifest{qw(format organization generation size mode)}, unpack 'H*', $manifest->{hash}],
	[1, $one->{organization}, 1, length $got->{bytes}, 'enforce', $hash], 'the manifest says so');
ok(verifies($got, "$dir/policy.pub"), 'its signature is of the policy key');
my $public = openssl('pkey', '-pubin', '-in', "$dir/policy.pub", '-outform', 'DER')->{out};
is(unpack('H*', substr $public, -32), $one->{policy_key}, 'which agents were given when they enrolled');
ok(!verifies({ %$got, manifest => $got->{manifest} =~ s/enforce/observe/r }, "$dir/policy.pub"), 'of nothing else');
is(fetch($rpc, 99)->{error}, 'invalid', 'a generation that is none');
is(fetch($other, 1)->{error}, 'invalid', 'an agent of another organization gets nothing of it');
is((beat($other))[0]{policy_generation}, 0, 'and is not told of it');
is(notified($other, 'PolicyChanged', 0), undef, 'nor was it');

acknowledge($rpc, 1, $note->{hash});
is(rollout(1)->{answered}, 1, 'that it is at work is known');
is((beat($rpc, 1))[0]{policy_generation}, 1, 'heartbeats say the same generation');
my ($shown) = grep { $_->{host} eq 'one' } @{ status()->{agents} };
is_deeply([@$shown{qw(state has wanted answer)}], ['online', 1, 1, 'loaded'], 'policy status knows who has what');

# ---- heartbeats that come together are told the database together ----

sql('CREATE FUNCTION public.odd() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.uptime_s = 666 THEN RAISE '
	. q{EXCEPTION 'odd'; END IF; RETURN NEW; END$$; CREATE TRIGGER odd BEFORE UPDATE ON sense.agents FOR EACH ROW EXECUTE }
	. 'FUNCTION public.odd()');
my @beats = map { send_call($rpc, 'Heartbeat', { time => time() . '000000', uptime => $_, counters => {}, gaps => [],
	policy_generation => 1, policy_hash => \pack('H*', $hash), rules => 3, rules_failing => 0, rules_quarantined => 0 }) } 7, 666;
is((answer_to($rpc, $beats[0]))[0]{policy_generation}, 1, 'one is answered');
is((answer_to($rpc, $beats[1]))[1]{code}, 'internal', 'beside one that the database refuses');
is(sql("SELECT uptime_s FROM sense.agents WHERE host = 'one'"), 7, 'and counts');
sql('DROP TRIGGER odd ON sense.agents');

# ---- what is exported is the same bundle ----

my $out = temp_dir() . '/out';
admin('policy', 'show', substr($hash, 0, 12), '--org', 'acme', '--out', $out);
is(said('policy', 'add', $out, '--org', 'acme'), $hash, 'files that policy show wrote are the same bundle');

# ---- one that does not load ----

spew("$policies/two.lua", $rule =~ s/t\.one" \{/t.two" { params = { limit = 1, word = 'off', hosts = set {} },/r);
my $second = said('policy', 'add', $policies, '--org', 'acme');
like(admin('policy', 'diff', $hash, $second, '--org', 'acme')->{out}, qr{^\+\+\+ b/two\.lua\n\@\@ -0,0 \+1 \@\@\n\+rule "t\.two"}m,
	'policy diff tells what is new');
admin('policy', 'roll-out', $second, '--org', 'acme', '--halt-at', '50%');
$note = notified($rpc, 'PolicyChanged');
is($note->{generation}, 2, 'the next generation is told');
(undef, $error) = acknowledge($rpc, 2, $note->{hash}, 'two.lua:1: it breaks', ['t.two', 'failed', 'it breaks']);
is($error, undef, 'that it does not load is taken');
is(rollout(2)->{state}, 'halted', 'and halts the rollout');
is_deeply([map { [@$_{qw(rule state agents message)}] } @{ status()->{rules} }], [['t.two', 'failed', 1, 'it breaks']],
	'policy status has the rule');
my $late = connect_as($server, $two);
is((registered($late, 'two'))[0]{policy_generation}, 1, 'an agent that comes later gets the generation before');

# ---- back ----

$run = admin('policy', 'rollback', '--org', 'acme');
is($run->{code}, 0, 'policy rollback') or diag($run->{err});
for ([$rpc, 'one'], [$late, 'two']) {
	my ($who, $name) = @$_;
	$note = policy_told($who, 3);
	is_deeply([$note->{generation}, unpack 'H*', $note->{hash} // ''], [3, $hash], "$name is told of a newer generation with the older bundle");
}
$got = fetch($late, 3);
ok(verifies($got, "$dir/policy.pub") && sha256_hex($got->{bytes}) eq $hash, 'signed anew');
is(admin('policy', 'rollback', '--org', 'acme')->{code}, 1, 'there is nothing before that');

# ---- some agents only; dry run; settings ----

said('group', 'create', 'pilots', '--org', 'acme');
said('group', 'add', 'pilots', 'two', '--org', 'acme');
$run = admin('policy', 'roll-out', $second, '--org', 'acme', '--group', 'pilots', '--dry-run', '--param', 't.two.limit=5',
	'--param', 't.two.hosts=["a","b"]', '--param', 't.two.word=on');
is($run->{code}, 0, 'a dry run for a group') or diag($run->{err});
is(policy_told($late, 4)->{generation}, 4, 'its member is told');
($manifest) = unpack_message(fetch($late, 4)->{manifest});
is($manifest->{mode}, 'observe', 'the manifest says that it is one');
is_deeply($manifest->{params}, { 't.two.limit' => 5, 't.two.word' => 'on', 't.two.hosts' => ['a', 'b'] }, 'and has the settings');
is((beat($rpc, 3))[0]{policy_generation}, 3, 'who is not in the group keeps what it has');
is((registered($late, 'two', 9))[0]{policy_generation}, 0, 'an agent with a newer generation is sent back to none');
registered($late, 'two');

# ---- commands ----

my $id = said('command', 'give', 'one', 'log-level', 'debug', '--org', 'acme');
ok(notified($rpc, 'CommandReady'), 'an agent is told that there is a command');
is((beat($rpc, 3))[0]{commands}, 1, 'so does its heartbeat');
($answer) = call($rpc, 'GetCommands', {});
is(scalar @{ $answer->{commands} }, 1, 'it takes it');
is_deeply([@{ $answer->{commands}[0] }{qw(id name arguments)}], [$id, 'log_level', { level => 'debug' }], 'as it was given');
call($late, 'CommandResult', { id => $id, status => 'done', detail => 'not mine' });
is(admin('command', 'show', $id, '--org', 'acme')->{code}, 1, 'a result of another agent is none');
($answer, $error) = call($rpc, 'CommandResult', { id => $id, status => 'done', detail => 'so be it', output => \"line\n\e[31mred\n" });
is_deeply([$answer, $error], [{}, undef], 'its result is taken');
$run = admin('command', 'show', $id, '--org', 'acme');
is_deeply([$run->{code}, $run->{out} =~ /^line$/m ? 1 : 0, index $run->{out}, "\e"], [0, 1, -1],
	'and shown, without what a terminal would obey');
is_deeply((call($rpc, 'GetCommands', {}))[0]{commands}, [], 'it is not given once more');

my $waiting = start([server(), 'command', 'give', 'two', 'scan', '--wait', '--org', 'acme', '--set', "server.dir=$dir"]);
ok(notified($late, 'CommandReady'), 'a command that somebody waits for');
($answer) = call($late, 'GetCommands', {});
call($late, 'CommandResult', { id => $answer->{commands}[0]{id}, status => 'failed', detail => 'no files' });
$run = finish($waiting);
is($run->{code}, 1, 'its failure is that of the command');
like($run->{err}, qr/^failed\nno files$/m, 'with the reason');

said('command', 'give', 'one', 'reload', '--org', 'acme');
sql("UPDATE sense.commands SET expires_at = now() WHERE status IS NULL");
is_deeply((call($rpc, 'GetCommands', {}))[0]{commands}, [], 'one that has expired is not given');
is(admin('command', 'give', 'one', 'shell', '--org', 'acme')->{code}, 2, 'there are no others than those of the list');
is(admin('command', 'give', 'three', 'scan', '--org', 'acme')->{code}, 1, 'none for agents of another organization');
is((call($rpc, 'CommandResult', { id => 'x', status => 'done' }))[1]{code}, 'invalid', 'what is no id');

# ---- revoked ----

# The database knows before this worker's set of certificates does.
sql("UPDATE sense.agents SET revoked_at = now() WHERE id = '$two->{agent}'");
is((beat($late))[1]{code}, 'revoked', 'a revoked agent is told that it is');
is((registered($late, 'two'))[1]{code}, 'revoked', 'and does not register');
sql("UPDATE sense.agents SET revoked_at = NULL WHERE id = '$two->{agent}'");
is((beat($late))[1], undef, '(until then it was served)');
admin('agent', 'revoke', $two->{agent});
ok(wait_until(sub { ((beat($late))[1] // { code => '' })->{code} eq 'hung up' }, 30), 'then it is hung up on');
hang_up($late);
$late = connect_as($server, $two);
is((registered($late, 'two'))[1]{code}, 'hung up', 'and not let in again');
hang_up($late);
is(admin('command', 'give', $two->{agent}, 'scan', '--org', 'acme')->{code}, 1, 'and told nothing more');
is((beat($rpc, 3))[0]{policy_generation}, 3, 'the others are');

# ---- who did it ----

is(sql("SELECT string_agg(DISTINCT action, ' ' ORDER BY action) FROM sense.audit_log JOIN sense.organizations o ON o.id = "
	. "org_id WHERE o.name = 'acme' AND action ~ '^(policy|group|command)'"),
	'command.log_level command.reload command.scan group.add group.create policy.add policy.halt policy.roll_out policy.rollback',
	'all of it is in the audit log');
is(sql("SELECT DISTINCT actor FROM sense.audit_log WHERE action ~ '^(policy|group|command)' AND actor <> 'server'"),
	$ENV{SUDO_USER} ? "command line, user $ENV{SUDO_USER}" : "command line, uid $<", 'with who did it');

hang_up($_) for $rpc, $other;
$run = server_stop($server);
is($run->{code}, 0, 'the server ends well');
is_deeply([grep { /ended (?:by|with)/ } server_log($server)], [], 'no process died');
done_testing();
