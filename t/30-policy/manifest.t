#!/usr/bin/perl
# Each row of t/captures/MANIFEST.tsv: a positive one has a finding, a negative one has none.
#
# host_or_request is 'host', 'host path' (HTTP to a named host) or 'ip:port path' (HTTP to an
# address). Rows labelled '-' are neutral. A finding belongs to a row by its host, or by its port and
# path; its type tells DNS from the rest.
use strict;
use warnings;
use JSON::PP;
use Test::More;

my $captures = 't/captures';
my $agent = ($ENV{SENSE_BUILD} || 'build') . '/sense-agent';
plan skip_all => "$agent is not built" unless -x $agent;

# Which catalogue services, or labels of signals, the manifest's names stand for.
my %service = (
	'ChatGPT/OpenAI'   => qr/^(?:chatgpt|openai-api)$/,
	'Claude/Anthropic' => qr/^(?:claude|anthropic-api)$/,
	'Gemini'           => qr/^(?:gemini|google-ai-studio)$/,
	'GitHub Copilot'   => qr/^github-copilot$/,
	'HuggingFace'      => qr/^huggingface$/,
	'Mistral'          => qr/^mistral(?:-api)?$/,
	'DeepSeek'         => qr/^deepseek(?:-api)?$/,
	'Ollama'           => qr/^Ollama$/,
	'MCP'              => qr/^MCP$/,
	'Ollama/MCP'       => qr/^(?:Ollama|MCP)$/,
);

sub manifest {
	my %rows;
	open my $fh, '<', "$captures/MANIFEST.tsv" or die "$captures/MANIFEST.tsv: $!";
	chomp(my $head = <$fh>);
	my @names = split /\t/, $head;
	while (my $line = <$fh>) {
		chomp $line;
		next if $line eq '';
		my %row;
		@row{@names} = split /\t/, $line, -1;
		next if $row{label} eq '-';
		die "MANIFEST.tsv:$.: label '$row{label}'" unless $row{label} =~ /^(?:positive|negative)$/;
		my ($host, $path) = split / /, $row{host_or_request}, 2;
		$path =~ s/\?.*//s if defined $path; # findings never hold a query
		my $port = $host =~ s/^([\d.]+):(\d+)$/$1/ ? $2 : undef;
		@row{qw(host path port)} = ($host, $path, $port);
		push @{$rows{$row{file}}}, \%row;
	}
	return \%rows;
}

sub findings {
	my ($file) = @_;
	open my $pipe, '-|', $agent, 'replay', '--policies', 'policies', '--json', "$captures/$file"
		or die "$agent: $!";
	my @findings = map { decode_json($_) } grep { /\S/ } <$pipe>;
	close $pipe;
	is($?, 0, "$file: replay ends well");
	return @findings;
}

sub is_about {
	my ($finding, $row) = @_;
	my $type = $finding->{type} // '';
	return 0 if $type eq 'coverage'; # what cannot be seen is said of any host
	my $path = ref $finding->{details} eq 'HASH' ? $finding->{details}{path} : undef;
	if (defined $row->{port}) {
		return ($finding->{dest_ip} // '') eq $row->{host} && ($finding->{dest_port} // 0) == $row->{port}
			&& defined $path && $path eq $row->{path};
	}
	return 0 unless lc($finding->{host} // '') eq lc $row->{host};
	return 0 if ($type eq 'dns') != ($row->{kind} eq 'dns');
	return 1 if $row->{kind} eq 'dns';
	return ($finding->{dest_port} // 0) == $row->{dport};
}

my $rows = manifest();
for my $file (sort keys %$rows) {
	my @findings = findings($file);
	for my $row (@{$rows->{$file}}) {
		my @about = grep { is_about($_, $row) } @findings;
		my $what = join ' ', $file, $row->{kind}, $row->{host}, defined $row->{path} ? $row->{path} : ();
		if ($row->{label} eq 'negative') {
			is(scalar @about, 0, "$what: not flagged") or diag(explain(\@about));
			next;
		}
		ok(scalar @about, "$what: found") or next;
		my $wanted = $service{$row->{service}} or die "no service for '$row->{service}'";
		ok((grep { ($_->{service} // '') =~ $wanted } @about), "$what: as $row->{service}")
			or diag(join ' ', map { $_->{service} // '(none)' } @about);
	}
	# Nothing else that alerts hides in the capture of negative rows.
	next if grep { $_->{label} eq 'positive' } @{$rows->{$file}};
	my @alerts = grep { ($_->{type} // '') ne 'coverage' } @findings;
	is(scalar @alerts, 0, "$file: no alert at all") or diag(explain(\@alerts));
}
done_testing;
