#!/usr/bin/perl
# What `make install` puts where, and that the program finds the rest from there: nothing of the build folder
# or of the sources is used, and nothing outside DESTDIR is touched.
use strict;
use warnings;
use lib 't/lib';
use Cwd qw(abs_path);
use File::Find ();
use Sense;
use Test::More;

need_agent();
plan skip_all => 'make is not there' if system 'command -v make >/dev/null 2>&1';
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL PREFIX LIBDIR DATADIR MANDIR UNITDIR CONFDIR)};
my $root = temp_dir();

# -o all: what is tested is what was built, whatever it was built with.
sub install { return run([ 'make', '-s', '-o', 'all', 'B=' . build(), @_, 'install' ]) }

sub files {
	my ($dir) = @_;
	my @found;
	File::Find::find({ no_chdir => 1, wanted => sub { push @found, s{^\Q$dir\E}{}r if -f } }, $dir);
	return sort @found;
}

my $run = install("DESTDIR=$root");
is($run->{code}, 0, 'make install') or diag($run->{err});
my @files = files($root);
my @plugins = map { m{([^/]+\.so)$} } glob build() . '/plugins/*.so';
my %there = map { $_ => 1 } @files;
ok($there{$_}, $_)
    for '/usr/local/bin/sense-agent', '/usr/local/share/man/man1/sense-agent.1', '/etc/sense/agent.lua.example',
	'/usr/local/lib/systemd/system/sense-agent.service', '/usr/local/share/sense/policies/catalogue/VERSION',
	map { "/usr/local/lib/sense/plugins/$_" } @plugins;
ok(-d "$root/etc/sense/agent.d", 'the folder of drop-ins');
ok(!$there{'/etc/sense/agent.lua'}, 'no configuration that an update would overwrite');
is_deeply([grep { !m{^/(usr/local|etc/sense)/} } @files], [], 'nothing elsewhere');
is_deeply([grep { (stat "$root$_")[2] & 022 } @files], [], 'nothing that others can write');
is_deeply([grep { !((stat "$root$_")[2] & 04) } @files], [], 'nothing that others cannot read');

# The installed program, in a folder of its own: it must not find anything beside it by chance.
my $agent = "$root/usr/local/bin/sense-agent";
my $capture = abs_path('t/captures/ollama_chat.pcap');
my $installed = run([ 'sh', '-c', 'cd / && exec "$@"', 'sh', $agent, 'replay', '--json', $capture ]);
is($installed->{code}, 0, 'the installed program replays') or diag($installed->{err});
my $built = replay('--json', 't/captures/ollama_chat.pcap');
my @rules = map { [ sort map { $_->{rule} } objects($_) ] } $installed, $built;
cmp_ok(scalar @{ $rules[0] }, '>', 0, 'and finds something');
is_deeply($rules[0], $rules[1], 'by its own plugins, catalogue and policies: what the built one finds');
is(run([ $agent, 'check', "$root/usr/local/share/sense/policies" ])->{code}, 0, 'the installed policies are good');
is(run([ $agent, 'config', '-c', "$root/etc/sense/agent.lua.example" ])->{code}, 0, 'so is the example');

my $unit = slurp("$root/usr/local/lib/systemd/system/sense-agent.service");
is($unit, slurp('contrib/systemd/sense-agent.service'), 'the unit, as it is for /usr/local');

# ---- another place, and once more over the first ----

my $other = temp_dir();
is(install("DESTDIR=$other", 'PREFIX=/opt/sense')->{code}, 0, 'under another prefix');
$unit = slurp("$other/opt/sense/lib/systemd/system/sense-agent.service");
like($unit, qr{^ExecStart=/opt/sense/bin/sense-agent run$}m, 'the unit starts it there');
unlike($unit, qr{/usr/local}, 'and knows no other place');
is(run([ "$other/opt/sense/bin/sense-agent", 'replay', '--json', $capture ])->{code}, 0, 'it replays there, too');
spew("$root/etc/sense/agent.d/mine.lua", "flow = { max = 5000 }\n");
is(install("DESTDIR=$root")->{code}, 0, 'an update');
is_deeply([files($root)], [sort @files, '/etc/sense/agent.d/mine.lua'], 'leaves what was put there');
is(slurp("$root/etc/sense/agent.d/mine.lua"), "flow = { max = 5000 }\n", 'as it was');

done_testing();
