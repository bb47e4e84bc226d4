#!/usr/bin/perl
# Replays under valgrind, supervisor and worker: no error, nothing definitely lost.
#
# No suppressions are needed. The worker itself does without its filter of system calls and its bound
# of memory when it runs under valgrind, whose own calls would pass through them. Everything is slower
# by a factor of fifty there, so the limits of rules are raised, and the policies are small.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
plan skip_all => 'valgrind is not installed' unless grep { -x "$_/valgrind" } split /:/, $ENV{PATH};
plan skip_all => 'a sanitizer is built in: it looks for the same' if is_sanitized();

my $dir = temp_dir();
my $policies = policy(q(rule "test.host" { title = "t", severity = "low", on = "flow.classified",
  match = { host = { set = true } }, throttle = { by = { "src_ip", "host" }, every = "1m" },
  finding = function(f)
    return { summary = ("%s %s"):format(f.host, f.dst_ip), details = { up = f.bytes_up } }
  end }
), 'host');
policy(q(rule "test.http" { title = "t", severity = "high", on = { "http", "dns" },
  when = function(f) return (f.host or ""):gsub("%d", function(d) return d + 1 end) ~= "" end }
), 'http', $policies);
policy(q(rule "test.wrong" { title = "t", severity = "low", on = "flow.end",
  when = function(f) return f.x.y end }
), 'wrong', $policies);

sub watched {
	my ($logs, @files) = @_;
	return run([ '/usr/bin/env', 'valgrind', '--quiet', '--trace-children=yes', '--vgdb=no',
		'--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite',
		'--error-exitcode=99', "--log-file=$logs/%p", agent(), 'replay',
		'--set', 'catalogue.dir=policies/catalogue', '--set', 'rules.soft_limit=1s',
		'--set', 'rules.hard_limit=60s', '--set', 'rules.load_limit=60s', '--policies', $policies, '--json', '--stats', @files ]);
}

sub clean {
	my ($what, $code, @files) = @_;
	my $logs = temp_dir();
	my $run = watched($logs, @files);
	is($run->{code}, $code, "$what: exit code $code") or diag($run->{err});
	my @logs = glob "$logs/*";
	cmp_ok(scalar @logs, '>=', 2, "$what: supervisor and worker were watched");
	my $said = join '', map { slurp($_) } @logs;
	is($said, '', "$what: valgrind has nothing to say");
	is(stats($run)->{$_}, 0, "$what: $_ is 0") for qw(restarts out_of_memory rules_quarantined);
	return $run;
}

# Only an agent that was built where valgrind's header is knows when it is being watched.
my $trial = watched(temp_dir(), captures() . '/neg_dns.pcap');
plan skip_all => 'the agent was built without valgrind/valgrind.h'
    if grep { /cannot set resource limits|seccomp/ } problems($trial);

my $run = clean('TLS, DNS, HTTP, MCP and a model runtime', 0,
	map { captures() . "/$_" } qw(mix_all.pcap mcp_http_3000.pcap ollama_chat.pcap));
cmp_ok(stats($run)->{findings}, '>=', 20, 'rules were run');
cmp_ok(stats($run)->{'rule_errors.test.wrong'}, '>=', 1, 'also one that fails');
clean('QUIC', 0, captures() . '/quic_chromium_gemini.pcap');

# What is given up half way: a truncated capture, a hello in pieces that never ends, fragments that
# never come, a capture that is none.
my $hello = client_hello(captures() . '/tls_api.openai.com_curl.pcap');
my @pieces = in_pieces(substr($hello, 0, 300), 10);
my @frames = map { ether($_) } tcp_stream(up => \@pieces, end => 0),
    (fragments('10.0.0.1', '192.0.2.1', 6, 'x' x 900, 64))[0 .. 5],
    tcp_stream(sport => 41000, dport => 80, up => [ substr http_get('example.com', '/'), 0, 30 ], end => 0);
my $half = pcap_write("$dir/half.pcap", \@frames);
spew($half, substr slurp($half), 0, -7);
clean('what is given up half way', 1, $half, spew("$dir/none.pcap", 'no capture'));

done_testing;
