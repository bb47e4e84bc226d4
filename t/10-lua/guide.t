#!/usr/bin/perl
# docs/first-rule.md, followed to the letter: one shell, in an empty directory, with the agent on its PATH
# and the source tree in ~/sense. Files are written as they are shown, commands run in their order, and
# what they print is compared byte by byte. Where the text says that something 'will differ', figures are
# not compared from there to the next paragraph.
#
#   perl -It/lib t/10-lua/guide.t --write    puts what the commands print into the page; read the diff
use strict;
use warnings;
use lib 't/lib';
use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use IPC::Open2;
use Sense;
use Test::More;

my $page = 'docs/first-rule.md';
my $write = @ARGV && $ARGV[0] eq '--write';
need_agent();
my $home = temp_dir();
my $dir = temp_dir();
symlink getcwd, "$home/sense" or die "$home/sense: $!";
delete @ENV{qw(COLUMNS NO_COLOR LC_ALL)};
@ENV{qw(HOME PATH TZ)} = ($home, abs_path(dirname(agent())) . ":$ENV{PATH}", 'UTC');
my $text = slurp($page);

# ---- the reader's shell --------------------------------------------------------------------------------

my $shell = open2(my $answers, my $commands, 'bash', '--noprofile', '--norc');
my $end = "end-of-answer-$$";
print {$commands} "exec 2>&1; cd '$dir'\n";

# The reader looks up from the keyboard when the agent in the background has read all there is.
sub settle {
	my ($packets) = $text =~ /, (\d+) packets, from 1 file/ or die "$page tells of no packets";
	local $ENV{SENSE_CONTROL_SOCKET} = "$dir/agent.sock";
	wait_until(sub { run([agent(), 'status', '--json'])->{out} =~ /"packets":$packets\b/ }, 30)
	    or diag('the agent in the background read nothing: ', slurp("$dir/agent.log"));
}

sub answer_of {
	my ($command) = @_;
	print {$commands} "{ $command\n} </dev/null\nprintf '%s' $end\n";
	$commands->flush;
	my $answer = '';
	while ($answer !~ s/\Q$end\E\z//) {
		sysread $answers, $answer, 65536, length $answer or return "$answer(the shell has ended)";
	}
	settle() if $command =~ /&$/;
	return $answer;
}

# ---- the guide -----------------------------------------------------------------------------------------

sub loose { return $_[0] =~ s/\b\d[\d.,:TZ-]*|\b[0-9a-f]{16}\b/N/gr =~ s/ +/ /gr }

my ($files, $runs, $differs, $made) = (0, 0, 0, '');
for my $part (split /^(```\w*\n.*?^```\n)/ms, $text) {
	if ($part =~ /^```console\n(.*)^```$/ms) {
		$made .= "```console\n";
		for my $run (split /^(?=\$ )/m, $1) {
			my ($command, $want) = $run =~ /^\$ (.*)\n((?s).*)\z/;
			my $got = answer_of($command);
			is($differs ? loose($got) : $got, $differs ? loose($want) : $want, $command) unless $write;
			$made .= "\$ $command\n" . ($differs && loose($got) eq loose($want) ? $want : $got);
			$runs++;
		}
		$made .= "```\n";
		next;
	}
	$made .= $part;
	if ($part =~ /^```lua\n(-- (\S+)\n.*)^```$/ms) {
		make_path(dirname("$dir/$2"));
		spew("$dir/$2", $1);
		$files++;
	} elsif ($part =~ /\S/) {
		$differs = $part =~ /will differ/;
	}
}
close $commands;
waitpid $shell, 0;
spew($page, $made) if $write;
cmp_ok($files, '>=', 3, 'the guide shows its files');
cmp_ok($runs, '>=', 15, '... and its commands');

done_testing;
