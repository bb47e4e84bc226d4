#!/usr/bin/perl
# Where the configuration comes from: the main file, the files beside it in their order, the environment, the
# command line; all mistakes of all of them in one run; and whose files root takes.
use strict;
use warnings;
use lib 't/lib';
use POSIX ();
use Sense;
use Test::More;

need_agent();

sub config { return run([ agent(), 'config', @_ ]) }

# What `config` says of a key: value, origin.
sub shown {
	my ($run, $key) = @_;
	my ($group, $name) = split /\./, $key;
	my ($table) = $run->{out} =~ /^\Q$group\E = \{\n(.*?)^\}/ms;
	return [ ($table // '') =~ /^  \Q$name\E = (.*), -- .* \((.*)\)$/m ];
}

# A folder with a main file and drop-ins: NAME => text.
sub files {
	my ($main, %dropins) = @_;
	my $dir = temp_dir();
	spew("$dir/my.lua", $main) if defined $main;
	mkdir "$dir/my.d" or die $!;
	spew("$dir/my.d/$_", $dropins{$_}) for keys %dropins;
	return $dir;
}

sub refused {
	my ($what, $run, @messages) = @_;
	is($run->{code}, 1, "$what: refused");
	is($run->{out}, '', "$what: nothing is shown");
	like($run->{err}, $_, "$what: says so") for @messages;
}

# ---- one over the other ----

my $dir = files("flow = { max = 2000 }\nlog = { level = 'warn' }\nnames = { cache = 1 }\n",
	'10-first.lua' => "flow = { max = 3000 }\nnames = { cache = 2 }\n",
	'9-second.lua' => "names = { cache = 3 }\n",
	'Z.lua' => "activity = { entries = 300 }\n",
	'a.lua' => "activity = { entries = 400 }\n",
	'.hidden.lua' => "names = { cache = 4 }\n", 'b.lua~' => 'not Lua', 'b.txt' => 'not Lua', '.lua' => 'not Lua');
my $run = config('-c', "$dir/my.lua");
is($run->{code}, 0, 'a file and its drop-ins');
is_deeply(shown($run, 'log.level'), ['"warn"', "$dir/my.lua"], 'of the file alone');
is_deeply(shown($run, 'flow.max'), ['3000', "$dir/my.d/10-first.lua"], 'a drop-in is over the file');
is_deeply(shown($run, 'names.cache'), ['3', "$dir/my.d/9-second.lua"], 'a later one is over an earlier');
is_deeply(shown($run, 'activity.entries'), ['400', "$dir/my.d/a.lua"], 'in the order of bytes: Z before a');
is_deeply(shown($run, 'state.entries'), ['32768', 'default'], 'what nobody sets');
{
	local $ENV{SENSE_NAMES_CACHE} = '5';
	local $ENV{LC_ALL} = 'en_US.UTF-8';
	$run = config('-c', "$dir/my.lua", '--set', 'flow.max=6000');
	is_deeply(shown($run, 'names.cache'), ['5', 'environment SENSE_NAMES_CACHE'], 'the environment is over them');
	is_deeply(shown($run, 'flow.max'), ['6000', 'command line'], 'the command line over all');
	is_deeply(shown($run, 'activity.entries')->[0], '400', 'whatever the locale');
}
spew("$dir/plain", "flow = { max = 7000 }\n");
mkdir "$dir/plain.d" or die $!;
spew("$dir/plain.d/x.lua", "names = { cache = 7 }\n");
$run = config('-c', "$dir/plain");
is(shown($run, 'names.cache')->[0], 7, 'a file without an ending has its drop-ins in FILE.d');
unlink "$dir/plain.d/x.lua";
rmdir "$dir/plain.d";
is(config('-c', "$dir/plain")->{code}, 0, 'no drop-ins are needed');
symlink "$dir/plain", "$dir/link.lua" or die $!;
mkdir "$dir/real" or die $!;
spew("$dir/real/x.lua", "names = { cache = 8 }\n");
symlink "$dir/real", "$dir/link.d" or die $!;
symlink "$dir/my.d/Z.lua", "$dir/real/y.lua" or die $!;
$run = config('-c', "$dir/link.lua");
is_deeply([map { shown($run, $_)->[0] } qw(flow.max names.cache activity.entries)], [7000, 8, 300],
	'links are followed: of the file, the folder, a drop-in');
is(shown($run, 'names.cache')->[1], "$dir/link.d/x.lua", 'and called by the name they were found under');

# ---- all that is wrong, at once ----

$dir = files("flow = { maxx = 1 }\n", '1.lua' => "names = {\n  cache = 'many' }\n", '2.lua' => "flow = = 1\n",
	'3.lua' => 'x' x ((1 << 20) + 1), '5.lua' => "logg = 1\n");
POSIX::mkfifo("$dir/my.d/4.lua", 0600) or die $!;
mkdir "$dir/my.d/6.lua" or die $!;
symlink 'nowhere', "$dir/my.d/7.lua" or die $!;
symlink '8.lua', "$dir/my.d/8.lua" or die $!;
{
	local $ENV{SENSE_LOG_LEVEL} = 'loud';
	refused('mistakes in many places', config('-c', "$dir/my.lua", '--set', 'flow.max=1'),
		qr{^\Q$dir\E/my\.lua:1: flow\.maxx: unknown key, did you mean 'flow\.max'}m,
		qr{^\Q$dir\E/my\.d/1\.lua:2: names\.cache: 'many' is not a whole number}m,
		qr{^\Q$dir\E/my\.d/2\.lua:1: .*unexpected symbol}m, qr{^\Q$dir\E/my\.d/3\.lua: larger than 1024 KiB}m,
		qr{^\Q$dir\E/my\.d/4\.lua: not a regular file}m, qr{^\Q$dir\E/my\.d/5\.lua:1: logg: unknown key}m,
		qr{^\Q$dir\E/my\.d/6\.lua: not a regular file}m, qr{^\Q$dir\E/my\.d/7\.lua: .*No such file}m,
		qr{^\Q$dir\E/my\.d/8\.lua: .*symbolic links}m, qr{^SENSE_LOG_LEVEL: 'loud'}m,
		qr{^flow\.max: '1' is out of range}m);
}
$dir = files(undef, 'x.lua' => "flow = { maxx = 1 }\n");
refused('a main file that is not there', config('-c', "$dir/my.lua"), qr{/my\.lua: .*No such file}, qr{x\.lua:1: });
$dir = files('', map { sprintf('%03d.lua', $_) => "flow = { max = 2000 }\n" } 1 .. 64);
is(config('-c', "$dir/my.lua")->{code}, 0, '64 drop-ins');
spew("$dir/my.d/999.lua", '');
refused('one more', config('-c', "$dir/my.lua"), qr{^\Q$dir\E/my\.d: more than 64 files}m);
$dir = files('', 'whole.lua' => '-' x ((1 << 20) - 24) . "\nflow = { max = 2000 }\n\n");
is(shown(config('-c', "$dir/my.lua"), 'flow.max')->[0], 2000, 'a file of 1 MiB');
$dir = files('', "a\nb\xff.lua" => "flow = { maxx = 1 }\n");
refused('a name with a newline', config('-c', "$dir/my.lua"), qr{flow\.maxx: unknown key});
$dir = files('');
rmdir "$dir/my.d" or die $!;
spew("$dir/my.d", '');
is(config('-c', "$dir/my.lua")->{code}, 0, 'a file where the folder would be is not the folder');

# ---- whose files ----

SKIP: {
	skip 'only root is particular', 16 if $>;
	my $other = 65534;
	$dir = files("names = { cache = 1 }\n", 'x.lua' => "names = { cache = 2 }\n");
	my $file = "$dir/my.lua";
	is(config('-c', $file)->{code}, 0, 'files of root');
	my @cases = (
		['a file that all can write', "$dir/my.d/x.lua", sub { chmod 0646, $_[0] }, qr{x\.lua: others can write.*chmod go-w}],
		['a file that a group can write', $file, sub { chmod 0664, $_[0] }, qr{my\.lua: others can write}],
		['a file of another user', $file, sub { chown $other, 0, $_[0] }, qr{my\.lua: belongs to another user; chown root}],
		['a folder that all can write', "$dir/my.d", sub { chmod 0777, $_[0] }, qr{my\.d: others can write}],
		['a folder above that all can write', $dir, sub { chmod 0777, $_[0] }, qr{\Q$dir\E: others can write}]);
	for my $case (@cases) {
		my ($what, $path, $spoil, $message) = @$case;
		my ($mode, $uid, $gid) = (stat $path)[2, 4, 5];
		$spoil->($path);
		refused("to root, $what", config('-c', $file), qr{refused as root: \S*$message});
		chmod $mode & 07777, $path;
		chown $uid, $gid, $path;
	}
	chmod 01777, $dir;
	is(config('-c', $file)->{code}, 0, 'a folder like /tmp will do');
	chmod 0755, $dir;
	my $theirs = temp_dir();
	spew("$theirs/y.lua", "names = { cache = 3 }\n");
	chmod 0777, $theirs;
	symlink "$theirs/y.lua", "$dir/my.d/y.lua" or die $!;
	refused('to root, a link to where others write', config('-c', $file), qr{refused as root: \Q$theirs\E: others});
}
SKIP: {
	my $user = unprivileged();
	skip 'nobody to be', 3 unless defined $user && !$>;
	$dir = files("names = { cache = 1 }\n", 'x.lua' => "names = { cache = 2 }\n");
	chmod 0666, "$dir/my.lua";
	is(run([ agent(), 'config', '-c', "$dir/my.lua" ], user => $user)->{code}, 0, 'others are not particular');
	chmod 0600, "$dir/my.d/x.lua";
	refused('what they cannot read', run([ agent(), 'config', '-c', "$dir/my.lua" ], user => $user),
		qr{x\.lua: .*Permission denied});
}

# ---- a file to begin with ----

my $example = run([ agent(), 'config', '--example' ]);
is($example->{code}, 0, 'config --example');
$dir = files($example->{out});
$run = config('-c', "$dir/my.lua");
is($run->{out}, config('--set', 'log.level=info')->{out} =~ s/\(command line\)/(default)/r, 'sets nothing by itself');
(my $taken = $example->{out}) =~ s/^  -- (\w+ = .*,)$/  $1/mg;
$dir = files($taken);
$run = config('-c', "$dir/my.lua");
is($run->{code}, 0, 'with every setting taken out of its comment it loads');
unlike($run->{out}, qr/\(default\)/, 'and has them all');
{
	local $ENV{SENSE_LOG_LEVEL} = 'loud';
	is(run([ agent(), 'config', '--example' ])->{code}, 0, 'it is there when the configuration at hand is wrong');
}

done_testing();
