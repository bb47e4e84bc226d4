#!/usr/bin/perl
# The documentation says what the program does: its tables are those of the sources, its Lua loads, its
# commands print what stands below them, its objects have the members they have, its links lead somewhere.
use strict;
use warnings;
use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my @pages = (glob('*.md'), glob('docs/*.md'), glob('policies/*.md'), glob('policies/*/*.md'),
	glob('plugins/*/*.md'), glob('contrib/*/*.md'), glob('proto/*.md'));
my $root = getcwd;
my $build = $ENV{SENSE_BUILD} // 'build';
delete @ENV{qw(COLUMNS NO_COLOR SENSE_LOG_LEVEL)};

sub slurp {
	my ($path) = @_;
	open my $in, '<', $path or die "$path: $!";
	local $/;
	return scalar <$in>;
}

# Whether "other.md#part", or "#part" of the page itself, is a heading there.
sub anchor_of {
	my ($page, $link) = @_;
	my ($other, $part) = split /#/, $link, 2;
	my $file = $other eq '' ? $page : dirname($page) . "/$other";
	return -e $file && grep { lc(s/[^\w\s-]//gr =~ s/\s/-/gr) eq $part } slurp($file) =~ /^#+ (.*)$/mg;
}

is(qx(contrib/doc/tables --check @pages), '', 'tables are those of the sources');

for my $page (@pages) {
	my $text = slurp($page);
	my $here = dirname($page);
	my @lost = grep { !/^[a-z]+:/ && !-e "$here/" . s/#.*//r } $text =~ /\]\(([^)#][^)]*)\)/g;
	is_deeply(\@lost, [], "$page: links lead somewhere");
	my @parts = $text =~ /\]\(((?!https?:)[^)#]*#[^)]+)\)/g;
	is_deeply([grep { !anchor_of($page, $_) } @parts], [], "$page: so do those to a part of a page");
	@lost = grep { !-e $_ && !/NAME/ } $text =~ m{`((?:core|lua|proto|plugins|policies|contrib|docs|t)/[\w./-]+\w)`}g;
	is_deeply([grep { !-e "$here/$_" } @lost], [], "$page: files that it names are there");
}

# A value of JSON as Lua.
sub lua_of {
	my ($value) = @_;
	return '{ ' . join(', ', map { "[\"$_\"] = " . lua_of($value->{$_}) } sort keys %$value) . ' }'
		if ref $value eq 'HASH';
	return '{ ' . join(', ', map { lua_of($_) } @$value) . ' }' if ref $value eq 'ARRAY';
	return $value ? 'true' : 'false' if ref $value;
	return $value =~ /^-?\d+(?:\.\d+)?\z/ ? $value : encode_json([$value]) =~ s/^\[|\]\z//gr;
}

my $agent = "$build/sense-agent";
SKIP: {
	skip "$agent is not built", 1 unless -x $agent;
	my $dir = tempdir(CLEANUP => 1);
	symlink abs_path($build), "$dir/build" or die $!;
	symlink "$root/$_", "$dir/$_" or die $! for qw(t policies core contrib);
	$ENV{SENSE_CATALOGUE_DIR} = "$root/policies/catalogue";
	$ENV{SENSE_POLICIES_DIRS} = "$root/policies";

	# Files and commands of a page belong together, in their order.
	sub page_try {
		my ($page) = @_;
		my $number = 0;
		my $text = slurp($page);
		while ($text =~ /^```(lua|console)\n(.*?)^```$/msg) {
			my ($kind, $body) = ($1, $2);
			if ($kind eq 'console') {
				for my $run (split /^(?=\$ )/m, $body) {
					my ($command, $want) = $run =~ /^\$ (.*)\n((?s).*)\z/;
					is(scalar qx(cd $dir && $command 2>&1), $want, "$page: $command");
				}
			} elsif ($body =~ /^-- (\S+\.lua)\n/) {
				make_path(dirname("$dir/$1"));
				open my $out, '>', "$dir/$1" or die "$1: $!";
				print $out $body;
			} elsif ($body =~ /^(?:rule|policy) /) {
				my $file = "$dir/example" . ++$number . '.lua';
				open my $out, '>', $file or die "$file: $!";
				print $out $body;
				close $out;
				like(scalar qx($agent check $file 2>&1), qr/^no mistakes: /, "$page: example $number loads");
			}
		}
	}
	page_try($_) for qw(README.md docs/rules.md docs/tools.md docs/plugins.md docs/output.md docs/cookbook.md docs/host.md);

	# Each event of the page makes the finding below it, but for its id and time.
	my @examples = slurp('docs/host.md') =~ /^```lua\n(t:.*?)^```\n```json\n(.*?)\n```$/msg;
	cmp_ok(@examples, '>=', 2 * 13, 'docs/host.md has examples');
	mkdir "$dir/host" or die $!;
	system("cp -R policies $dir/host && find $dir/host -name '*_test.lua' -delete") == 0 or die 'cp';
	my $tests = '';
	while (my ($event, $json) = splice @examples, 0, 2) {
		my $finding = decode_json($json);
		my $rule = $finding->{rule};
		my %wanted = %$finding;
		delete @wanted{qw(id timestamp rule)};
		delete $wanted{$_} for grep { !defined $wanted{$_} || /_port$/ && !$wanted{$_} } keys %wanted;
		$tests .= "test(\"$rule\", function(t)\n${event}t:expect(\"$rule\", " . lua_of(\%wanted) . ")\nend)\n";
	}
	open my $out, '>', "$dir/host/policies/page_test.lua" or die $!;
	print $out $tests;
	close $out;
	my $said = qx($agent test $dir/host/policies 2>&1);
	is($?, 0, 'docs/host.md: its events make its findings') or diag($said);

	my @json = slurp('docs/output.md') =~ /^```json\n(.*?)^```$/msg;
	my @tables = slurp('docs/output.md') =~ /^\| member \|.*\n\|[-|]+\n((?:\|.*\n)+)/mg;
	my @from = ('--json t/captures/ollama_chat.pcap', '--flows t/captures/tls_claude.ai_node.pcap');
	is(scalar @json, 2, 'docs/output.md shows a finding and a flow');
	for my $i (0 .. 1) {
		my ($first) = split /\n/, qx($agent replay $from[$i]);
		is_deeply(decode_json($json[$i]), decode_json($first), "docs/output.md: what replay $from[$i] prints");
		my @members = map { /`(\w+)`/g } map { (split /\|/)[1] } split /\n/, $tables[$i];
		is_deeply(\@members, [$first =~ s{"details":\{[^{}]*\}}{"details":0}r =~ /[{,]"(\w+)":/g], "docs/output.md: its members in order");
	}
	my @known = slurp('docs/output.md') =~ /^\| `(\w+)` \|/mg;
	my %known = map { $_ => 1 } @known;
	my $stats = qx($agent replay --json --stats t/captures/dns_ai.pcap 2>&1 >/dev/null);
	is_deeply([grep { !$known{$_} } $stats =~ /^(\w+):/mg], [], 'docs/output.md: each key of --stats');
}

done_testing;
