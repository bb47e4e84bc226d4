#!/usr/bin/perl
# Scripts that mean harm (t/hostile), one trick each, beside an innocent rule: each comes to the end that
# its `expect` line names, is named itself, and takes nothing from the innocent rule but what a killed
# worker had in hand, which is counted.
#
#   -- expect: KIND|KIND: part of the message      KIND is one of
#   soft      ended by the soft limit              hard      the worker was replaced, the rule quarantined
#   memory    ended by the memory limit            error     an error with that message
#   refused   the file does not load               harmless  runs, and finds
#
# Where several kinds stand, it is the machine or the build that decides between them.
use strict;
use warnings;
use File::Basename qw(basename);
use File::Copy qw(copy);
use lib 't/lib';
use Sense;
use Test::More;

need_agent();
my $capture = captures() . '/mix_all.pcap';
my (%script, %outcome, %call, %cpu);
for my $file (sort glob 't/hostile/*.lua') {
	my $name = basename($file, '.lua');
	my ($trick, $kinds, $message) = slurp($file) =~ /\A-- (\S.*)\n-- expect: ([a-z|]+)(?:: *(.*))?\n/
	    or BAIL_OUT("$file does not begin with its trick and what is expected");
	$script{$name} = { file => $file, kinds => { map { $_ => 1 } split /\|/, $kinds }, message => $message // '' };
}
cmp_ok(scalar keys %script, '>=', 60, keys(%script) . ' scripts');
is_deeply([grep { !/^(?:soft|hard|memory|error|refused|harmless)$/ } map { keys %{ $_->{kinds} } } values %script],
	[], 'of known kinds');

my $innocent = <<'END';
local seen = 0
rule "test.innocent" {
  title = "innocent", severity = "low", on = "flow.classified", match = { l4 = { 6, 17 } },
  when = function(flow) seen = seen + 1 return flow.dst_ip ~= nil and seen > 0 end,
  finding = function(flow)
    return { summary = ("%s to %s"):format(flow.src_ip, flow.host or "?"), details = { port = flow.dst_port } }
  end,
}
END

sub folder {
	my $dir = policy($innocent, 'innocent');
	copy($script{$_}{file}, "$dir/$_.lua") or die "$_: $!" for @_;
	return $dir;
}

# What the innocent rule found, as one text each.
sub innocent_of {
	my ($run) = @_;
	return map { "$_->{source_ip}:$_->{source_port} $_->{dest_ip}:$_->{dest_port} $_->{summary}" }
	    grep { $_->{rule} eq 'test.innocent' } objects($run);
}

# A virtual machine is charged for what its host does meanwhile, at times more than a whole limit: a run in
# which that befell the innocent rule tells nothing about the script beside it, and is made again.
sub try {
	my $run;
	for my $attempt (1 .. 5) {
		$run = replay('--policies', folder(@_), '--json', '--stats', $capture);
		last unless grep { /rule "test\.innocent".*ran longer than its limit/ } problems($run);
		diag("@_: the innocent rule was charged with more than its limit, attempt $attempt");
	}
	return $run;
}

my $alone = try();
is($alone->{code}, 0, 'the innocent rule by itself');
my %expected = map { $_ => 1 } innocent_of($alone);
cmp_ok(scalar keys %expected, '>', 20, 'finds something');

# ---- the end that one script came to ----
sub outcome_of {
	my ($name, $run) = @_;
	my ($stats, $id) = (stats($run), "hostile.$name");
	my ($said) = grep { /rule "?\Q$id\E\b/ } problems($run);
	$said //= '';
	return ('hard', $said) if $stats->{"rule_quarantined.$id"};
	if ($stats->{"rule_errors.$id"}) {
		return ('soft', $said) if $said =~ /ran longer than its limit/;
		return ('memory', $said) if $said =~ /more memory than its limit/;
		return ('error', $said);
	}
	return ('harmless', $said);
}

sub judge {
	my ($name, $run) = @_;
	my $script = $script{$name};
	my ($kind, $said) = outcome_of($name, $run);
	$outcome{$name} = $kind;
	$call{$name} = $1 if $said =~ /one call took (\d+) ms/;
	my $good = $script->{kinds}{$kind};
	# A sanitizer makes all code slow: the limit on time may come before the error.
	$good ||= is_sanitized() && $kind eq 'soft' && $script->{kinds}{error};
	$good &&= index($said, $script->{message}) >= 0 if $kind eq 'error';
	ok($good, "$name: $kind") or diag("expected @{[sort keys %{$script->{kinds}}]} '$script->{message}', said: $said");
}

# What the innocent rule found is what it finds alone, but for what is counted as lost.
sub unharmed {
	my ($what, $run) = @_;
	my $stats = stats($run);
	my %found;
	$found{$_}++ for innocent_of($run);
	my @missing = grep { !$found{$_} } keys %expected;
	my $lost = $stats->{flows_lost} + $stats->{packets_lost};
	ok(!$run->{timeout}, "$what: comes to an end");
	is($stats->{restarts}, $stats->{rules_quarantined}, "$what: workers are replaced for rules alone");
	if ($stats->{restarts}) {
		is($run->{code}, 1, "$what: exit code 1");
		cmp_ok(scalar @missing, '<=', $lost, "$what: what is missing was counted as lost");
	} else {
		is($run->{code}, 0, "$what: exit code 0");
		is_deeply([\@missing, [grep { $found{$_} != 1 || !$expected{$_} } keys %found]], [[], []],
			"$what: the innocent rule finds what it finds alone");
	}
	ok(!$stats->{'rule_errors.test.innocent'}, "$what: the innocent rule never fails");
	is($stats->{packets}, stats($alone)->{packets}, "$what: all packets are read");
	unlike($run->{out} . $run->{err}, qr/[\x00-\x09\x0b-\x1f\x7f]/, "$what: no control character gets out");
}

# ---- files that do not load ----
my @refused = grep { $script{$_}{kinds}{refused} } sort keys %script;
{
	my $dir = temp_dir();
	copy($script{$_}{file}, "$dir/$_.lua") or die "$_: $!" for @refused;
	my $run = run([agent(), 'check', $dir]);
	is($run->{code}, 1, 'check refuses them');
	my @said = split /\n/, $run->{err};
	for my $name (@refused) {
		my ($line) = grep { m{/\Q$name\E\.lua[: ]} && index($_, $script{$name}{message}) >= 0 } @said;
		$outcome{$name} = $line ? 'refused' : '?';
		ok($line, "$name: refused") or diag(grep { m{/\Q$name\E\.lua[: ]} } map { "$_\n" } @said);
	}
	$run = try(@refused);
	is("$run->{code} $run->{out}", '1 ', 'and a replay evaluates nothing');
}

# ---- those that cost no worker, all in one; the others one by one ----
my @others = grep { !$script{$_}{kinds}{refused} } sort keys %script;
my @together = grep { !$script{$_}{kinds}{hard} && !$script{$_}{kinds}{memory} } @others;
my $run = try(@together);
judge($_, $run) for @together;
unharmed('all that cost no worker', $run);
for my $name (grep { $script{$_}{kinds}{hard} || $script{$_}{kinds}{memory} } @others) {
	$run = try($name);
	judge($name, $run);
	$cpu{$name} = 1000 * (stats($run)->{cpu_seconds} - stats($alone)->{cpu_seconds});
	unharmed($name, $run);
}

# CPU time in ms: of the call when it was ended, and in all what the script cost, the new worker included.
my $row = '%-28s %-24s %-10s %5s %5s';
note(sprintf $row, qw(script expected outcome call all));
note(sprintf $row, $_, join('|', sort keys %{ $script{$_}{kinds} }), $outcome{$_}, $call{$_} // '',
	defined $cpu{$_} ? sprintf '%.0f', $cpu{$_} : '') for sort keys %script;
done_testing;
