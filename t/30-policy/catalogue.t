#!/usr/bin/perl
# Every row of every catalogue file: columns, words, sources, no duplicates. The agent's loader checks
# the files it compiles; this holds for those that only host scanners read, too.
use strict;
use warnings;
use Test::More;

my $dir = 'policies/catalogue';
my %grades = map { $_ => 1 } qw(A B C D U);
my %columns = (
	'sources.tsv'     => [qw(id name licence permissive date)],
	'services.tsv'    => [qw(service_id name vendor category risk_tier domain match shared grade sources)],
	'runtimes.tsv'    => [qw(id name class risk_tier process_names argv_patterns default_ports config_paths
		model_or_data_paths unattended_flags grade sources)],
	'wire.tsv'        => [qw(kind pattern match method label weight grade note sources)],
	'mcp_configs.tsv' => [qw(client os path key format scope grade sources)],
	'sdk.tsv'         => [qw(ecosystem name class grade sources)],
);
my %words = (
	category  => [qw(agent api browser chat coding companion gateway hub image infra meeting observability
		productivity search vectordb video voice writing)],
	risk_tier => [qw(low medium high)],
	match     => [qw(exact glob suffix template prefix name kind note substring offset-0 offset-4 extension feature)],
	shared    => [0, 1],
	weight    => [qw(strong medium weak info)],
	kind      => [qw(http_path http_header user_agent credential negotiation mcp_method body content_type
		file_magic ja4 tls_quic)],
	os        => [qw(all linux macos windows)],
	format    => [qw(json jsonc toml yaml yaml/json xml text md)],
	scope     => [qw(user project user+project plugin managed system server)],
	ecosystem => [qw(pypi npm golang cargo maven nuget gem composer luarocks vscode-ext jetbrains-plugin chrome-ext
		env-var)],
	permissive => [qw(yes no)],
);
my %keys = (
	'sources.tsv' => [qw(id)], 'services.tsv' => [qw(domain match)], 'runtimes.tsv' => [qw(id)],
	'wire.tsv' => [qw(kind pattern match)], 'mcp_configs.tsv' => [qw(client os path)],
	'sdk.tsv' => [qw(ecosystem name)],
);

sub rows {
	my ($file) = @_;
	my (@rows, @head, @faults);
	open my $fh, '<:encoding(UTF-8)', "$dir/$file" or die "$dir/$file: $!";
	while (my $line = <$fh>) {
		chomp $line;
		push @faults, "$file:$.: control character" if $line =~ /[\x00-\x08\x0a-\x1f\x7f]/;
		next if $line =~ /^#/;
		my @fields = split /\t/, $line, -1;
		if (!@head) { @head = @fields; next }
		push @faults, sprintf '%s:%d: %d fields, expected %d', $file, $., scalar @fields, scalar @head
			if @fields != @head;
		my %row;
		@row{@head} = @fields;
		push @rows, \%row;
		for my $name (grep { $words{$_} } @head) {
			push @faults, "$file:$.: $name '$row{$name}'" unless grep { $_ eq $row{$name} } @{$words{$name}};
		}
		push @faults, "$file:$.: grade '$row{grade}'" if exists $row{grade} && !$grades{$row{grade}};
		push @faults, "$file:$.: no sources" if exists $row{sources} && $row{sources} eq '';
	}
	is_deeply(\@head, $columns{$file}, "$file: columns");
	is_deeply(\@faults, [], "$file: every row parses, with legal words");
	cmp_ok(scalar @rows, '>', 10, "$file: has rows");
	my %seen;
	my @twice = grep { $seen{$_}++ } map { my $row = $_; join ' ', map { $row->{$_} } @{$keys{$file}} } @rows;
	is_deeply(\@twice, [], "$file: no duplicate @{$keys{$file}}");
	return @rows;
}

my %permissive = map { $_->{id} => $_->{permissive} } rows('sources.tsv');
my %rows = map { $_ => [rows($_)] } grep { $_ ne 'sources.tsv' } sort keys %columns;

my (@unknown, %used);
for my $file (sort keys %rows) {
	for my $row (@{$rows{$file}}) {
		for my $source (split /;/, $row->{sources}) {
			$source =~ s/[*^]$// if $file eq 'services.tsv';
			$used{$source} = 1;
			push @unknown, "$file: $source" unless $permissive{$source};
		}
	}
}
is_deeply(\@unknown, [], 'every source is described in sources.tsv');
is_deeply([grep { !$used{$_} } sort keys %permissive], [], 'every source described is used');

my @bad_grade = map { $_->{domain} } grep { $_->{sources} eq 'researcher' && $_->{grade} ne 'U' }
	@{$rows{'services.tsv'}};
is_deeply(\@bad_grade, [], 'a row without a stored source has grade U');

my $label = qr/[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?/;
my @domains = grep { (my $d = $_->{domain}) =~ tr/*/x/; $d !~ /^(?:$label\.)+[a-z][a-z0-9-]*[a-z0-9]$/ }
	@{$rows{'services.tsv'}};
is_deeply([map { $_->{domain} } @domains], [], 'domains are valid host names');
my @stars = grep { ($_->{match} eq 'glob') != ($_->{domain} =~ /\*/) } @{$rows{'services.tsv'}};
is_deeply([map { $_->{domain} } @stars], [], "globs, and they alone, have a '*'");

# A label that ought to take its runtime's port into account must be spelled as the runtime is.
my %names = map { $_->{name} => 1 } @{$rows{'runtimes.tsv'}};
ok($names{$_}, "runtime '$_' is named as its label in wire.tsv")
	for 'Ollama', 'LM Studio', 'llama.cpp', 'HF TGI', 'SGLang', 'Triton', 'KoboldCpp', 'ComfyUI', 'SD WebUI', 'LiteLLM';

open my $fh, '<', "$dir/VERSION" or die "$dir/VERSION: $!";
like(do { local $/; <$fh> }, qr/\A1 \d{4}-\d\d-\d\d\.\d+\n\z/, 'VERSION: format and version');
done_testing;
