#!/usr/bin/perl
# A live agent and a fleet's server: enrolled while it runs, findings that leave the spool, policies that the server
# gives, an uplink that dies, no server at all. The server is that of t/20-plugin.
use strict;
use warnings;
use lib 't/lib';
use IPC::Open2;
use JSON::PP;
use Sense;
use Test::More;

need_agent();
my $program = build() . '/t/20-plugin/uplink_policy';
plan skip_all => "$program is not built" unless -x $program;
plan skip_all => 'a sanitizer and a live agent: t/20-plugin has the parts' if is_sanitized();
$SIG{PIPE} = 'IGNORE';
my $top = temp_dir();
my ($server, $from, $to, @started);

sub serve {
	$server = open2($from, $to, $program, 'serve', "$top/agent");
	push @started, $server;
	is(scalar <$from>, "ready\n", 'a server is there');
}

# What the server has seen; with a word it does something before.
sub seen { my ($word) = @_; print {$to} ($word // q(?)) . "\n"; return decode_json(scalar <$from>) }

sub offer {
	my ($generation, $text) = @_;
	spew("$top/agent/policy.lua", $text);
	return seen($generation);
}

sub live {
	my $handle = start([agent(), 'run', '--json', '--no-capture', '--set', "agent.dir=$top/agent", '--set',
		"control.socket=$top/socket", '--set', 'catalogue.dir=policies/catalogue', '--set', 'host.sensors=procs',
		'--set', "policies.dirs=$top/local"]);
	push @started, $handle->{pid};
	wait_until(sub { status($handle) || !kill 0, $handle->{pid} }, 20);
	ok(status($handle), 'the agent runs') or diag(slurp("$handle->{dir}/err"));
	return $handle;
}

sub status {
	my ($handle) = @_;
	my $run = run([agent(), 'status', '--json', '--set', "control.socket=$top/socket"]);
	return undef if $run->{code};
	my $status = decode_json($run->{out});
	return $status->{generation} ? $status : undef;
}

sub stop {
	my ($handle) = @_;
	kill 'TERM', $handle->{pid};
	@started = grep { $_ != $handle->{pid} } @started;
	return finish($handle);
}

sub rule {
	my ($id) = @_;
	return "rule \"$id\" { title = \"t\", severity = \"high\", on = \"process.start\", "
	    . "match = { process = { name = \"sense-marker\" } } }\n";
}

# A process that rules look for, until one of this name has fired with this action; what the agent printed of it.
sub provoke {
	my ($handle, $id, $action) = @_;
	my $found;
	for (1 .. 30) {
		run(["$top/sense-marker", '1']);
		last if wait_until(sub {
			my $out = slurp("$handle->{dir}/out");
			$out =~ s/[^\n]*\z//;
			($found) = grep { $_->{rule} eq $id && (!$action || $_->{action} eq $action) } @{[objects({ out => $out })]};
			return $found;
		}, 1);
	}
	return $found;
}

mkdir "$top/$_" for qw(local agent);
chmod 0700, "$top/agent";
policy(rule('test.local'), 'local', "$top/local");
system "cp /bin/sleep $top/sense-marker; chmod 755 $top/sense-marker";

# ---- enrolled while it runs ------------------------------------------------------------------------------
my $agent = live();
is(status($agent)->{uplink}, undef, 'status: without a fleet there is no uplink');
ok(provoke($agent, 'test.local'), 'it finds something');
serve();
my $status;
ok(wait_until(sub { ($status = status($agent))->{uplink} && $status->{uplink}{connected} }, 30),
	'once it is enrolled it connects') or diag(slurp("$agent->{dir}/err"));
ok(wait_until(sub { seen()->{through} && !status($agent)->{uplink}{waiting} }, 30), 'findings leave the spool');
$status = status($agent);
is($status->{uplink}{through}, seen()->{through}, 'through what the server keeps');
is($status->{spool}{findings}, 0, 'the spool is empty');
like(run([agent(), 'status', '--set', "control.socket=$top/socket"])->{out}, qr/^uplink +connected to 127\.0\.0\.1:\d+ since/m,
	'status tells people, too');
chomp(my $host = `uname -n`);
is(seen()->{host}, $host, 'the server knows its host');

# ---- what its process may do -----------------------------------------------------------------------------
my $proc = proc_status($status->{uplink}{pid});
is("$proc->{Seccomp} $proc->{NoNewPrivs}", '2 1', 'the uplink is behind a filter, and gains no privileges');
is(hex($proc->{$_}), 0, "its $_ is empty") for qw(CapEff CapPrm CapInh CapAmb);
SKIP: {
	skip 'users change only for root', 1 if $>;
	like($proc->{Uid}, qr/^65534\s+65534\s+65534/, 'it is nobody');
}
my @open = map { readlink } grep { !m{/2$} } glob "/proc/$status->{uplink}{pid}/fd/*";
is_deeply([grep { !/^socket:/ } @open], [], 'it has sockets and nothing else') or diag("@open");

# ---- policies ----------------------------------------------------------------------------------------------
offer(3, rule('test.fleet'));
ok(wait_until(sub { seen()->{told} == 3 }, 30), 'policies of the server are acknowledged')
    or diag(slurp("$agent->{dir}/err"));
is(seen()->{loaded}, 1, 'as loaded');
is(seen()->{rule}, 'test.fleet loaded', 'rule by rule');
is(status($agent)->{uplink}{policies}, 3, 'status: their generation');
my $finding = provoke($agent, 'test.fleet');
ok($finding, 'they are at work');
is(status($agent)->{rules}, 1, 'and no others');

offer(4, "rule \"test.fleet\" { this is no Lua\n");
ok(wait_until(sub { seen()->{told} == 4 }, 30), 'policies that do not load are acknowledged');
is(seen()->{loaded}, 0, 'as such');
is(status($agent)->{uplink}{policies}, 3, 'and those before go on');

offer('5o', rule('test.tried'));
ok(wait_until(sub { seen()->{told} == 5 && seen()->{loaded} }, 30), 'policies to be tried are loaded');
$finding = provoke($agent, 'test.tried');
is($finding && $finding->{action}, 'observe', 'what they find is only observed');

# ---- with settings of their rules ----
my $says = 'rule "test.says" { title = "t", severity = "high", on = "process.start", params = { word = "default" }, '
    . 'match = { process = { name = "sense-marker" } }, finding = function(_, p) return { summary = p.word } end }';
# A map of one text, as MessagePack has it.
sub settings {
	my ($key, $text) = @_;
	return pack 'C C a* C a*', 0x81, 0xa0 + length $key, $key, 0xa0 + length $text, $text;
}
spew("$top/agent/params", settings('test.says.word', 'of the server'));
offer('6p', $says);
ok(wait_until(sub { seen()->{told} == 6 && seen()->{loaded} }, 30), 'policies with settings are loaded')
    or diag(slurp("$agent->{dir}/err"));
$finding = provoke($agent, 'test.says', 'alert');
is($finding && $finding->{summary}, 'of the server', 'and a rule works with what the server set');
is_deeply([@{ status($agent) }{qw(files params)}], [1, 1], 'status: one file, one setting');
like(run([agent(), 'status', '--set', "control.socket=$top/socket"])->{out}, qr/^ +1 setting of rules from the server$/m, 'for people, too');
spew("$top/agent/params", settings('test.say.word', 'of the server'));
offer('7p', $says);
ok(wait_until(sub { seen()->{told} == 7 }, 30), 'settings that no rule has are acknowledged');
is(seen()->{loaded}, 0, 'as policies that do not load');
like(slurp("$agent->{dir}/err"), qr/test\.say\.word: the server sets it, and no rule has such a param, did you mean 'test\.says\.word'/,
	'with the reason');
is(status($agent)->{uplink}{policies}, 6, 'and those before go on');

# ---- an uplink that dies -------------------------------------------------------------------------------------
my $sessions = seen()->{sessions};
kill 'KILL', status($agent)->{uplink}{pid};
ok(wait_until(sub { seen()->{sessions} > $sessions && status($agent)->{uplink}{connected} }, 30),
	'an uplink that is killed is followed by another');
is(status($agent)->{uplink}{restarts}, 1, 'which is counted');

# ---- no server ------------------------------------------------------------------------------------------------
is(stop($agent)->{code}, 0, 'the agent ends in order');
ok(!kill(0, $status->{uplink}{pid}), 'and so does the uplink');
kill 'KILL', $server;
waitpid $server, 0;
$agent = live();
$finding = provoke($agent, 'test.says');
is($finding && $finding->{summary}, 'of the server', 'without a server it begins with policies and settings it was given');
ok(wait_until(sub { status($agent)->{uplink}{problem} }, 30), 'and says that there is none: '
	. (status($agent)->{uplink}{problem} // ''));
cmp_ok(status($agent)->{uplink}{waiting}, '>', 0, 'findings wait');
is(stop($agent)->{code}, 0, 'it ends in order then, too');

# ---- what is wrong with an identity ---------------------------------------------------------------------------
chmod 0644, "$top/agent/fleet/identity";
my $run = run([agent(), 'run', '--no-capture', '--set', "agent.dir=$top/agent", '--set', "control.socket=$top/socket"]);
is($run->{code}, 1, 'an agent whose key others could read does not run');
like($run->{err}, qr{fleet/identity: mode 0644 of user}, 'and says why');
$run = run([agent(), 'enroll', '--token', 'sense1.x', '--set', "agent.dir=$top/agent"]);
is($run->{code}, 1, 'a token that is none');
like($run->{err}, qr/sense-agent: the token /, 'is said to be none');
is(run([agent(), 'enroll'])->{code}, 2, 'enroll needs a token');

# ---- enrolment ---------------------------------------------------------------------------------------------------
my $enrolling = build() . '/t/20-plugin/uplink_enrol';
my $pid = open2(my $token_from, my $hold, $enrolling, 'serve');
push @started, $pid;
chomp(my $token = <$token_from>);
spew("$top/token", "  $token\n");
$run = run([agent(), 'enroll', '--token', '-', '--set', "agent.dir=$top/new"], stdin => "$top/token");
is($run->{code}, 0, 'an agent is enrolled') or diag($run->{err});
like($run->{out}, qr/^enrolled\n  agent +[0-9a-f-]{36}\n  organization +[0-9a-f-]{36}\n  server +one\.example:8443\n.*  certificate +until \d{4}-\d\d-\d\d/s,
	'and told as what');
is(sprintf('%o', (stat "$top/new/fleet/identity")[2] & 07777), '600', 'its key is its own');
is(sprintf('%o', (stat "$top/new/fleet")[2] & 07777), '700', 'and so is where it lies');
$run = run([agent(), 'enroll', '--token', $token, '--set', "agent.dir=$top/new"]);
is($run->{code}, 1, 'not twice');
like($run->{err}, qr/is enrolled already, as [0-9a-f-]{36}/, 'and it says as what it is');

END {
	my $code = $?;
	kill 'KILL', @started if @started;
	waitpid $_, 0 for @started;
	$? = $code;
}
done_testing;
