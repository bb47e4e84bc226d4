#!/usr/bin/perl
# The inventory's screen and its JSON, of a sample: what docs/output.md shows and lists.
use strict;
use warnings;
use JSON::PP;
use Test::More;

my $build = $ENV{SENSE_BUILD} // 'build';
my $sample = "$build/t/00-unit/inventory";
plan skip_all => "$sample is not built" unless -x $sample;

open my $in, '<', 'docs/output.md' or die "docs/output.md: $!";
my $page = do { local $/; <$in> };
my ($shown) = $page =~ /^```text\n(ws-.*?)^```$/ms;
is(scalar qx($sample screen 80), $shown, 'the screen of docs/output.md is what is printed');

my $text = qx($sample json);
is($text =~ tr/\n//, 1, 'JSON is one line');
my $object = decode_json($text);
my ($keys) = $page =~ /^## An inventory\n.*?^\| key \|.*?\n\|[-|]+\n((?:\|[^\n]*\n)+)/ms;
my @keys = $keys =~ /^\| `(\w+)` \|/mg;
is_deeply([sort keys %$object], [sort @keys], 'its members are those of docs/output.md');
my ($lists) = $page =~ /^\| list \| members \|\n\|[-|]+\n((?:\|.*\n)+)/m;
my %members = map { my ($list, @names) = /`(\w+)`/g; $list => \@names } split /\n/, $lists;
is_deeply([sort keys %members], [sort grep { ref $object->{$_} eq 'ARRAY' && !/^(?:users|findings)$/ } keys %$object],
	'members of each list are told');
for my $list (sort grep { $_ ne 'others' } keys %members) {
	my @entries = @{$object->{$list}};
	ok(scalar @entries, "$list: there are some");
	is_deeply([grep { "@{[sort keys %$_]}" ne "@{[sort @{$members{$list}}]}" } @entries], [],
		"$list: all have the members of docs/output.md");
}

my %tool = map { ("$_->{user} $_->{tool}" => $_) } @{$object->{tools}};
my $claude = $tool{'alice claude-code'};
is($claude->{$_->[0]}, $_->[1], "a tool: $_->[0]")
	for ['name', 'Claude Code'], ['class', 'coding-agent'], ['processes', 2], ['unattended_processes', 1], ['started', 3],
	['unattended', '--dangerously-skip-permissions'];
is_deeply($tool{'ollama ollama'}{listens}, ['*:11434'], 'what it listens on');
my ($slack) = grep { $_->{server} eq 'slack' } @{$object->{mcp_servers}};
is_deeply($slack->{secrets}, [qw(SLACK_BOT_TOKEN SLACK_TEAM_ID)], 'names of secrets are a list');
ok(JSON::PP::is_bool($slack->{pinned}) && !$slack->{pinned}, 'pinned is a boolean');
is($object->{models}[0]{files}, 4, 'parts of a model are counted');
is($object->{models}[0]{size}, 4 * 4949453792, 'and added up');
is(scalar(grep { !$_->{tool} && !$_->{speaks} } @{$object->{listeners}}), 2, 'listeners that are not AI are there');
is(scalar @{$object->{findings}}, 15, 'so is every finding');
is($object->{findings}[0]{rule}, 'ai.agent.unattended', 'in the order in which they came');
is_deeply($object->{left_out}, {}, 'nothing was left out');
is($object->{ts}, '2026-11-26T11:20:05.250000Z', 'time is RFC 3339');

done_testing;
