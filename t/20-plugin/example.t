#!/usr/bin/perl
# The example of docs/plugins.md builds with a bare compiler, loads, and gives what it says.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $build = $ENV{SENSE_BUILD} // 'build';
my $agent = "$build/sense-agent";
plan skip_all => "$agent is not built" unless -x $agent;
my $dir = tempdir(CLEANUP => 1);
my $cc = $ENV{CC} || 'cc';

sub build {
	my ($to) = @_;
	my $out = `$cc -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -I. -o $to contrib/example-plugin/lookups.c 2>&1`;
	is($?, 0, "$to is built") or BAIL_OUT($out);
}

sub replay {
	my ($input, $options) = @_;
	open my $names, '>', "$dir/names" or die $!;
	print $names $input;
	close $names;
	my $out = `$agent replay --set plugins.dir=$dir --set catalogue.dir=policies/catalogue --policies policies $options $dir/names 2>$dir/err`;
	my $code = $? >> 8;
	open my $err, '<', "$dir/err" or die $!;
	local $/;
	return ($code, [map { decode_json($_) } grep { /\S/ } split /\n/, $out], scalar <$err>);
}

build("$dir/pcap.so");
symlink abs_path("$build/plugins/ndpi.so"), "$dir/ndpi.so" or die $!;

my ($code, $findings, $err) = replay("claude.ai\nexample.com\nxclaude.ai\n", '--json --stats');
is($code, 0, 'a list of names is read to its end') or diag($err);
is(scalar @$findings, 1, 'one of three names is that of an AI service');
is($findings->[0]{rule}, 'ai.dns.name', 'it is a look-up');
is($findings->[0]{host}, 'claude.ai', 'of the name that was given');
is($findings->[0]{source_ip}, '192.0.2.1', 'by the address that the plugin writes');
like($err, qr/^packets: 3$/m, 'a packet a name');
like($err, qr/^dns_messages: 3$/m, 'each is a DNS message');

my $many = join '', map { "host$_.example\n" } 1 .. 5000;
($code, $findings, $err) = replay($many, '--json --stats');
is($code, 0, 'more names than one read gives');
like($err, qr/^packets: 5000$/m, 'all are given out');

($code, $findings, $err) = replay("claude.ai\nnot..a.name\nchatgpt.com\n", '--json');
is($code, 1, 'a bad line is a fault');
like($err, qr/line 2 is not a host name/, 'it is named');
is(scalar @$findings, 1, 'what came before it is found');

# The version is looked at before anything else.
open my $wrong, '>', "$dir/wrong.c" or die $!;
print $wrong "#include <stdint.h>\n__attribute__((visibility(\"default\"))) extern const uint32_t sense_plugin_abi;\nconst uint32_t sense_plugin_abi = 9u << 16;\n";
close $wrong;
is(system("$cc -fPIC -shared -o $dir/pcap.so $dir/wrong.c"), 0, 'a plugin of another version is built');
($code, $findings, $err) = replay("claude.ai\n", '--json');
is($code, 1, 'it is refused');
like($err, qr{\Q$dir\E/pcap\.so: plugin interface version 9\.0 found, 1\.\d+ wanted}, 'with path and both versions');

done_testing;
