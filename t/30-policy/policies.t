#!/usr/bin/perl
# The shipped policies as a whole, by what the agent says of them and does with them: each loads and has a
# test, rules are throttled and tagged, every host of the catalogue that is conclusive is reported, and
# nothing that is not conclusive alerts.
use strict;
use warnings;
use lib 't/lib';
use File::Find;
use JSON::PP;
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my @set = ('--set', 'catalogue.dir=policies/catalogue');
my $dir = temp_dir();

# ---- files -------------------------------------------------------------------------------------------

my @files;
find({ no_chdir => 1, wanted => sub { push @files, $_ if /\.lua$/ && !/_test\.lua$/ } }, 'policies');
for my $file (sort @files) {
	like(slurp($file), qr/\A-- .*^policy \{.*\bdescription = /ms, "$file begins with what it is for");
	ok(-e $file =~ s/\.lua$/_test.lua/r, "$file has a test");
}

# ---- rules -------------------------------------------------------------------------------------------

# Names of the list in MITRE ATLAS; a tag that is not here was not checked against it.
my %atlas = map { ("atlas:AML.T$_" => 1) } qw(0010 0024 0040 0047 0053 0055 0057 0086);
my $run = run([ agent(), 'check', '--json', @set, 'policies' ]);
is($run->{code}, 0, 'sense-agent check takes them') or diag($run->{out});
my @rules = @{ decode_json($run->{out})->{rule_list} };
cmp_ok(scalar @rules, '>=', 60, 'the rules are there');
for my $rule (@rules) {
	my $id = $rule->{id};
	like($id, qr/^ai\.[a-z]+(?:\.[a-z_]+)?$/, "$id is named as shipped rules are");
	ok($rule->{throttled}, "$id is throttled");
	isnt($rule->{type}, 'policy', "$id says what kind of finding it is");
	is_deeply([ grep { !$atlas{$_} } @{ $rule->{tags} } ], [], "$id has tags that were checked");
	ok($rule->{action} eq 'observe' || @{ $rule->{tags} } || $rule->{type} eq 'coverage', "$id is mapped");
}
my %files = map { ($_->{file} => 1) } @rules;
is_deeply([ sort keys %files ], [ sort @files ], 'each file has rules');

# What evidence proves: who adds an indicator says here of which weight.
is_deeply({ map { ($_->{id} => $_->{indicator}) } grep { $_->{indicator} } @rules }, {
	(map { ("ai.service.$_" => 100) } qw(agent api chat coding companion gateway hub media platform work)),
	(map { ("ai.$_" => 100) } qw(api.unknown_endpoint clear.api local.runtime local.exposed local.listens
		mcp.local mcp.clear agent.started agent.unattended local.running local.answers mcp.running mcp.listens
		program.assistant)),
	'ai.service.observed' => 50, 'ai.dns.name' => 30, 'ai.local.hint' => 60, 'ai.mcp.configured' => 60,
	'ai.program.framework' => 60, 'ai.program.hint' => 50, 'ai.program.hint_option' => 50,
	'ai.inventory.sdk' => 50, 'ai.inventory.gpu' => 40,
}, 'indicators are those that are known, with their weights');

# ---- hosts of the catalogue --------------------------------------------------------------------------

my (%conclusive, %category, @frames);
my $port = 20000;
for (split /\n/, slurp('policies/catalogue/services.tsv')) {
	next if /^#/ || /^service_id\t/;
	my (undef, undef, undef, $category, undef, $host, undef, $shared, $grade) = split /\t/;
	$host =~ s/\*/x/g;
	next if exists $conclusive{$host};
	$conclusive{$host} = !$shared && $grade =~ /[ABC]/ ? 1 : 0;
	$category{$host} = $category;
	push @frames, map { ether($_) } tcp_stream(sport => $port++, dport => 80, up => [ http_get($host, '/') ],
		down => [ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" ]);
}
cmp_ok(scalar keys %conclusive, '>', 900, 'hosts of the catalogue');
my (%reported, %by_category);
for (objects(replay('--json', pcap_write("$dir/hosts.pcap", \@frames)))) {
	next if $_->{type} eq 'coverage';
	$reported{ $_->{host} }++;
	$by_category{ $category{ $_->{host} } }++;
}
is_deeply([ grep { $conclusive{$_} && ($reported{$_} // 0) != 1 } sort keys %conclusive ], [],
	'each host that is conclusive has one finding');
is_deeply([ grep { !$conclusive{$_} && $reported{$_} } sort keys %conclusive ], [],
	'no other has any');
my %wanted = map { ($_ => 1) } values %category;
is_deeply([ grep { !$by_category{$_} } sort keys %wanted ], [], 'every category of the catalogue has a rule');

# ---- programs of the catalogue -------------------------------------------------------------------------

# Each tool, when it starts, is told by the rule for its class, and one that the catalogue is not sure of by none.
my %rule_of = (
	(map { ($_ => 'ai.agent.started') } qw(coding-agent ide-agent autonomous-agent)),
	(map { ($_ => 'ai.local.running') } qw(local-llm local-image local-audio model-serving coding-server gateway)),
	(map { ($_ => 'ai.program.assistant') } qw(desktop-app ai-ide ide-assistant coding-assistant cli-assistant
		ai-terminal ai-browser chat-ui rag agent-platform)),
	(map { ($_ => 'ai.program.framework') } qw(agent-framework ml-training vectordb)),
	'mcp-server' => 'ai.mcp.running', 'ml-ui' => undef,
);
my (@starts, @unknown, $tools);
for (split /\n/, slurp('policies/catalogue/runtimes.tsv')) {
	next if /^#/ || /^id\t/;
	my ($id, undef, $class, $grade) = (split /\t/)[0 .. 2, 10];
	push @unknown, "$id: $class" unless exists $rule_of{$class};
	my $rule = $grade =~ /[DU]/ ? 'ai.program.hint' : $rule_of{$class};
	push @starts, "test(\"$id\", function(t) t:process { tool = \"$id\" } "
		. ($rule ? "t:expect \"$rule\" t:only() end)" : 't:nothing() end)');
	$tools++;
}
is_deeply(\@unknown, [], 'each class of programs has a rule');
system("cp -R policies $dir/tools && find $dir/tools -name '*_test.lua' -delete") == 0 or die 'cp';
spew("$dir/tools/tools_test.lua", join "\n", @starts);
$run = run([ agent(), 'test', @set, "$dir/tools" ]);
is($run->{code}, 0, 'each tool is told once, by the rule for its class') or diag($run->{out}, $run->{err});
like($run->{out}, qr/^$tools tests, $tools passed$/m, 'that was all of them');

# Packages to run any command are those of the catalogue.
my ($runs_all) = slurp('policies/mcp/configured.lua') =~ /runs_all = words \{(.*?)\}/s;
my ($listed) = slurp('policies/catalogue/runtimes.tsv') =~ /^mcp-tools\t(?:[^\t]*\t){4}([^\t]*)\t/m;
is_deeply([ sort $runs_all =~ /"([^"]+)"/g ], [ sort split /;/, $listed ], 'MCP servers that run any command');

# ---- weak evidence -----------------------------------------------------------------------------------

# All that proves little, each of another client, so that nothing adds up; and what must not be found then.
my $weak = <<'END';
local client = 0
local function weak(t, raise, values)
  client = client + 1
  values.src_ip = ("10.1.%d.%d"):format(client / 200, client % 200 + 1)
  values.bytes_up = values.bytes_up or "1GiB"
  raise(t, values)
end
local raises = {
  function(t, values) t:flow(values):new():classified():update():finish() end,
  function(t, values) t:flow(values):tls():http() end,
}
local chat = { id = "x", name = "X", vendor = "X", category = "chat", risk = "high", grade = "U", conclusive = false }
test("weak evidence", function(t)
  for _, raise in ipairs(raises) do
    for _, source in ipairs { "sni", "http", "dns", "inferred" } do
      for _, hello in ipairs { "sni", "no_sni", "missed" } do
        for _, category in ipairs { CATEGORIES } do
          chat.category = category
          weak(t, raise, { host = "x.example", host_source = source, hello = hello, service = chat })
        end
        weak(t, raise, { host = "example.org", host_source = source, hello = hello, user_agent = "curl/8" })
      end
    end
    weak(t, raise, { host = "claude.ai", host_source = "inferred", hello = "sni" })
    for _, where in ipairs { "127.0.0.1", "10.9.9.9", "198.51.100.7" } do
      for _, label in ipairs { "Ollama", "OpenAI-compatible", "Anthropic-compatible", "MCP", "A2A" } do
        weak(t, raise, { dst_ip = where, dst_port = 11434, http_method = "POST", http_path = "/api/chat",
          signal = { label = label, score = 99 }, credential = "other" })
      end
    end
  end
  t:process { process = { name = "claude", command = "claude --dangerously-skip-permissions" } }
  t:process { process = { name = "sudo", parent = "bash", ancestors = "bash, sshd", markers = "CLAUDECODE" } }
  t:process { user = "eve", tool = "crush", process = { name = "crush" } }
  t:event("process.exit", { tool = "codex", process = { unattended = "--yolo", agent = "codex" } })
  t:listen { tool = "jupyter", listen = { ip = "127.0.0.1", port = 8888, scope = "loopback" } }
  t:listen { process = { name = "nginx" }, listen = { ip = "0.0.0.0", port = 11434, scope = "any" } }
  t:file { file = { path = "/x/mcp.json", kind = "mcp_config", op = "created", size = "1GiB" } }
  t:inventory { inventory = { kind = "package", name = "numpy" } }
  t:inventory { inventory = { kind = "gpu", name = "GPU" } }
  t:mcp { mcp = { client = "cursor", package = "x@1.2.3", pinned = true, command = "npx -y x@1.2.3" } }
  t:event("timer", {})
FORBIDDEN
end)
END
my $categories = join ', ', map { "\"$_\"" } sort keys %wanted;
my @alerting = grep { $_->{action} ne 'observe' && $_->{type} ne 'coverage' } @rules;
my $forbidden = join "\n", map { "  t:forbid \"$_->{id}\"" } @alerting;
$weak =~ s/CATEGORIES/$categories/;
$weak =~ s/FORBIDDEN/$forbidden/;
system("cp -R policies $dir/weak && find $dir/weak -name '*_test.lua' -delete") == 0 or die 'cp';
spew("$dir/weak/weak_test.lua", $weak);
$run = run([ agent(), 'test', @set, "$dir/weak" ]);
is($run->{code}, 0, 'evidence that is not conclusive never alerts') or diag($run->{out}, $run->{err});
done_testing;
