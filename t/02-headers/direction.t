#!/usr/bin/perl
# The house rules that a compiler does not hold: include direction, headers that compile alone,
# sizes of files and functions, and a project that speaks of itself only.
use strict;
use warnings;
use Test::More;

my @sources = grep { -f } split /\0/, `git ls-files -z -- '*.c' '*.h' 2>/dev/null`;
@sources = grep { -f } split /\n/, `find core lua plugins proto server t -name '*.[ch]'` if !@sources;
cmp_ok(scalar @sources, '>', 50, 'the sources are found');

# A folder includes only what stands to its left; main.c is the composition root.
my %rank = (proto => 0, core => 1, lua => 2, server => 3);
my (@against, @deep);
for my $file (@sources) {
	my ($folder) = $file =~ m{^([^/]+)/};
	open my $in, '<', $file or die "$file: $!";
	while (<$in>) {
		next unless /^\s*#\s*include\s*"([^"]+)"/;
		my $header = $1;
		my ($of) = $header =~ m{^([^/]+)/};
		if ($folder eq 'plugins') {
			my ($mine) = $file =~ m{^(plugins/[^/]+)/};
			my $own = $header !~ m{/} || $header =~ m{^\Q$mine\E/};
			push @against, "$file:$.: $header"
			    unless $own || $header eq 'core/sense_plugin.h' || $header =~ m{^proto/};
			next;
		}
		next if !exists $rank{$folder} || $file =~ m{^(core|server)/main\.c$};
		push @against, "$file:$.: $header" if !defined $of || !exists $rank{$of} || $rank{$of} > $rank{$folder};
	}
}
is_deeply(\@against, [], 'includes follow proto <- core <- lua <- server; plugins see sense_plugin.h alone');

my $cc = $ENV{CC} || 'gcc';
my $cflags = `pkg-config --cflags luajit openssl libseccomp msgpack libpq jansson`;
chomp $cflags;
for my $header (grep { /\.h$/ && !m{^plugins/} } @sources) {
	my $out = `$cc -std=gnu11 -Wall -Wextra -Werror -I. -D_GNU_SOURCE $cflags -fsyntax-only -x c $header 2>&1`;
	is($?, 0, "$header compiles alone") or diag($out);
}

my @long = grep { my $n = () = do { local (@ARGV, $/) = $_; <> } =~ /\n/g; $n > 600 } @sources;
is_deeply(\@long, [], 'no file is longer than 600 lines');

my @idle = grep { !-x } glob 't/*/*.t';
is_deeply(\@idle, [], 'each test can be executed, as prove does');

my @marks = grep { !m{^t/02-headers/} } split /\n/, `grep -rlE '\b(TODO|FIXME|XXX|HACK)\b' core lua plugins proto server policies t docs README.md Makefile 2>/dev/null`;
is_deeply([grep { !/\.pcap$|corpus/ } @marks], [], 'nothing is left for later in the sources');

done_testing();
