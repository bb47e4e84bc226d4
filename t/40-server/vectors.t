#!/usr/bin/perl
# The golden vectors, as another implementation of MessagePack sees them: what our codecs write it reads as the twin of
# the vector says, and what it writes our codecs take (and write again as the vector is).
use strict;
use warnings;
use Cwd 'abs_path';
use File::Copy 'copy';
use File::Temp 'tempdir';
use Test::More;

my $build = $ENV{SENSE_BUILD} || 'build';
my $vectors = abs_path('t/40-server/vectors');
my @names = map { m{([^/]+)\.hex$} } glob "$vectors/*.hex";
my $tool = abs_path("$build/t/00-unit/proto_vectors");

sub run {
	my ($command) = @_;
	my $out = `$command`;
	return ($? >> 8, $out);
}

# Each vector has a twin, and the tool knows it.
cmp_ok(scalar @names, '>', 20, 'the vectors are found');
is_deeply([grep { !-f "$vectors/$_.json" } @names], [], 'each has a twin');
my ($status, $test) = run($tool);
is($status, 0, 'the codecs write them');
is_deeply([sort $test =~ /^ok \d+ - (\S+) is written/mg], [sort @names], 'all of them');

# The other implementation: the version that package-lock.json pins, in a folder of its own.
my $dir = tempdir(CLEANUP => 1);
my $missing = grep({ system("command -v $_ >/dev/null") } qw(node npm)) ? 'node or npm is not installed' : undef;
if (!$missing) {
	copy("$vectors/$_", "$dir/$_") or die "$_: $!" for qw(package.json package-lock.json check.js);
	my ($failed, $said) = run("cd $dir && timeout 120 npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 "
	    . '--fetch-timeout=20000 --loglevel=error --update-notifier=false 2>&1 </dev/null');
	$missing = "npm could not install it: " . ($said =~ /^(.*\S)/m ? $1 : "status $failed") if $failed;
}

SKIP: {
	skip($missing, 1) if $missing;
	my ($failed, $said) = run("cd $dir && timeout 60 node check.js decode $vectors");
	is($failed, 0, 'they are read');
	my @bad = $said =~ /^(not ok.*)/mg;
	is_deeply(\@bad, [], 'as their twins say') or diag(join "\n", @bad);
	my ($read) = $said =~ /^1\.\.(\d+)/m;
	is($read, 2 * @names - 1, 'each of them');

	($failed, my $written) = run("cd $dir && timeout 60 node check.js encode $vectors");
	is($failed, 0, 'others write messages');
	my @lines = split /\n/, $written;
	my %messages = map { (split / /)[1] => 1 } @lines;
	is(scalar keys %messages, @names - 3, 'each message, that is');
	open my $in, '>', "$dir/lines" or die "$dir/lines: $!";
	print $in map { (split / /, $_, 2)[1] . "\n" } @lines;
	close $in;
	my ($refused, $answers) = run("timeout 60 $tool --accept <$dir/lines");
	my @answers = split /\n/, $answers;
	is($refused, 0, 'the codecs answer');
	is(scalar @answers, scalar @lines, 'every line');

	my %hex;
	for my $name (@names) {
		open my $file, '<', "$vectors/$name.hex" or die "$name: $!";
		local $/;
		$hex{$name} = <$file> =~ s/\s//gr;
	}
	my (@wrong, %count);
	for my $i (0 .. $#lines) {
		my ($expect, $name, $bytes) = split / /, $lines[$i];
		my $got = ($answers[$i] // '') =~ s/^\Q$name\E //r;
		$count{$expect}++;
		push @wrong, "$name, $bytes: $got" if $expect eq 'same' ? $got ne $hex{$name} : $got !~ /^refused: ./;
	}
	is_deeply(\@wrong, [], 'what is right is taken for what it is, what is wrong is refused');
	cmp_ok($count{same}, '>=', 4 * (@names - 3), 'many that are right');
	cmp_ok($count{refused}, '>=', 5 * (@names - 3), 'many that are wrong');
}

done_testing();
