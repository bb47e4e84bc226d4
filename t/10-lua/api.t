#!/usr/bin/perl
# The rule API is described once (lua/sense/functions.lua, api.lua, SENSE_FIELDS): what is kept in the tree
# for editors and readers is what the agent says of itself, and what it says is there.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Test::More;

sub text_of {
	my ($path) = @_;
	open my $in, '<', $path or die "$path: $!";
	local $/;
	return scalar <$in>;
}

my $types = run([ agent(), 'api' ]);
is($types->{code}, 0, 'api: exit code');
is($types->{out}, text_of('lua/meta/sense.lua'), 'lua/meta/sense.lua is what the agent says: make docs');
my $reference = run([ agent(), 'api', '--reference' ]);
is($reference->{out}, text_of('docs/reference.md'), 'docs/reference.md is what the agent says: make docs');

# Every function that is described is there, and takes what the description says.
my @functions = $types->{out} =~ /^function ((?:state\.)?\w+)\(/mg;
my %skip = map { $_ => 1 } qw(rule policy test like);
@functions = grep { !$skip{$_} } @functions;
cmp_ok(scalar @functions, '>=', 20, 'functions are described');
my $probe = join '', map { "assert(type($_) == 'function', '$_')\n" } grep { !/^state/ } @functions;
$probe .= 'rule "probe" { title = "t", severity = "info", on = "tls", when = function() return '
	. join(' and ', map { $_ } grep { /^state/ } @functions) . " end }\n";
my $dir = policy($probe, 'probe');
is(run([ agent(), 'check', $dir ])->{out}, "no mistakes: 1 rule in 1 file\n", 'and are there');

# What the description calls a text is refused when it is none, with the line of the policy.
for my $spec ($types->{out} =~ /((?:^---\@param .*\n)+(?:---\@return .*\n)?^function \w+\(.*)/mg) {
	my ($name) = $spec =~ /^function (\w+)\(/m;
	next if $skip{$name};
	my @args = $spec =~ /^---\@param (\w+\??) (\S+)/mg;
	while (my ($arg, $type) = splice @args, 0, 2) {
		next if $type =~ /table|any|fun/;
		my @good = map { 'nil' } 1 .. 4;
		my $at = () = $spec =~ /^---\@param/mg;
		my $place = 0;
		for my $known ($spec =~ /^---\@param (\w+)\??/mg) {
			last if $known eq $arg =~ s/\?//r;
			$place++;
		}
		$good[0] = '"x"' if $place;
		$good[$place] = 'true';
		my $bad = policy("\nlocal x = $name(" . join(', ', @good[0 .. $at - 1]) . ")\n", "bad_$name");
		my $said = run([ agent(), 'check', $bad ])->{err};
		my $plain = $arg =~ s/\?//r;
		like($said, qr/bad_$name\.lua:2: $name: $plain must be .*, not a boolean/, "$name: $plain is checked");
	}
}

# LuaLS reads Lua: the file is whole.
like($types->{out}, qr/^---\@field on sense\.EventName/m, 'keys of a rule have types');
like($types->{out}, qr/^---\@field severity "info"\|"low"\|"medium"\|"high"\|"critical"/m, 'choices are spelt out');
is(scalar(() = $types->{out} =~ /^function /mg), scalar(() = $types->{out} =~ /\) end$/mg), 'functions end');
done_testing;
