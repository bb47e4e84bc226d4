#!/usr/bin/perl
# The shipped policies on traffic made by hand, from frames on: which findings a conversation has, and that
# one thing is told once.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
$ENV{TZ} = 'UTC';
my $dir = temp_dir();
my $number = 0;
my $ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

# "rule severity" of each finding, in order.
sub found {
	my ($frames, @options) = @_;
	my $file = pcap_write("$dir/" . ++$number . '.pcap', $frames);
	return [ map { "$_->{rule} $_->{severity}" } objects(replay('--json', @options, $file)) ];
}

sub post {
	my ($host, $path, $agent, @more) = @_;
	push @more, "User-Agent: $agent" if defined $agent;
	return join "\r\n", "POST $path HTTP/1.1", "Host: $host", 'Content-Type: application/json', @more,
		'Content-Length: 2', '', '{}';
}

# One request to this address and port.
sub request {
	my ($dst, $port, $request, %with) = @_;
	return [ map { ether($_) } tcp_stream(dst => $dst, dport => $port, up => [$request], down => [$ok], %with) ];
}

my $chat = '/v1/chat/completions';
my $sdk = 'OpenAI/Python 1.99.0';
my $key = 'Authorization: Bearer sk-proj-' . 'a1B2c3D4' x 5;

# ---- requests to models ----
is_deeply(found(request('127.0.0.1', 11434, post('localhost:11434', '/api/chat', 'curl/8.5.0'), src => '127.0.0.1')),
	['ai.local.runtime medium'], 'a model on loopback');
is_deeply(found(request('10.0.0.1', 11434, post('10.0.0.1:11434', '/api/chat', 'ollama/0.6'))),
	['ai.local.runtime medium'], "by the host's own address");
is_deeply(found(request('10.0.0.9', 11434, post('10.0.0.9:11434', '/api/chat', 'ollama/0.6'))),
	['ai.local.exposed high'], 'a model that another machine asks');
is_deeply(found(request('10.0.0.9', 11434, post('10.0.0.9:11434', '/api/chat', 'curl/8.5.0'))),
	[ 'ai.api.no_sdk low', 'ai.local.exposed high' ], 'by a program that is no SDK');
is_deeply(found(request('198.51.100.7', 8000, post('198.51.100.7:8000', $chat, $sdk))),
	['ai.api.unknown_endpoint high'], 'an endpoint on the Internet without a name');
is_deeply(found(request('198.51.100.7', 80, post('llm.example.net', $chat, $sdk))),
	['ai.api.unknown_endpoint high'], 'and one with a name');
is_deeply([ sort @{ found(request('198.51.100.7', 80, post('api.openai.com', $chat, $sdk))) } ],
	[ 'ai.clear.api high', 'ai.service.api low' ], 'a known service in clear text');
is_deeply(found(request('198.51.100.7', 80, post('www.example.org', '/api/chat', 'Mozilla/5.0'))), [],
	'a web application whose path is like that of a model');
is_deeply(found(request('10.0.0.9', 80, post('shop.corp.example', '/completions', undef))), [],
	'another one, by a program without a name');

# ---- keys ----
my $file = pcap_write("$dir/key.pcap", request('10.0.0.9', 4000, post('10.0.0.9:4000', $chat, $sdk, $key)));
my @findings = objects(replay('--json', $file));
is_deeply([ map { $_->{rule} } @findings ], [qw(ai.credential.clear ai.local.exposed)], 'a key in clear text');
is($findings[0]{details}{credential}, 'openai', 'is known by its kind');
unlike(replay('--json', $file)->{out} . replay('--flows', $file)->{out}, qr/a1B2c3D4/, 'and never shown');
is_deeply(found(request('10.0.0.9', 4000, post('10.0.0.9:4000', $chat, $sdk, 'Authorization: Bearer 123456'))),
	[ 'ai.credential.request high', 'ai.local.exposed high' ], 'a token of unknown kind beside an AI request');
is_deeply(found(request('10.0.0.9', 80, post('shop.corp.example', '/login', undef, 'Authorization: Bearer 123456'))),
	[], 'the same token elsewhere is nobody\'s business');

# ---- MCP ----
my @mcp = ('Accept: application/json, text/event-stream', 'MCP-Protocol-Version: 2025-06-18');
is_deeply(found(request('127.0.0.1', 3000, post('localhost:3000', '/mcp', undef, @mcp), src => '127.0.0.1')),
	['ai.mcp.local medium'], 'MCP on this host');
is_deeply(found(request('10.0.0.9', 3000, post('10.0.0.9:3000', '/mcp', undef, @mcp))),
	['ai.mcp.clear medium'], 'in the network');
is_deeply(found(request('198.51.100.7', 80, post('tools.example.net', '/mcp', undef, @mcp))),
	['ai.mcp.clear high'], 'over the Internet');

# ---- uploads ----
# So many bytes in frames of 60 kB to a service that says its name in clear text.
sub upload {
	my ($bytes, %with) = @_;
	my $blob = 'x' x 60_000;
	return map { ether($_) } tcp_stream(dst => '198.51.100.7', dport => 443, %with,
		up => [ client_hello_for('claude.ai'), ($blob) x ($bytes / 60_000) ]);
}
is_deeply(found([ upload(900_000) ]), ['ai.service.chat medium'], 'under 1 MiB is no large upload');
is_deeply(found([ upload(1_200_000) ]), [ 'ai.service.chat medium', 'ai.upload.large medium' ], 'over it is one');
is_deeply(found([ upload(12_000_000) ]), [ 'ai.service.chat medium', 'ai.upload.large medium', 'ai.upload.huge high' ],
	'one that grows is told again');
is_deeply(found([ map { upload(900_000, sport => 40_000 + $_) } 1 .. 13 ]),
	[ 'ai.service.chat medium', 'ai.upload.sustained medium' ], 'many small ones are one, and told once');

# ---- time ----
# Connections to a service, each at so many seconds after the start of a Tuesday (2026-01-06, UTC).
my $port = 41_000;
sub connections {
	my ($host, @at) = @_;
	my @frames;
	for my $at (@at) {
		my $ts = (1_767_657_600 + $at) * 1_000_000;
		push @frames, map { { data => ether($_), ts => $ts++ } } tcp_stream(dst => '198.51.100.7', sport => $port++,
			up => [ client_hello_for($host) ], down => ["\x15\x03\x03\x00\x02\x02\x28"]);
	}
	return \@frames;
}
sub beacons { return scalar grep { /^ai\.agent\.beacon / } @{ found(connections('api.openai.com', @_)) } }

is(beacons(map { 3 * 3600 + $_ * 300 + $_ % 2 * 15 } 0 .. 15), 1, 'even calls at three in the morning');
is(beacons(map { 14 * 3600 + $_ * 300 } 0 .. 15), 0, 'the same in the afternoon is not told');
my $at = 3 * 3600;
is(beacons(map { $at += $_ } 30, 700, 45, 60, 15, 800, 120, 20, 600, 30, 90, 400, 25, 70, 500, 35), 0,
	'somebody who works at night is not even');

my $days = connections('claude.ai', 36_000, 39_600, 36_000 + 86_400);
push @$days, @{ connections('chatgpt.com', 40_000 + 86_400) };
is_deeply([ grep { /first_seen/ } @{ found($days) } ], ['ai.service.first_seen info'],
	'what a client begins to use on its second day is new');
done_testing;
