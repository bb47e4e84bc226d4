#!/usr/bin/perl
# `test`: tests of policies pass and fail as they should, and what they say names what differs and where.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use Sense;
use Test::More;

need_agent();
my @set = ('--set', 'catalogue.dir=policies/catalogue');
my $dir = temp_dir();

# Runs `test` on the folder with this test file (the body of one test function, unless it is a whole file).
sub try {
	my ($body, @args) = @_;
	$body = qq{test("it", function(t)\n$body\nend)\n} unless $body =~ /^test\(/m;
	spew("$dir/a_test.lua", $body);
	return run([ agent(), 'test', @set, @args, $dir ]);
}

sub passes {
	my ($what, $body) = @_;
	my $run = try($body);
	is($run->{code}, 0, $what) or diag($run->{out}, $run->{err});
	return $run;
}

sub fails {
	my ($what, $body, @want) = @_;
	my $run = try($body);
	is($run->{code}, 1, "$what: fails");
	like($run->{out}, $_, "$what: is told") for @want;
	return $run;
}

spew("$dir/a.lua", <<'LUA');
local calls = 0
rule "a.big" {
  title = "Large", severity = "medium", on = { "flow.update", "flow.end" },
  match = { host = { suffix = "example.com" }, bytes_up = { min = "1MiB" } },
  params = { fine = set { "backup.example.com" }, note = "none" },
  when = function(flow, params) return not params.fine[flow.host] end,
  finding = function(flow, params)
    return { summary = ("%s sent to %s"):format(bytes(flow.bytes_up), flow.host), details = { note = params.note } }
  end,
  throttle = { by = { "src_ip" }, every = "1h" }, tags = { "one", "two" },
}
rule "a.seen" { title = "Seen", severity = "info", on = "dns", match = { dns = { name = "example.org" } }, action = "observe" }
rule "a.third" { title = "Third", severity = "low", on = "http",
  when = function() calls = calls + 1 return calls == 3 end }
rule "a.listen" { title = "Open port", severity = "low", on = { "listen", "process.start", "process.exit" }, match = { listen = { scope = { none = "loopback" } } } }
rule "a.chat" { title = "Chat", severity = "low", on = "tls", match = { service = { id = "claude" }, dst_scope = "public" } }
LUA

# ---- what passes ----
passes('values go by event, with sizes, times and defaults', <<'LUA');
  local flow = t:flow { src_ip = "10.0.0.5", host = "www.example.com" }
  flow:update { bytes_up = "2MiB" }
  t:expect("a.big", { severity = "medium", host = "www.example.com", source_ip = "10.0.0.5", dest_port = 443,
    summary = like "sent to", details = { note = "none" }, tags = "two", confidence = 80 })
  t:wait "10m"
  flow:finish()
  t:expect "a.big"
  t:wait "1h"
  flow:finish()
  t:expect("a.big"):times(2)
  t:only()
LUA
passes('observing rules are found too, and say so', 't:dns { dns = { name = "example.org" } } t:expect("a.seen", { action = "observe" })');
passes('the catalogue knows the host', 't:tls { host = "claude.ai" } t:expect("a.chat", { service = "claude" }) t:only()');
passes('what is given wins over the catalogue', 't:tls { host = "claude.ai", service = { id = "other" } } t:nothing()');
passes('the scope follows the address', 't:tls { host = "claude.ai", dst_ip = "10.1.1.1" } t:nothing()');
passes('other events', <<'LUA');
  t:listen { listen = { ip = "0.0.0.0", port = 80 } }
  t:process({ process = { name = "x" } }):exit { process = { exit_code = 1 } }
  t:event("listen", { ["listen.scope"] = "loopback" })
  t:expect("a.listen"):times(3)
LUA
passes('params of one test', <<'LUA');
test("its own", function(t)
  t:params("a.big", { fine = set {}, note = 'a "b"\n' })
  t:flow({ host = "backup.example.com", bytes_up = "1GiB" }):finish()
  t:expect("a.big", { ["details.note"] = like 'a "b"' })
end)
test("not of the next", function(t)
  t:flow({ host = "backup.example.com", bytes_up = "1GiB" }):finish()
  t:forbid "a.big"
end)
LUA
passes('each test begins anew, locals and throttles too', join '', map {
	qq{test("$_", function(t) for _ = 1, 3 do t:http{} t:flow({ host = "example.com", bytes_up = "2MiB" }):finish() end
	t:expect "a.third" t:expect "a.big" end)\n}
} 1 .. 3);
mkdir "$dir/sub";
spew("$dir/chat.pcap", slurp(captures() . '/tls_claude.ai_node.pcap'));
passes('a capture beside the test', 't:capture "chat.pcap" t:forbid "a.big"');


# ---- what rules remember ----
spew("$dir/s.lua", <<'LUA');
rule "s.many" { title = "Many", severity = "low", on = "dns", when = function(flow) return state.distinct(flow.src_ip, flow.host, "1h") == 3 end }
rule "s.dns" { title = "Asked", severity = "info", on = "dns", match = { host = "claude.ai" }, action = "observe", indicator = { kind = "dns", weight = 50, about = "service.id" } }
rule "s.tls" { title = "Used", severity = "info", on = "tls", match = { host = "claude.ai" }, action = "observe", indicator = { kind = "tls", weight = 60, about = "service.id" } }
rule "s.both" { title = "Both", severity = "medium", on = "activity", match = { activity = { confidence = { min = 70 } } } }
LUA
passes("state is empty at the beginning of test $_", <<'LUA') for 1 .. 2;
  for _, host in ipairs { "a", "b", "b" } do t:dns { host = host } end
  t:forbid "s.many"
  t:dns { host = "c" }
  t:expect "s.many"
  t:wait "2h"
  t:dns { host = "d" }
  t:expect "s.many"
LUA
passes('indicators add up to an activity', <<'LUA');
  t:dns { host = "claude.ai" }
  t:forbid "s.both"
  t:tls { host = "claude.ai" }
  t:expect("s.both", { severity = "medium" })
LUA
unlink "$dir/s.lua";

# ---- what fails, and how that reads ----
my $flow = 't:flow({ host = "www.example.com", bytes_up = "2MiB" }):finish()';
fails('a wrong value', qq{$flow\nt:expect("a.big", { severity = "high", summary = like "took from", details = { note = 1 } })},
	qr{a_test\.lua:3: no finding of a\.big is as expected; the nearest differs in\n},
	qr{^ +severity: expected "high", got "medium"$}m, qr{summary: expected a text with "took from", got "2\.0 MiB sent to },
	qr{details\.note: expected 1, got "none"});
fails('a condition that does not hold', 't:flow({ host = "www.example.com", bytes_up = 10 }):finish() t:expect "a.big"',
	qr{a\.big did not fire}, qr{NO   bytes_up is 10; wanted: at least 1048576}, qr{yes  host is "www\.example\.com"},
	qr{findings until then: none});
fails('a `when` that says no', 't:flow({ host = "backup.example.com", bytes_up = "1GiB" }):finish() t:expect "a.big"',
	qr{its `match` held, and its `when` said no \(asked: 1\)});
fails('no event of its kind', 't:dns { dns = { name = "example.org" } } t:expect "a.big"',
	qr{no event that it takes was raised; it takes flow\.\w+}, qr{a\.seen \(info, observed\): });
fails('one too many', qq{t:http{} t:http{} $flow t:wait "2h" $flow\nt:expect "a.big"}, qr{a_test\.lua:3: expected 1 finding of a\.big, got 2});
fails('a forbidden one', "$flow t:forbid 'a.big'", qr{a\.big must not fire here, and did:\n +a\.big \(medium\): 2.0 MiB sent to});
fails('nothing, but there is', "$flow t:nothing()", qr{nothing must be found here, but:});
fails('only', qq{$flow t:dns { dns = { name = "example.org" } } t:expect "a.big" t:only()},
	qr{1 finding that no expectation names:\n +a\.seen});
fails('an unknown rule', "$flow t:expect 'a.bgi'", qr{a_test\.lua:2: there is no rule 'a\.bgi', did you mean 'a\.big'\?});
fails('an unknown rule of params', "t:params('a.bgi', {}) $flow t:nothing()", qr{params: there is no rule 'a\.bgi', did you mean});
fails('an unknown param', "t:params('a.big', { fien = 1 }) $flow t:nothing()", qr{has no param 'fien', did you mean 'fine'\?});
fails('an unknown field', 't:flow { hots = "x" }', qr{a_test\.lua:2: unknown field 'hots', did you mean 'host'\?});
fails('one in a group', 't:dns { dns = { nmae = "x" } }', qr{unknown field 'dns\.nmae', did you mean 'dns\.name'\?});
fails('an unknown key of a finding', "$flow t:expect('a.big', { sevrity = 'x' })", qr{a finding has no 'sevrity', did you mean 'severity'});
fails('an unknown method', 't:flow{}:finsh()', qr{a flow has no method 'finsh', did you mean 'finish'\?});
fails('an unknown event', 't:event("lisen", {})', qr{'lisen' is not an event, did you mean 'listen'});
fails('a field of another event', 't:http { file = { path = "x" } } t:nothing()', qr{file\.path is never known on http events});
fails('a value of the wrong type', 't:flow { bytes_up = "lots" }', qr{bytes_up: 'lots' is not a number such as});
fails('a network as an address', 't:flow { src_ip = "10.0.0.0/8" }', qr{'10\.0\.0\.0/8' is not an address});
fails('a test that cannot fail', $flow, qr{a_test\.lua:1: the test expects nothing: it could never fail});
fails('forbid before any event', 't:forbid "a.big" t:http{}', qr{forbid stands before any event});
fails('a capture that is not there', 't:capture "no.pcap" t:nothing()', qr{a_test\.lua:2: .*no\.pcap: No such file});
fails('a test without end', 'while true do end', qr{a_test\.lua:1: ran longer than its limit of 200 ms});
fails('a file that does not load', qq{test("x", function(t)\n  t:(\nend)}, qr{the file itself\n +.*a_test\.lua:2: });
fails('a file without a test', "-- test(\ntest('x', nil)", qr{a_test\.lua:2: a test has a name and a function});
fails('two of a name', qq{test("x", function(t) end)\ntest("x", function(t) end)}, qr{a_test\.lua:2: a test of this name is at line 1});

# ---- rules that fail or hang ----
spew("$dir/b.lua", <<'LUA');
rule "b.loop" { title = "Loop", severity = "low", on = "mcp",
  when = function(flow) local n = 0 while flow.mcp.server == "loop" do n = n + 1 end return true end }
rule "b.bad" { title = "Bad", severity = "low", on = "file", when = function(flow) return flow.file.size > "x" end }
LUA
my $run = try(<<'LUA');
test("before", function(t) t:mcp { mcp = { server = "x" } } t:expect "b.loop" end)
test("hangs", function(t) t:mcp { mcp = { server = "loop" } } t:expect "b.loop" end)
test("behind", function(t) t:mcp { mcp = { server = "x" } } t:expect "b.loop" end)
LUA
is($run->{code}, 1, 'a rule that does not return fails its test');
like($run->{out}, qr{FAIL  hangs\n +\S*b\.lua:[12]: rule "b\.loop": .*ran longer than its (?:hard )?limit}, 'it is named');
like($run->{out}, qr{ok    before\n(?s:.*)ok    behind\n}, 'the others run');
like($run->{out}, qr{^3 tests, 2 passed, 1 failed$}m, 'and are counted');
fails('a script error', 't:file { file = { size = 1 } } t:forbid "b.bad"', qr{b\.lua:3: rule "b\.bad": when: attempt to compare});
unlink "$dir/b.lua";

# ---- coverage and mutants ----
my $good = qq{test("big", function(t) $flow t:expect "a.big" t:wait "2h"
  t:flow({ host = "www.example.com", bytes_up = 1 }):finish() t:expect "a.big" end)\n};
$run = try($good);
like($run->{out}, qr{^5 rules, 1 fired in tests; never: a\.seen, a\.third, a\.listen, a\.chat$}m, 'rules without a test are listed');
is($run->{code}, 0, 'which fails nothing');
is(try($good, '--coverage')->{code}, 1, 'unless it is asked for');

spew("$dir/a.lua", qq{rule "a.big" { title = "Large", severity = "medium", on = "flow.end", match = { bytes_up = { min = "1MiB" } } }\n});
$run = try($good, '--mutate', '--coverage');
is($run->{code}, 0, 'tests that notice every mutant') or diag($run->{out});
like($run->{out}, qr{^3 mutants of rules tried, all were noticed$}m, 'are told so');
$run = try(qq{test("big", function(t) $flow t:expect "a.big" end)\n}, '--mutate');
is($run->{code}, 1, 'a test without a near miss');
like($run->{out}, qr{no test noticed that\n +\S*a\.lua:1: rule "a\.big" fires on everything}, 'does not notice a rule that fires on everything');
unlike($run->{out}, qr{never fires: add}, 'but that it is gone');
$run = try(qq{test("small", function(t) t:flow({ bytes_up = 1 }):finish() t:nothing() end)\n}, '--mutate');
like($run->{out}, qr{rule "a\.big" never fires: add a test with t:expect}, 'the other way round');
unlike($run->{out}, qr{fires on everything}, 'likewise');

# ---- formats ----
my $two = qq{test("good # one", function(t) $flow t:expect "a.big" end)\ntest("bad", function(t) $flow t:forbid "a.big" end)\n};
$run = try($two, '--format', 'tap');
like($run->{out}, qr{\ATAP version 14\n1\.\.2\nok 1 - \S+a_test\.lua: good \\# one\nnot ok 2 - \S+: bad\n# \S+a_test\.lua:2: a\.big must not}, 'TAP');
is($run->{code}, 1, 'with the same exit code');
$run = try($two, '--format', 'junit');
like($run->{out}, qr{<testsuite name="sense-agent" tests="2" failures="1">}, 'JUnit');
like($run->{out}, qr{<testcase classname="\S+" name="bad" file="\S+a_test\.lua" line="2" time="[\d.]+"><failure message="[^"<]*&\#10;}, 'its failures');
my $json = decode_json(try($two, '--format', 'json')->{out});
is_deeply([ map { $_->{name}, $_->{ok} ? 1 : 0, $_->{line} } @{ $json->{tests} } ], [ 'good # one', 1, 1, 'bad', 0, 2 ], 'JSON');
is(try($two, '--format', 'xml')->{code}, 2, 'another format is a usage error');

# ---- operands ----
spew("$dir/a_test.lua", $good);
is(run([ agent(), 'test', @set, "$dir/$_" ])->{code}, 0, "$_ alone") for qw(a.lua a_test.lua);
spew("$dir/c.lua", qq{rule "c.x" { title = "x", severity = "low", on = "dns" }\n});
$run = run([ agent(), 'test', @set, "$dir/c.lua" ]);
is($run->{code}, 1, 'a policy without a test');
like($run->{err}, qr{c\.lua has no test: there is no \S+c_test\.lua}, 'is told which file is missing');
like(run([ agent(), 'test', @set, "$dir/sub" ])->{err}, qr{no policies|no tests}, 'an empty folder');
spew("$dir/c.lua", qq{rule "c.x" { title = "x", severity = "lov", on = "dns" }\n});
like(try($good)->{err}, qr{c\.lua:1: rule "c\.x": severity: 'lov' is not one of}, 'policies that do not load end it');

# ---- shipped policies ----
$run = run([ agent(), 'test', @set, '--mutate', map { "policies/$_.lua" } qw(transfer/upload credentials/clear_text dns/ai_names) ]);
is($run->{code}, 0, 'the tests of shipped policies pass, and notice every mutant') or diag($run->{out}, $run->{err});
done_testing;
