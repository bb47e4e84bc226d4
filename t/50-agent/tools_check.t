#!/usr/bin/perl
# `check` for editors and CI: text that is not saved yet, and JSON. `new`: a policy and a test that passes.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP;
use Sense;
use Test::More;

need_agent();
my @set = ('--set', 'catalogue.dir=policies/catalogue');
my $dir = temp_dir();
my $text = "$dir/stdin";

sub check {
	my ($unsaved, @args) = @_;
	spew($text, $unsaved);
	return run([ agent(), 'check', @args ], stdin => $text);
}

my $good = qq{rule "my.one" { title = "one", severity = "low", on = "dns" }\n};
my $run = check($good, '-');
is($run->{code}, 0, 'a policy on stdin');
is($run->{out}, "no mistakes: 1 rule in 1 file\n", 'is checked');
$run = check(qq{\nrule "my.one" { titel = "one", severity = "low", on = "dns" }\n}, '-');
is($run->{code}, 1, 'a mistake in it');
like($run->{err}, qr{^stdin\.lua:2: rule "my\.one": titel: unknown key, did you mean 'title'\?$}m, 'is told');
like(check(qq{\nrule "my.one" 5\n}, '--name', 'my/rule.lua', '-')->{err}, qr{^my/rule\.lua:2: }m, 'by the name that was given');

mkdir "$dir/my";
spew("$dir/my/rule.lua", $good);
spew("$dir/my/other.lua", qq{rule "my.two" { title = "two", severity = "low", on = "dns" }\n});
$run = check($good, '--name', "$dir/my/rule.lua", "$dir/my", '-');
is($run->{out}, "no mistakes: 2 rules in 2 files\n", 'it replaces the saved file') or diag($run->{err});
is(check($good, '--name', "$dir/my/../my/rule.lua", '-', "$dir/my")->{code}, 0, 'by whatever path, in any order');
$run = check($good, '--name', "$dir/my/new.lua", "$dir/my", '-');
is($run->{code}, 1, 'an id that another file has');
like($run->{err}, qr{new\.lua:1: rule "my\.one": this id is already used at \S+/my/rule\.lua:1}, 'is found');
is(check($good, '-', '-')->{code}, 1, 'stdin twice is refused');
spew("$dir/my/other_test.lua", "test('x', function(t) t:nothing() end)\n");
like(check('', "$dir/my/other_test.lua")->{err}, qr{other_test\.lua holds tests of a policy: run it with `test`},
	'a test is no policy');
unlink "$dir/my/other_test.lua";
like(check('', 't/captures/mix_all.pcap')->{err}, qr{mix_all\.pcap is not a policy: it is no text}, 'a capture neither');
is(check('x' x 300000, '-')->{code}, 1, 'too large a text too');

# ---- JSON ----
my $object = decode_json(check($good, '--json', '-')->{out});
is_deeply([ @$object{qw(ok rules files problems problems_left_out)} ], [ JSON::PP::true, 1, 1, [], 0 ], 'JSON without problems');
my $list = decode_json(check(<<'END', '--json', '--name', 'my/rule.lua', '-')->{out})->{rule_list};
rule "my.one" { title = "one", severity = "low", on = "dns" }
for _, word in ipairs { "two", "three" } do
  rule("my." .. word) { title = word, severity = "high", on = { "tls", "flow.end" }, type = "service", confidence = 60,
    action = "observe", indicator = 40, tags = { "a", "b" }, throttle = { by = "src_ip", every = "1h" } }
end
END
is_deeply($list->[0], { id => 'my.one', policy => 'my/rule', file => 'my/rule.lua', line => 1, title => 'one',
	type => 'policy', severity => 'low', confidence => 80, action => 'alert', on => ['dns'], tags => [],
	throttled => JSON::PP::false, indicator => 0 }, 'each rule is listed, with what it does not say');
is_deeply([ map { $_->{id} } @$list ], [ 'my.one', 'my.two', 'my.three' ], 'also those made in a loop, in order');
is_deeply([ @{ $list->[2] }{qw(line severity confidence action on tags throttled indicator)} ],
	[ 3, 'high', 60, 'observe', [qw(flow.end tls)], [qw(a b)], JSON::PP::true, 40 ], 'and what each says');
$run = check(qq{rule "my.one" {\n  severity = "lov", on = "dns", title = "x", match = { hots = 1 } }\n}, '--json', '--name', 'a.lua', '-');
is($run->{code}, 1, 'JSON with problems: the exit code');
is($run->{err}, '', 'nothing on stderr');
$object = decode_json($run->{out});
is_deeply([ map { @$_{qw(file line rule key)} } @{ $object->{problems} } ],
	[ 'a.lua', 2, 'my.one', 'severity', 'a.lua', 2, 'my.one', 'match.hots' ], 'each with its place');
like($object->{problems}[0]{message}, qr{did you mean 'low'}, 'and message');
is_deeply([ @$object{qw(ok rules files rule_list)} ], [ JSON::PP::false, 0, 1, [] ], 'no rules then');
$object = decode_json(run([ agent(), 'check', '--json', "$dir/nowhere" ])->{out});
like($object->{problems}[0]{message}, qr{nowhere}, 'a folder that is not there is a problem too');
is($object->{problems}[0]{file}, undef, 'of no file');
is(run([ agent(), 'check', '--json', 'policies' ])->{code}, 0, 'the shipped policies');
is(run([ agent(), 'check', '--json' ])->{code}, 2, 'without operands it is a usage error');

# ---- new ----
my @events = qw(flow.classified flow.new flow.update flow.end dns http tls process.start process.exit listen
	file mcp inventory);
for my $event (@events) {
	(my $name = $event) =~ tr/./_/;
	$run = run([ agent(), 'new', $name, '--dir', "$dir/new", '--event', $event ]);
	is($run->{code}, 0, "new: $event") or diag($run->{err});
	$run = run([ agent(), 'test', @set, '--mutate', "$dir/new/$name.lua" ]);
	is($run->{code}, 0, "new: $event: its test passes as written, and notices mutants") or diag($run->{out}, $run->{err});
}
$run = run([ agent(), 'new', 'dns', '--dir', "$dir/new" ]);
is($run->{code}, 1, 'new does not overwrite');
like($run->{err}, qr{new/dns\.lua is there already}, 'and says so');
unlink "$dir/new/dns.lua";
like(run([ agent(), 'new', 'dns', '--dir', "$dir/new" ])->{err}, qr{dns_test\.lua is there already}, 'nor half of it');
ok(!-e "$dir/new/dns.lua", 'no half is written');
like(run([ agent(), 'new', 'x', '--event', 'flow.edn' ])->{err}, qr{'flow\.edn', did you mean 'flow\.end'}, 'new: an unknown event');
is(run([ agent(), 'new', $_, '--dir', "$dir/new" ])->{code}, 2, "new: '$_' is no name") for '../x', 'a b', '', '-', 'x_test';
is(run([ agent(), 'new', 'a', 'b' ])->{code}, 2, 'new takes one name');
done_testing;
