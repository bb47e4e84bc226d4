#!/usr/bin/perl
# Bad captures, policies, settings, plugins and catalogues: one clear message that names the file,
# exit code 1, and what was found until then.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my $dir = temp_dir();
my $mix = captures() . '/mix_all.pcap';
my $good = captures() . '/ollama_chat.pcap';
my $found = replay('--json', $good)->{out};

# The bad capture stands first: what comes after it is read all the same.
sub bad_capture {
	my ($what, $file, $says, $with) = @_;
	my $run = replay('--json', $file, $good, $with // {});
	is($run->{code}, 1, "$what: exit code 1");
	my @problems = problems($run);
	is(scalar @problems, 1, "$what: one message") or diag(explain(\@problems));
	like($problems[0] // '', $says, "$what: that says what");
	like($problems[0] // '', qr/\Q$file\E/, "$what: and where") unless $file eq '-';
	is($run->{out}, $found, "$what: the other capture is read");
}

# ---- captures ----
bad_capture('an empty file', spew("$dir/empty.pcap", ''), qr/is empty/);
bad_capture('a text', spew("$dir/text.pcap", "no capture at all\n" x 50), qr/not a capture/);
bad_capture('two bytes', spew("$dir/two.pcap", "\xd4\xc3"), qr/not a capture|ends/);
bad_capture('half a file header', spew("$dir/head.pcap", substr slurp($mix), 0, 12),
	qr/ends in the|truncated|header/);
bad_capture('gzip', spew("$dir/mix.pcap.gz", "\x1f\x8b\x08\0" . 'x' x 100), qr/gzip.*gunzip -c/);
bad_capture('a directory', $dir, qr/Is a directory/);
bad_capture('a missing file', "$dir/absent.pcap", qr/No such file/);
bad_capture('an empty stdin', '-', qr/stdin: is empty/, { stdin => "$dir/empty.pcap" });
my $broken = slurp($good);
substr $broken, 24 + 8, 4, pack 'V', 0x7fffffff;
bad_capture('a packet of 2 GB', spew("$dir/huge.pcap", $broken), qr/offset 24 claims 2147483647 bytes/);
bad_capture('an unknown link type', pcap_write("$dir/link.pcap", [ether('x' x 60)], link => 9999),
	qr/link type.*9999/);

SKIP: {
	my $uid = unprivileged();
	skip 'nobody without privileges can run the agent', 5 unless defined $uid;
	my $file = spew("$dir/secret.pcap", slurp($good));
	chmod 0, $file;
	bad_capture('an unreadable file', $file, qr/Permission denied/, $> ? {} : { user => $uid });
}

# A capture that ends in the middle of a packet: all whole packets count.
my $bytes = slurp($mix);
my $half = spew("$dir/half.pcap", substr $bytes, 0, int(length($bytes) / 2) + 7);
my $run = replay('--json', '--stats', $half);
is($run->{code}, 1, 'a truncated capture: exit code 1');
like(join("\n", problems($run)), qr/\Q$half\E: .*(?:ends|truncated)/, 'the message names it');
is(scalar problems($run), 1, 'once');
cmp_ok(scalar objects($run), '>=', 5, 'what was found before is printed');
is(stats($run)->{packets}, scalar(pcap_read($half)), 'every whole packet was counted');
is(stats($run)->{failures}, 1, '--stats counts the failure');

# All of them are bad: nothing hides behind the first.
$run = replay('--json', "$dir/empty.pcap", "$dir/absent.pcap", "$dir/text.pcap");
is($run->{code}, 1, 'only bad captures: exit code 1');
is(scalar problems($run), 3, 'a message for each');
is($run->{out}, '', 'and no output');

# ---- policies ----
sub bad_policy {
	my ($what, $text, @says) = @_;
	my $policies = policy($text, 'wrong');
	for my $run (replay('--json', '--policies', $policies, $mix), run([ agent(), 'check', $policies ])) {
		is($run->{code}, 1, "$what: exit code 1");
		is($run->{out}, '', "$what: nothing is evaluated");
		my $text = join "\n", problems($run);
		like($text, $_, "$what: the message says so") for @says;
		unlike($text, qr/stack traceback|\[string/, "$what: in words for people");
	}
}
my $rule = 'title = "t", severity = "low", on = "flow.end"';
bad_policy('a syntax error', qq(rule "test.a" {\n  title = = "t" }\n), qr{wrong\.lua:2: });
bad_policy('an unknown key', qq(\nrule "test.a" { $rule, throtle = {} }\n),
	qr/wrong\.lua:2\b.*test\.a/, qr/throtle/, qr/did you mean 'throttle'/);
bad_policy('an unknown field', qq(rule "test.a" { $rule, match = { hots = "x" } }\n),
	qr/wrong\.lua:1/, qr/hots/, qr/did you mean 'host'/);
bad_policy('an unknown severity', qq(rule "test.a" { title = "t", severity = "hihg", on = "flow.end" }\n),
	qr/did you mean 'high'/);
bad_policy('an unknown event', qq(rule "test.a" { title = "t", severity = "low", on = "flow.ends" }\n),
	qr/did you mean 'flow\.end'/);
bad_policy('a duplicate rule id',
	qq(rule "test.a" { $rule }\nrule "test.b" { $rule }\nrule "test.a" { $rule }\n),
	qr/wrong\.lua:3\b.*test\.a.*already used at .*wrong\.lua:1/);
bad_policy('a missing title', qq(rule "test.a" { severity = "low", on = "flow.end" }\n), qr/title/);
bad_policy('two errors', qq(rule "test.a" { $rule, tgas = {} }\nrule "test.b" { $rule, acton = "alert" }\n),
	qr/wrong\.lua:1\b.*did you mean 'tags'/, qr/wrong\.lua:2\b.*did you mean 'action'/);
bad_policy('bytecode', "\x1bLJ\x02\0\0", qr/wrong\.lua/);
bad_policy('an endless loop among the declarations', qq(while true do end\n), qr/wrong\.lua: ran longer than its limit/);
bad_policy('an error at load', qq(local t = nil\nlocal x = t.x\n), qr/wrong\.lua:2/);

# Two files, an error in each.
my $two = policy(qq(rule "test.a" { $rule, tgas = {} }\n), 'one');
policy(qq(rule "test.b" { $rule, acton = "alert" }\n), 'two', $two);
my $text = join "\n", problems(replay('--policies', $two, $mix));
like($text, qr/one\.lua:1.*\n(?:.*\n)*.*two\.lua:1/, 'errors of several files come in one run');

$run = replay('--policies', "$dir/nowhere", $mix);
is($run->{code}, 1, 'a missing policy folder: exit code 1');
like(join("\n", problems($run)), qr{\Q$dir\E/nowhere: No such file|\Q$dir\E/nowhere}, 'it is named');

# ---- settings ----
sub bad_setting {
	my ($what, $says, @args) = @_;
	my $run = replay('--json', @args, $mix);
	is($run->{code}, 1, "$what: exit code 1");
	is($run->{out}, '', "$what: nothing is run");
	like(join("\n", problems($run)), $says, "$what: the message says so");
}
bad_setting('an unknown key', qr/flow\.mx.*did you mean 'flow\.max'/, '--set', 'flow.mx=5000');
bad_setting('a word for a number', qr/flow\.max.*'many' is not a whole number/, '--set', 'flow.max=many');
bad_setting('out of range', qr/flow\.max.*out of range: 1024 to 16777216/, '--set', 'flow.max=1');
bad_setting('a size', qr/rules\.memory.*'much' is not a size such as/, '--set', 'rules.memory=much');
bad_setting('a choice', qr/log\.level.*'loud' is not one of: error warn info debug/,
	'--set', 'log.level=loud');
bad_setting('two at once', qr/flow\.mx.*\n(?:.*\n)*.*log\.level/,
	'--set', 'flow.mx=1', '--set', 'log.level=loud');
spew("$dir/agent.lua", "flow = {\n  max = 5000,\n  idle_timeot = '2m',\n}\n");
bad_setting('a configuration file', qr/\Q$dir\E\/agent\.lua.*idle_timeot.*did you mean 'flow\.idle_timeout'/s,
	'-c', "$dir/agent.lua");
bad_setting('a missing configuration file', qr/\Q$dir\E\/none\.lua.*No such file/, '-c', "$dir/none.lua");
{
	local $ENV{SENSE_FLOW_MAX} = 'plenty';
	bad_setting('the environment', qr/SENSE_FLOW_MAX.*'plenty' is not a whole number/);
}

# ---- plugins ----
bad_setting('a missing plugin', qr{'pcap'.*\Q$dir\E/none/pcap\.so.*No such file},
	'--set', "plugins.dir=$dir/none");

sub plugin_refused {
	my ($what, $source, @says) = @_;
	my $folder = temp_dir();
	spew("$folder/pcap.c", $source);
	my $built = run(['/usr/bin/env', qw(cc -shared -fPIC -w -I.), '-o', "$folder/pcap.so", "$folder/pcap.c"]);
	is($built->{code}, 0, "$what: the plugin is built") or diag($built->{err});
	bad_setting($what, $_, '--set', "plugins.dir=$folder") for map { qr/\Q$folder\E\/pcap\.so.*$_/ } @says;
}
SKIP: {
	skip 'there is no compiler', 1 if run(['/usr/bin/env', qw(cc --version)])->{code};
	# An object for another program must be refused before anything of it is looked at.
	my $head = qq(#include "core/sense_plugin.h"\n#define PUBLIC __attribute__((visibility("default")))\n);
	my $table = 'PUBLIC const struct sense_plugin sense_plugin = '
	    . '{ .size = sizeof sense_plugin, .name = "pcap" };';
	my $version = 'PUBLIC const uint32_t sense_plugin_abi';
	plugin_refused('a newer major version', "$head$version = (SENSE_ABI_MAJOR + 1) << 16;\n$table\n",
		qr/version 2\.0 found, 1\.3 wanted/);
	plugin_refused('a newer minor version', "$head$version = SENSE_PLUGIN_ABI + 1;\n$table\n",
		qr/version 1\.4 found, 1\.3 wanted/);
	plugin_refused('a shared object that is no plugin', "int something;\n", qr/no symbol sense_plugin_abi/);
	plugin_refused('a plugin without its table', "$head$version = SENSE_PLUGIN_ABI;\n",
		qr/sense_plugin is missing/);
}

# ---- the catalogue ----
sub catalogue_with {
	my ($file, $change) = @_;
	my $folder = temp_dir();
	for (qw(VERSION services.tsv runtimes.tsv wire.tsv)) {
		my $text = slurp("policies/catalogue/$_");
		$text = $change->($text) if $_ eq $file;
		spew("$folder/$_", $text);
	}
	return $folder;
}
sub bad_catalogue {
	my ($what, $file, $line, $says, $change) = @_;
	my $folder = catalogue_with($file, $change);
	bad_setting($what, qr/\Q$folder\/$file\E:$line: .*$says/, '--set', "catalogue.dir=$folder");
}
# Changes the fifth line.
sub row {
	my ($from, $to) = @_;
	return sub {
		my @lines = split /^/, $_[0];
		$lines[4] =~ s/$from/$to/ or die "line 5 has no $from";
		return join '', @lines;
	};
}
my $copied = 'catalogue.dir=' . catalogue_with('', undef);
is(replay('--json', '--set', $copied, $good)->{out}, $found, 'a copied catalogue is good');
bad_catalogue('a row with a field too few', 'services.tsv', 5, qr/9 fields, expected 10/,
	row(qr/\t[^\t]*$/, "\n"));
bad_catalogue('a row with an unknown match', 'services.tsv', 5, qr/'sufix'.*did you mean 'suffix'/,
	row(qr/\tsuffix\t/, "\tsufix\t"));
bad_catalogue('a row with an unknown grade', 'services.tsv', 5, qr/'Z'/, row(qr/\tB\t/, "\tZ\t"));
bad_catalogue('a missing column', 'services.tsv', 2, qr/column/, sub { $_[0] =~ s/\tvendor\t/\t/r });
bad_catalogue('another format', 'VERSION', 1, qr/catalogue of format 99/, sub { $_[0] =~ s/^\d+/99/r });

done_testing;
