#!/usr/bin/perl
# The plain routes, by curl and by hand, over TLS.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use Test::More;
use Sense;
use Server;

need_server();

my $server = server_start();
my $dir = $server->{where};

# ---- routes -------------------------------------------------------------------------------------------

is(curl($server, '/healthz')->{out}, "ok\n", 'health');
is(curl($server, '/readyz')->{out}, "ready\n", 'readiness');
is(curl($server, '/healthz', '--http1.0', '--no-alpn')->{out}, "ok\n", 'HTTP/1.0');
is(curl($server, '/healthz', '--no-alpn')->{out}, "ok\n", 'no ALPN is HTTP');
is(curl($server, '/healthz', '--tls-max', '1.2')->{out}, "ok\n", 'TLS 1.2 will do');
isnt(curl($server, '/healthz', '--tlsv1.1', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0')->{code}, 0,
	'TLS 1.1 will not');
my $head = curl($server, '/healthz', '-I');
like($head->{out}, qr/^HTTP\/1.1 200 OK\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/, 'HEAD, with a date');
like($head->{out}, qr/^Content-Length: 3\r$/m, 'with the length of what GET has');
unlike($head->{out}, qr/ok/, 'and without it');

my $missing = curl($server, '/nothing/%00/"x"', '-i');
like($missing->{out}, qr/^HTTP\/1.1 404 Not Found\r\n.*^Content-Type: application\/problem\+json\r$/ms, 'nothing there');
my $problem = decode_json($missing->{out} =~ s/.*\r\n\r\n//sr);
is_deeply($problem, { type => 'about:blank', title => 'Not Found', status => 404,
	detail => 'there is nothing at this path' }, 'as a problem of RFC 9457');
like(curl($server, '/healthz', '-i', '-X', 'DELETE')->{out}, qr/^HTTP\/1.1 405 .*^Allow: GET, HEAD\r$/ms,
	'another method');

# A body that is refused is not read; the answer comes all the same, and no reset in its place.
my $large = spew("$dir/large", 'x' x 3_000_000);
for my $expect ('Expect:', 'Expect: 100-continue') {
	my $run = curl($server, '/nothing', '-i', '-H', $expect, '--data-binary', "\@$large");
	like($run->{out}, qr/^HTTP\/1.1 413 /, "a body that is too large ($expect)");
	like(curl($server, '/nothing', '-i', '-H', $expect, '-H', 'Transfer-Encoding: chunked', '--data-binary',
		"\@$large")->{out}, qr/^HTTP\/1.1 (?:100 .*)?413 /s, "in chunks ($expect)");
}
spew($large, 'x' x 1_000_000);
like(curl($server, '/nothing', '-i', '--data-binary', "\@$large")->{out}, qr/404 Not Found/, 'one that is not is read');
like(curl($server, '/nothing', '-v', '-H', 'Expect: 100-continue', '--data-binary', "\@$large")->{err},
	qr/< HTTP\/1.1 100 Continue.*< HTTP\/1.1 404/s, 'asked for, when that is waited for');

# ---- connections -----------------------------------------------------------------------------------------

my $url = "https://localhost:$server->{port}";
my $two = curl($server, '/healthz', '-v', "$url/readyz", "$url/nothing", "$url/healthz");
is(() = $two->{err} =~ /Re-using existing connection/g, 3, 'a connection is used again');
my $talk = talk($server, join '', map { "GET /$_ HTTP/1.1\r\nHost: x\r\n\r\n" } qw(healthz nothing readyz healthz));
my $got = ask($talk, '', qr/ready\n.*ok\n/s);
is_deeply([$got =~ /^HTTP\/1.1 (\d+)/mg], [200, 404, 200, 200], 'requests in a row are answered in their order');
ask($talk, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
ok($talk->{ended}, 'asked to close, it closes');

for my $request ("GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", "GET /healthz HTTP/1.1\nHost: x\n\n",
	"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n") {
	my $bad = talk($server, $request . "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	ask($bad, '');
	is_deeply([$bad->{got} =~ /^HTTP\/1.1 (\d+)/mg], [400], 'refused, with all that is behind it');
}

# ---- metrics -----------------------------------------------------------------------------------------------

my $text = curl($server, '/metrics', '-i')->{out};
like($text, qr/^Content-Type: text\/plain; version=0.0.4; charset=utf-8\r$/m, 'Prometheus text');
my ($body) = $text =~ /\r\n\r\n(.*)/s;
my @odd = grep { !/^# (?:HELP|TYPE) [a-z_]+ \S.*$|^[a-z_]+(?:\{[a-z]+="[^"]*"\})? -?[\d.]+$/ } split /\n/, $body;
is_deeply(\@odd, [], 'each line as it should be');
my %typed;
$typed{$_}++ for $body =~ /^# TYPE (\S+)/mg;
is_deeply([grep { $typed{$_} != 1 } keys %typed], [], 'each metric is described once');
my $before = metrics($server);
is(curl($server, '/healthz')->{code}, 0, "asked, $_") for 1 .. 12; # each to one of the two workers
my $after = metrics($server);
is($after->{'sense_http_answers_total{class="2xx"}'}, $before->{'sense_http_answers_total{class="2xx"}'} + 13,
	'any worker answers for all');
is($after->{sense_handshake_seconds_count}, $before->{sense_handshake_seconds_count} + 13, 'histograms, too');
ok(wait_until(sub { metrics($server)->{sense_connections} == 1 }, 20), 'a gauge falls again');

for my $case (["{ '192.0.2.0/24', '2001:db8::1' }", 403], ["{}", 403], ["{ '127.0.0.1' }", 200]) {
	my ($from, $status) = @$case;
	spew("$dir/server.lua", "server = { metrics_from = $from }\n");
	kill 'HUP', $server->{pid};
	ok(wait_until(sub { curl($server, '/metrics', '-i')->{out} =~ /^HTTP\/1.1 $status / }, 20), "from $from: $status");
}
spew("$dir/server.lua", "server = { metrics_from = { '10.0.0.0/33' } }\n");
kill 'HUP', $server->{pid};
ok(wait_until(sub { server_logged($server, qr{server\.metrics_from: '10\.0\.0\.0/33' is neither} ) }, 20), 'a network that is none');
is(curl($server, '/metrics')->{code}, 0, 'changes nothing');

is(server_stop($server)->{code}, 0, 'it ends well');
is_deeply([grep { /ended (?:by|with)/ } server_log($server)], [], 'no process died');

# ---- the configuration of the server -----------------------------------------------------------------------

{
	my $where = temp_dir();
	my $conf = sub { return run([server(), 'config', '-c', "$where/server.lua", @_]) };
	my $example = run([server(), 'config', '--example']);
	is($example->{code}, 0, 'an example');
	spew("$where/server.lua", $example->{out} =~ s/^  -- (\w+ = )/  $1/mgr);
	is($conf->()->{code}, 0, 'which loads with all of it taken') or diag($conf->()->{err});
	spew("$where/server.lua", "server = { listen = { '127.0.0.1:1', '[::1]:2' }, workers = 3 }\n");
	mkdir "$where/server.d";
	spew("$where/server.d/10.lua", "server = { workers = 4 }\n");
	local $ENV{SENSE_SERVER_AGENTS_HEARTBEAT} = '7s';
	my $shown = $conf->('--set', 'agents.max=5');
	like($shown->{out}, qr/listen = \{ "127.0.0.1:1", "\[::1\]:2" \}, .*\(\Q$where\E\/server.lua\)/, 'addresses are a list');
	like($shown->{out}, qr/workers = 4, .*\(\Q$where\E\/server.d\/10.lua\)/, 'the directory is over the file');
	like($shown->{out}, qr/heartbeat = "7s", .*\(environment SENSE_SERVER_AGENTS_HEARTBEAT\)/, 'the environment over both');
	like($shown->{out}, qr/max = 5, .*\(command line\)/, 'and the command line over all');
	my $wrong = $conf->('--set', 'server.listne=x', '--set', 'agents.max=0');
	is($wrong->{code}, 1, 'a wrong one fails');
	like($wrong->{err}, qr/server\.listne: unknown key, did you mean 'server\.listen'\?\n.*agents\.max: '0' is out of range/s,
		'with all that is wrong');
	is(run([server(), 'config', '--example', '--set', 'server.listne=x'])->{code}, 0, 'but for the example');
	is(run([server(), 'confg'])->{code}, 2, 'wrong usage');
	like(run([server(), 'confg'])->{err}, qr/did you mean 'config'/, 'is helped');
	like(run([server(), 'config', '--exampel'])->{err}, qr/did you mean '--example'/, 'with options, too');
	like(run([server(), 'config', 'x'])->{err}, qr/'x' is one argument too many/, 'and arguments');
	like(run([server(), '--version'])->{out}, qr/^sense-server \d/, 'the version');
	like(run([server(), 'run', '--help'])->{out}, qr/SIGHUP/, 'help');
}

done_testing();
