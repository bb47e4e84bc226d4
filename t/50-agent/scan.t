#!/usr/bin/perl
# One pass over this host: what runs, listens and is configured, as a screen, as findings and as one object.
use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use lib 't/lib';
use Sense;
use Test::More;

need_agent();
my $dir = temp_dir();
my $home = "$dir/home";
system "mkdir -p $home/.cursor $home/.config/Claude";
spew("$home/.cursor/mcp.json", encode_json({ mcpServers => {
	mail => { command => 'npx', args => ['-y', '@acme/mail-mcp'], env => { MAIL_TOKEN => 'ghp_abcdefghijklmnopqrstuvwxyz0123456789' } },
	wiki => { url => 'http://wiki.corp.example/mcp?key=sk-ant-abcdefghijklmnopqrstuvwxyz0123456789' },
} }));
spew("$home/CLAUDE.md", "# Be nice\n");

# A program that is called ollama and listens on all addresses.
my $server = <<'END';
use IO::Socket::INET;
my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '0.0.0.0', LocalPort => 0) or die;
open my $out, '>', $ARGV[0] or die;
print $out $socket->sockport . "\n";
close $out;
sleep 120;
END
system 'cp', abs_path($^X), "$dir/ollama";
my $ollama = start(["$dir/ollama", '-e', $server, "$dir/port"]);
ok(wait_until(sub { -s "$dir/port" }), 'something to be found');
my $port = slurp("$dir/port") + 0;

my @with = ('--set', "host.homes=$home", '--set', 'catalogue.dir=policies/catalogue', '--set',
	"control.socket=$dir/socket", '--set', "agent.dir=$dir/agent");
sub scan { return run([agent(), @_, '--policies', 'policies', @with]) }

my $json = scan('scan', '--json');
is($json->{code}, 0, 'a scan') or diag($json->{err});
my %by;
push @{ $by{ $_->{rule} } }, $_ for objects($json);
sub said { return join "\n", map { $_->{summary} } @{ $by{ $_[0] } // [] } } # of a rule, in no order
like(said('ai.mcp.unpinned'), qr{\@acme/mail-mcp}, 'a package without a version');
like(said('ai.mcp.secret'), qr/MAIL_TOKEN/, 'a secret in a configuration, by its name');
my ($listens) = grep { ($_->{process} // '') eq 'ollama' } @{ $by{'ai.local.listens'} // [] };
like($listens->{summary} // '', qr/\b$port\b/, 'a program of AI that others can reach, with its process');

my $object = scan('inventory', '--json');
is($object->{code}, 0, 'an inventory');
my $inventory = decode_json($object->{out});
my ($tool) = grep { ($_->{tool} // '') eq 'ollama' } @{ $inventory->{tools} };
ok($tool, 'has the tool') or diag(join ' ', map { $_->{tool} // '?' } @{ $inventory->{tools} });
is_deeply([sort map { $_->{server} } @{ $inventory->{mcp_servers} }], ['mail', 'wiki'], 'and the MCP servers');
ok(scalar(grep { ($_->{port} // 0) == $port } @{ $inventory->{listeners} }), 'and the listener');

my $screen = scan('scan');
is($screen->{code}, 0, 'a screen');
like($screen->{out}, qr/^RISKS.*^AI TOOLS.*^Ollama.*^MCP SERVERS.*^mail\b/ms, 'shows risks, tools and servers');
unlike("$json->{out}$object->{out}$screen->{out}", qr/ghp_|sk-ant/, 'and no secret, in no form');
ok(!-e "$dir/socket" && !-e "$dir/agent", 'a scan leaves nothing behind');

kill 'KILL', $ollama->{pid};
waitpid $ollama->{pid}, 0;
my $none = run([agent(), 'scan', @with, '--set', 'host.sensors=']);
is($none->{code}, 1, 'without sensors there is nothing to look with');
like($none->{err}, qr/host\.sensors/, 'which is said');
done_testing;
