#!/usr/bin/perl
# Policies that change while the agent runs: no packet and no finding is lost, what does not load changes
# nothing, and `status` tells what is running. SENSE_TEST_RELOADS=100 reloads more often.
use strict;
use warnings;
use lib 't/lib';
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Sense;
use Sense::Pcap;
use Test::More;

my $reloads = $ENV{SENSE_TEST_RELOADS} // 12;
need_agent();
$SIG{PIPE} = 'IGNORE';
$ENV{SENSE_HASH_SEED} = 1; # two runs are compared
my $top = temp_dir();
my $number = 0;

# ---- an agent at a pipe that stays open ----------------------------------------------------------------

# Options: policies => DIR, set => [KEY=VALUE]. Keys: pid, dir, socket, pipe.
sub live {
	my (%with) = @_;
	my $dir = "$top/live" . ++$number;
	mkdir $dir or die "$dir: $!";
	POSIX::mkfifo("$dir/in", 0600) or die "mkfifo: $!";
	open my $pipe, '+<:raw', "$dir/in" or die "$dir/in: $!"; # both ends: opening does not wait
	my $run = start([agent(), 'replay', '--json', '--stats', '--set', 'catalogue.dir=policies/catalogue',
		'--set', "control.socket=$dir/sock", '--policies', $with{policies},
		(map { ('--set', $_) } @{ $with{set} // [] }), "$dir/in"]);
	# Only the agent reads, so that a dead one is noticed.
	open my $out, '>:raw', "$dir/in" or die "$dir/in: $!";
	$out->autoflush(1);
	my $self = { %$run, socket => "$dir/sock", in => $out, hold => $pipe, next => 0 };
	wait_until(sub { -S $self->{socket} && (status($self)->{generation} // 0) > 0 }, 30)
	    or diag('the agent did not start: ' . slurp("$run->{dir}/err"));
	close $pipe;
	return $self;
}

# Requests, one to each of so many new hosts: n001.example, n002.example, ...; gives the last host.
sub feed {
	my ($live, $count) = @_;
	my @frames = map {
		my $n = ++$live->{next};
		map { { data => ether($_), ts => 1_700_000_000_000_000 + $n * 1000 } }
		    tcp_stream(syn => 0, end => 0, server => 0, sport => 20000 + $n, dport => 80,
			up => [http_get(sprintf('n%03d.example', $n), '/')]);
	} 1 .. $count // 1;
	my $bytes = pcap_bytes(\@frames);
	syswrite $live->{in}, $live->{fed}++ ? substr($bytes, 24) : $bytes;
	return sprintf 'n%03d.example', $live->{next};
}

sub ask { my ($live, @args) = @_; return run([agent(), @args, '--set', "control.socket=$live->{socket}"]) }

sub status {
	my ($live, @args) = @_;
	my $run = ask($live, 'status', '--json', @args);
	return $run->{out} =~ /^\{/ ? decode_json($run->{out}) : {};
}

# host => { rule => 1 } of what was found so far.
sub found {
	my ($live) = @_;
	my %found;
	for (split /\n/, slurp("$live->{dir}/out")) {
		my $one = eval { decode_json($_) } or next;
		$found{ $one->{host} }{ $one->{rule} }++;
	}
	return \%found;
}

# Feeds one request and waits for a rule to find it; gives all rules that did.
sub rules_on {
	my ($live, $rule) = @_;
	my $host = feed($live);
	wait_until(sub { found($live)->{$host}{$rule} }, 30);
	return join ' ', sort keys %{ found($live)->{$host} // {} };
}

sub done { my ($live) = @_; close $live->{in}; return finish($live) }

sub rule {
	my ($id, $more) = @_;
	return qq(rule "$id" { title = "t", severity = "low", on = "http"@{[$more ? ", $more" : '']} }\n);
}

# ---- under load ----------------------------------------------------------------------------------------

# The sample with all protocols, over and over, time going on, and each time from another address. Nothing may depend
# on where a read of the capture ended: flows leave at the end alone.
my @sample = pcap_read('t/captures/mix_all.pcap');
my $span = 40_000_000;
my @still = ('--set', 'flow.idle_timeout=1d');
my $rounds = 20 * $reloads;
my $capture = "$top/load.pcap";
{
	open my $out, '>:raw', $capture or die "$capture: $!";
	for my $round (0 .. $rounds - 1) {
		my $bytes = pcap_bytes([map {
			my ($data, $from) = ($_->{data}, pack 'C4', 127, 1 + int($round / 250), $round % 250, 1);
			substr($data, $_, 4) eq "\x7f\0\0\x01" and substr($data, $_, 4, $from) for 26, 30;
			{ %$_, data => $data, ts => $sample[0]{ts} + ($_->{ts} - $sample[0]{ts}) % $span + $round * $span }
		} @sample]);
		print $out $round ? substr($bytes, 24) : $bytes;
	}
	close $out;
}
my $shipped = temp_dir();
system('cp', '-R', 'policies/.', $shipped) == 0 or die 'cp';
my $quiet = replay('--policies', $shipped, '--json', '--stats', @still, $capture);
is($quiet->{code}, 0, 'a run without reload');
cmp_ok(scalar objects($quiet), '>', $rounds, 'finds');

my $live = live(policies => $shipped, set => ['flow.idle_timeout=1d']);
my $bytes = slurp($capture);
my $piece = int(length($bytes) / $reloads) + 1;
my $good = 0;
for my $i (0 .. $reloads - 1) {
	my $asked = start([agent(), 'reload', '--set', "control.socket=$live->{socket}"]);
	for (my $part = substr $bytes, $i * $piece, $piece; length $part;) {
		my $written = syswrite $live->{in}, $part;
		last unless $written;
		substr $part, 0, $written, '';
	}
	my $answer = finish($asked);
	$good++ if !$answer->{code} && $answer->{out} =~ /^generation \d+: [1-9]\d+ rules in \d+ files, loaded in \d+ ms\n\z/;
	diag("$answer->{out}$answer->{err}") if $answer->{code};
}
is($good, $reloads, "$reloads reloads at full speed, each said to have loaded");
is(status($live)->{generation}, 1 + $reloads, 'each is a generation');
my $loud = done($live);
is($loud->{code}, 0, 'the run ends well');
ok($loud->{out} eq $quiet->{out}, 'and finds, byte for byte, what it finds without reloads');
for my $key (qw(packets bytes flows events findings suppressed script_calls client_hellos)) {
	is(stats($loud)->{$key}, stats($quiet)->{$key}, "$key are the same");
}

# ---- what a reload changes -----------------------------------------------------------------------------

my $dir = policy(rule('t.a'), 'a');
policy(rule('t.b'), 'b', $dir);
$live = live(policies => $dir);
my $before = status($live);
is("$before->{generation} $before->{files} $before->{rules}", '1 2 2', 'status of the first generation');
like($before->{hash}, qr/^[0-9a-f]{16}$/, 'has a hash');
is($before->{reload}{result}, 'loaded', 'and says that it loaded');
ok(!$before->{disk_differs}, 'the disk holds the same');
is(rules_on($live, 't.b'), 't.a t.b', 'both rules find');

policy(rule('t.a') . rule('t.new'), 'a', $dir);
unlink "$dir/b.lua";
my $between = status($live);
ok($between->{disk_differs} && $between->{generation} == 1, 'status tells that the disk differs');
isnt($between->{disk_hash}, $between->{hash}, 'by its hash');
my $answer = ask($live, 'reload');
is($answer->{code}, 0, 'reload');
like($answer->{out}, qr/^generation 2: 2 rules in 1 file, loaded in \d+ ms\n\z/, 'says what it loaded');
is(rules_on($live, 't.new'), 't.a t.new', 'a rule that was added finds, one that is gone does not');
is(status($live)->{hash}, $between->{disk_hash}, 'the hash is that of the disk');

# ---- what does not load --------------------------------------------------------------------------------

policy(rule('t.a') . qq(rule "t.bad" { title = "t", sevrity = "low", on = "htp" }\n), 'a', $dir);
policy("rule 'x' {\n", 'c', $dir);
$answer = ask($live, 'reload');
is($answer->{code}, 1, 'a broken policy: exit code 1');
like($answer->{err}, qr/a\.lua:2: rule "t\.bad": sevrity: unknown key, did you mean 'severity'\?/, 'with each mistake');
like($answer->{err}, qr/a\.lua:2:.*'htp' is not an event/, 'of each rule');
like($answer->{err}, qr/c\.lua:\d+: /, 'of each file');
like($answer->{err}, qr/^\d problems; generation 2 \(2 rules in 1 file\) goes on$/m, 'and what goes on');
is(rules_on($live, 't.new'), 't.a t.new', 'the old rules find');
my $after = status($live);
is("$after->{generation} $after->{reload}{result}", '2 refused', 'status tells that it was refused');
is($after->{reload}{problem_count}, scalar @{ $after->{reload}{problems} }, 'with the problems');
like(ask($live, 'status')->{out}, qr/^last reload .* refused: \d problems\n\s+\S+a\.lua:2: /m, 'in words too');

$answer = ask($live, 'reload', '--json');
is($answer->{code}, 1, 'as JSON the exit code is the same');
is(decode_json($answer->{out})->{reload}{result}, 'refused', 'and the answer whole');

unlink "$dir/c.lua";
policy(rule('t.a'), 'a', $dir);
kill 'HUP', $live->{pid};
ok(wait_until(sub { status($live)->{generation} == 3 }, 30), 'SIGHUP loads the policies that were mended');
is(rules_on($live, 't.a'), 't.a', 'which find');

# Two at once: both are told of one that began after they asked.
my @asked = map { start([agent(), 'reload', '--set', "control.socket=$live->{socket}"]) } 1 .. 2;
is(join(' ', map { $_->{code} } map { finish($_) } @asked), '0 0', 'two reloads in quick succession');
ok(status($live)->{generation} >= 4, 'are done');

# A folder that is gone, and one without policies.
rename "$dir/a.lua", "$dir/a.txt";
$answer = ask($live, 'reload');
is($answer->{code}, 1, 'no policies at all: exit code 1');
like($answer->{err}, qr/no policies .*\n1 problem; generation \d+ /, 'said so');
is(rules_on($live, 't.a'), 't.a', 'the old ones go on');
rename "$dir/a.txt", "$dir/a.lua";

my $run = done($live);
is($run->{code}, 0, 'a reload that failed takes nothing from the run');
my %per_host = %{ found($live) };
is_deeply([grep { my $h = $_; grep { $_ > 1 } values %{ $per_host{$h} } } keys %per_host], [], 'nothing is found twice');
is(scalar keys %per_host, $live->{next}, 'and every request was');
ok(!-e $live->{socket}, 'the socket is gone with the agent');
$answer = ask($live, 'status');
is($answer->{code}, 1, 'then status fails');
like($answer->{err}, qr/no agent answers at \Q$live->{socket}\E/, 'and says why');

# ---- files that change ---------------------------------------------------------------------------------

$dir = policy(rule('t.a'), 'a');
mkdir "$dir/deep";
$live = live(policies => $dir, set => ['policies.watch=true']);
policy(rule('t.b'), 'b', "$dir/deep");
ok(wait_until(sub { status($live)->{generation} == 2 }, 30), 'a file that appears in a folder is noticed');
is(rules_on($live, 't.b'), 't.a t.b', 'its rule finds');
mkdir "$dir/later";
policy(rule('t.c'), 'c', "$dir/later");
ok(wait_until(sub { status($live)->{generation} == 3 }, 30), 'so is one in a new folder');
policy(rule('t.d'), 'c', "$dir/later");
ok(wait_until(sub { status($live)->{generation} == 4 }, 30), 'and what changes in it');
spew("$dir/note.txt", 'x');
policy("rule 'x' {\n", 'a', $dir);
ok(wait_until(sub { status($live)->{reload}{result} eq 'refused' }, 30), 'a mistake is noticed');
is(status($live)->{generation}, 4, 'and what is no policy did nothing');
done($live);

# ---- rules that must not run, and workers that die -------------------------------------------------------

my $loop = 'when = function(e) if e.host ~= "n003.example" then return false end local n = 0 while true do n = n + 1 end end';
SKIP: {
	$dir = policy(rule('t.a'), 'a');
	policy(rule('t.loop', $loop), 'loop', $dir);
	$live = live(policies => $dir, set => ['rules.hard_limit=50ms']);
	rules_on($live, 't.a') for 1 .. 2;
	feed($live); # a pipe cannot be read on after its worker died: only a capture in a file can
	my $end = done($live);
	skip 'here loops end by their soft limit', 1 unless stats($end)->{rules_quarantined};
	like(join("\n", problems($end)), qr/rule t\.loop is in quarantine until its policy file changes/, 'a loop is quarantined');
}

# A capture in a file: the first of two sources. The second is a pipe, so that the run goes on.
sub live_after {
	my ($file, %with) = @_;
	my $host_dir = "$top/after" . ++$number;
	mkdir $host_dir or die;
	POSIX::mkfifo("$host_dir/in", 0600) or die "mkfifo: $!";
	open my $pipe, '+<:raw', "$host_dir/in" or die;
	my $handle = start([agent(), 'replay', '--json', '--stats', '--set', 'catalogue.dir=policies/catalogue',
		'--set', "control.socket=$host_dir/sock", '--policies', $with{policies},
		(map { ('--set', $_) } @{ $with{set} // [] }), $file, "$host_dir/in"]);
	open my $out, '>:raw', "$host_dir/in" or die;
	my $self = { %$handle, socket => "$host_dir/sock", in => $out, next => 100 };
	wait_until(sub { -S $self->{socket} && (status($self)->{packets} // 0) >= $with{packets} }, 60);
	close $pipe;
	return $self;
}

my @hosts = map { my @p = tcp_stream(syn => 0, end => 0, server => 0, sport => 30000 + $_, dport => 80,
	up => [http_get("h$_.example", '/')]); map { ether($_) } @p } 1 .. 200;
pcap_write("$top/hosts.pcap", \@hosts);
my $hang = 'when = function(e) if e.host ~= "h50.example" and e.dst_ip ~= "x" and not e.host:find("^n1") then return false end'
    . ' local n = 0 while true do n = n + 1 end end';
$dir = policy(rule('t.a'), 'a');
policy(rule('t.loop', $hang), 'loop', $dir);
$live = live_after("$top/hosts.pcap", policies => $dir, packets => 200, set => ['rules.hard_limit=50ms']);
SKIP: {
	skip 'here loops end by their soft limit', 9 unless status($live)->{rules_quarantined};
	is(status($live)->{rules_quarantined}, 1, 'a loop is in quarantine');
	is(status($live)->{restarts}, 1, 'after one restart');
	policy(rule('t.other') . rule('t.more'), '0first', $dir); # rules have other numbers now
	is(ask($live, 'reload')->{code}, 0, 'a reload with the same text');
	my ($one) = grep { $_->{id} eq 't.loop' } @{ status($live, '--rules')->{rule} };
	ok($one->{quarantined}, 'keeps it there');
	like(ask($live, 'status', '--rules')->{out}, qr/^t\.loop .* quarantined$/m, 'which status tells');
	is(rules_on($live, 't.a'), 't.a t.more t.other', 'the others find, and it is not run');
	policy(rule('t.loop'), 'loop', $dir);
	is(ask($live, 'reload')->{code}, 0, 'a reload with another text');
	is(status($live)->{rules_quarantined}, 0, 'frees it');
	is(rules_on($live, 't.loop'), 't.a t.loop t.more t.other', 'it finds');
}
done($live);

# A worker that dies after a reload: its successor begins with the new generation.
$dir = policy(rule('t.a'), 'a');
$live = live_after("$top/hosts.pcap", policies => $dir, packets => 200);
policy(rule('t.b'), 'b', $dir);
is(ask($live, 'reload')->{code}, 0, 'a reload');
my $worker = status($live)->{worker_pid};
cmp_ok($worker, '>', 0, 'status tells which process is the worker');
kill 'SEGV', $worker;
$run = done($live);
is(stats($run)->{restarts}, 1, 'a worker that dies after it is replaced');
unlike($run->{err}, qr/policies cannot|problem/, 'and loads the new policies without complaint');

# Policies that never end loading: the worker, and what it is doing, goes on. (What a worker does not survive is in
# t/00-unit/proc_generation.c.)
SKIP: {
	skip 'takes a while', 3 if is_sanitized();
	$dir = policy(rule('t.a'), 'a');
	$live = live(policies => $dir);
	policy("local s = ('a'):rep(30000) local n = 0 for i = 1, 1e9 do n = n + #s end\n" . rule('t.b'), 'b', $dir);
	$answer = ask($live, 'reload');
	is($answer->{code}, 1, 'policies that never end loading are refused');
	like($answer->{err}, qr/b\.lua: ran longer than its limit of 200 ms/, 'with the limit');
	is(rules_on($live, 't.a'), 't.a', 'and the old ones go on');
	done($live);
}

# ---- the last good set ---------------------------------------------------------------------------------

my $kept = "$top/last_good";
$dir = policy(rule('t.a'), 'a');
my @keep = (set => ["policies.last_good=$kept"]);
$live = live(policies => $dir, @keep);
ok(-s $kept, 'the set that loaded is kept');
is((stat $kept)[2] & 0777, 0600, 'for its owner alone');
my $hash = status($live)->{hash};
done($live);
policy("rule 'x' {\n", 'a', $dir);
$live = live(policies => $dir, @keep);
$after = status($live);
is($after->{hash}, $hash, 'an agent whose policies do not load begins with the last good ones');
like($after->{last_good}, qr/^\d{4}-/, 'status tells their time');
ok($after->{disk_differs}, 'and that the disk holds others');
is($after->{reload}{result}, 'refused', 'which were refused');
like(ask($live, 'status')->{out}, qr/^last good    the set of .*; the configured one has 1 problem$/m, 'in words too');
is(rules_on($live, 't.a'), 't.a', 'they find');
policy(rule('t.b'), 'a', $dir);
is(ask($live, 'reload')->{code}, 0, 'mended policies take their place');
is(status($live)->{last_good}, undef, 'then they are the configured ones');
is(rules_on($live, 't.b'), 't.b', 'and find');
$run = done($live);
like($run->{err}, qr/running the last good set of \d{4}-/, 'it was said aloud');
is($run->{code}, 1, 'and the exit code tells');

policy("rule 'x' {\n", 'a', $dir);
for my $how ([damaged => sub { my $b = slurp($kept); substr $b, -20, 1, 'X'; spew($kept, $b) }],
	[cut => sub { spew($kept, substr slurp($kept), 0, 100) }], [empty => sub { spew($kept, '') }],
	['writable by others' => sub { chmod 0666, $kept }]) {
	my ($name, $do) = @$how;
	unlink $kept;
	replay('--policies', policy(rule('t.a')), '--set', "policies.last_good=$kept", 't/captures/dns_ai.pcap');
	$do->();
	$run = replay('--policies', $dir, '--set', "policies.last_good=$kept", 't/captures/dns_ai.pcap');
	is($run->{code}, 1, "a last good set that is $name is not taken");
	like($run->{err}, qr/no last good set.*\Q$kept\E/, 'and said so');
}

# ---- the socket ----------------------------------------------------------------------------------------

$dir = policy(rule('t.a'), 'a');
my $file = "$dir/a-file";
spew($file, "somebody's");
$run = replay('--policies', $dir, '--set', "control.socket=$file", 't/captures/dns_ai.pcap');
is($run->{code}, 1, 'a file that is no socket is not taken over');
ok(-s $file, 'and stays');
$run = replay('--policies', $dir, '--set', 'control.socket=' . 'x' x 200, 't/captures/dns_ai.pcap');
is($run->{code}, 1, 'a path too long for a socket');
like($run->{err}, qr/at most 107 bytes/, 'is said to be so');
$live = live(policies => $dir);
is((stat $live->{socket})[2] & 0777, 0600, 'the socket is for its owner alone');
my $say = sub {
	my $client = IO::Socket::UNIX->new(Peer => $live->{socket}) or return '';
	print $client $_[0];
	local $/;
	return scalar(<$client>) // '';
};
like($say->($_), qr/^failed\nunknown request/, "'" . substr($_ =~ s/\n/\\n/r, 0, 20) . "' is no request")
    for "reboot\n", "status all\n", "reload rules\n", "\n", 'x' x 64, "status rules rules\n", "status \n";
like($say->("status text\n"), qr/^ok\ngeneration   1, /, 'the protocol is a line');
my @idle = map { IO::Socket::UNIX->new(Peer => $live->{socket}) } 1 .. 16;
is($say->("status\n"), '', 'clients are bounded');
undef @idle;
ok(wait_until(sub { status($live)->{generation} }, 30), 'and those who leave make room');
SKIP: {
	my $uid = $> ? undef : getpwnam 'nobody';
	skip 'there is no other user here', 1 unless $uid;
	chmod 0755, $top;
	chmod 0777, $live->{socket};
	my $try = run([agent(), 'status', '--set', "control.socket=$live->{socket}"], user => $uid);
	isnt($try->{code}, 0, 'another user is not answered, whatever the mode');
}

# Whoever starts an agent may have blocked signals, and that mask outlives the start.
my $blocked = POSIX::SigSet->new(POSIX::SIGHUP(), POSIX::SIGTERM(), POSIX::SIGINT());
POSIX::sigprocmask(POSIX::SIG_BLOCK(), $blocked);
my $deaf = live(policies => $dir);
POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), $blocked);
my $was = status($deaf)->{generation};
kill 'HUP', $deaf->{pid};
ok(wait_until(sub { status($deaf)->{generation} > $was }, 30), 'signals that were blocked before the start are heard');
kill 'TERM', $deaf->{pid};
is(finish($deaf)->{code}, 128 + POSIX::SIGTERM(), 'that to end, too');

my $twice = replay('--policies', $dir, '--set', "control.socket=$live->{socket}", 't/captures/dns_ai.pcap');
is($twice->{code}, 1, 'a socket at which an agent answers is not taken over');
like($twice->{err}, qr/in use/, 'but said to be in use');
kill 'KILL', $live->{pid};
waitpid $live->{pid}, 0;
ok(-S $live->{socket}, 'an agent that was killed leaves its socket');
$twice = replay('--policies', $dir, '--set', "control.socket=$live->{socket}", 't/captures/dns_ai.pcap');
is($twice->{code}, 0, 'which the next one takes') or diag($twice->{err});

done_testing;
