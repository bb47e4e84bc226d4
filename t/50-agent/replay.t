#!/usr/bin/perl
# replay: the fields of findings and flows and their types, several files, stdin, --stats, and that
# the same input gives the same output.
use strict;
use warnings;
use lib 't/lib';
use B ();
use POSIX ();
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my $mix = captures() . '/mix_all.pcap';
my $dir = temp_dir();

# What a JSON value was: number, text, true/false, null, list, object.
sub kind {
	my ($value) = @_;
	return 'null' unless defined $value;
	return { ARRAY => 'list', HASH => 'object' }->{ ref $value } // 'bool' if ref $value;
	my $flags = B::svref_2object(\$value)->FLAGS;
	return $flags & (B::SVf_IOK | B::SVf_NOK) && !($flags & B::SVf_POK) ? 'number' : 'text';
}

# The schema: name => kinds it may have. Each object has all the names and no other.
sub conforms {
	my ($what, $schema, @objects) = @_;
	my %bad;
	for my $object (@objects) {
		$bad{"the fields @{[sort keys %$object]}"}++ if "@{[sort keys %$object]}" ne "@{[sort keys %$schema]}";
		for (grep { exists $object->{$_} } keys %$schema) {
			my $kind = kind($object->{$_});
			$bad{"$_ is of kind $kind"}++ if $kind !~ /^(?:$schema->{$_})$/;
		}
	}
	is_deeply([sort keys %bad], [], $what);
}

# ---- findings ----
my $run = replay('--json', $mix);
is($run->{code}, 0, 'a replay succeeds');
is($run->{err}, '', 'without a message');
my @findings = objects($run);
cmp_ok(scalar @findings, '>=', 20, 'findings are printed, one a line');
conforms('a finding has the fields of the schema in their types', {
	id => 'text', timestamp => 'text', type => 'text', severity => 'text', rule => 'text', policy => 'text',
	source_ip => 'text', source_port => 'number', dest_ip => 'text', dest_port => 'number',
	host => 'text|null', service => 'text|null', category => 'text|null', confidence => 'number',
	evidence => 'list', process => 'text|null', user => 'text|null', summary => 'text', details => 'object',
	tags => 'list', action => 'text',
}, @findings);
for my $finding (@findings) {
	my $bad = join ' ', grep { !defined $finding->{$_} || $finding->{$_} !~ /./ } qw(rule policy type summary);
	fail("finding without $bad") if $bad;
}
is_deeply([grep { $_->{severity} !~ /^(?:info|low|medium|high|critical)$/ } @findings], [],
	'severities are words');
my $uuid = qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
is_deeply([grep { $_->{id} !~ $uuid } @findings], [], 'ids are UUIDs of version 7');
my %ids = map { $_->{id} => 1 } @findings;
is(scalar keys %ids, scalar @findings, 'each is its own');
my ($openai) = grep { ($_->{host} // '') eq 'api.openai.com' && $_->{type} eq 'service' } @findings;
is($openai->{service}, 'openai-api', 'a finding names its service');
is($openai->{category}, 'api', 'and its category');
like($openai->{timestamp}, qr/^2026-11-22T\d\d:\d\d:\d\d\.\d{6}Z$/, 'and its time in the capture');
like("@{$openai->{evidence}}", qr/^sni:api\.openai\.com /, 'and its evidence');

# ---- rules that only observe ----
my $watching = policy(q(rule "test.watch" {
	title = "t", severity = "low", on = "flow.end", action = "observe" }));
$run = replay('--policies', $watching, '--json', '--stats', $mix);
is($run->{out}, '', 'what a rule only observes is not printed');
is(join('/', @{ stats($run) }{qw(findings observed)}), '0/39', 'but counted');
is(join(' ', map { $_->{action} } objects(replay('--policies', $watching, '--json', '--observed', $mix))),
	join(' ', ('observe') x 39), 'and printed on demand');

# ---- flows ----
my %flow = (
	src_ip => 'text', src_port => 'number', dst_ip => 'text', dst_port => 'number', l4 => 'number',
	vlan => 'number', first_ts => 'number', last_ts => 'number', packets_up => 'number',
	packets_down => 'number', bytes_up => 'number', bytes_down => 'number', ndpi_master => 'text|null',
	ndpi_app => 'text', host => 'text|null', alpn => 'text|null', ja3 => 'text|null', ja4 => 'text|null',
	tls_version => 'text|null', quic => 'bool', http_method => 'text|null', http_path => 'text|null',
	user_agent => 'text|null', service => 'text|null', service_category => 'text|null', process => 'text|null',
	host_source => 'text|null', hello => 'text|null',
);
$run = replay('--flows', $mix);
my @flows = objects($run);
is(scalar @flows, 39, '--flows prints each flow');
conforms('a flow has the fields of the schema in their types', \%flow, @flows);
is_deeply([grep { $_->{first_ts} > $_->{last_ts} || $_->{first_ts} < 1_700_000_000_000_000 } @flows], [],
	'times are microseconds since the epoch, in order');

my ($tls) = grep { ($_->{host} // '') eq 'claude.ai' && $_->{l4} == 6 } @flows;
is($tls->{dst_port}, 443, 'a TLS flow: up is from the client');
is($tls->{service}, 'claude', 'its service');
is($tls->{service_category}, 'chat', 'its category');
is($tls->{tls_version}, 'TLSv1.3', 'its version');
like($tls->{ja3}, qr/^[0-9a-f]{32}$/, 'its JA3');
like($tls->{ja4}, qr/^t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}$/, 'its JA4');
is($tls->{ndpi_app}, 'TLS', 'its protocol by nDPI: traffic of this host is not known to it');

my ($quic) = objects(replay('--flows', captures() . '/quic_chromium_gemini.pcap'));
is($quic->{quic}, JSON::PP::true(), 'a QUIC flow says so');
is($quic->{host}, 'gemini.google.com', 'with its name');
like($quic->{ja4}, qr/^q13d/, 'and a JA4 of QUIC');
my ($http) = grep { $_->{dst_port} == 11434 } @flows;
is("$http->{http_method} $http->{http_path}", 'POST /api/chat', 'an HTTP flow has its request');
like($http->{user_agent}, qr/^curl/, 'and its client');

# Bytes are whole frames by their length on the wire, whatever was captured of them.
my @stream = map { ether($_) } tcp_stream(up => ['x' x 500], down => ['y' x 300]);
my $whole = 0;
$whole += length for @stream;
pcap_write("$dir/snap.pcap", [map { { data => substr($_, 0, 60), len => length } } @stream]);
my @cut = objects(replay('--flows', "$dir/snap.pcap"));
is(scalar @cut, 1, 'packets that the snaplen cut are one flow');
is($cut[0]{bytes_up} + $cut[0]{bytes_down}, $whole, 'which counts the bytes on the wire');
is($cut[0]{packets_up} . '/' . $cut[0]{packets_down}, '5/3', 'and its packets by direction');

# ---- several files ----
# The same connection in two unrelated captures is two flows; in a ring of files it is one.
my @packets = map { ether($_) } tcp_stream(up => [('a' x 50) x 4], down => [('b' x 50) x 4], end => 0);
my @first = @packets[0 .. 5];
my @second = @packets[6 .. $#packets];
pcap_write("$dir/one.pcap", \@first);
pcap_write("$dir/two.pcap", \@second, begin => 1_700_000_060_000_000);
pcap_write("$dir/again.pcap", \@first);
my $flows_of = sub { scalar objects(replay('--flows', map { "$dir/$_.pcap" } @_)) };
is($flows_of->('one', 'two'), 1, 'a ring of files goes on with a flow');
is($flows_of->('two', 'one'), 2, 'an older file begins anew');
is($flows_of->('one', 'again'), 2, 'and so does one of the same time');

my @three = map { captures() . "/$_" } qw(mix_all.pcap ollama_chat.pcap neg_tls.pcap);
# Their times overlap, so a throttle may hold one back that another capture had: each is still named.
my $about = sub { join ' ', sort keys %{{ map { join('|', @$_{qw(rule host dest_port)}) => 1 } @_ }} };
my @together = objects(replay('--json', @three));
is($about->(@together), $about->(map { objects(replay('--json', $_)) } @three),
	'several captures give the findings of each');
is($about->(objects(replay('--json', reverse @three))), $about->(@together), 'in any order');
my $count = 0;
$count += objects(replay('--flows', $_)) for @three;
is(scalar objects(replay('--flows', @three)), $count, 'and the flows of each');

# ---- stdin ----
my $want = replay('--flows', $mix)->{out};
is(replay('--flows', '-', { stdin => $mix })->{out}, $want, '- is stdin, here a file');
POSIX::mkfifo("$dir/fifo", 0600) or die "mkfifo: $!";
my $writer = fork // die;
if (!$writer) {
	open my $out, '>:raw', "$dir/fifo" or POSIX::_exit(1);
	# In pieces that end inside of packets and headers.
	for (in_pieces(slurp($mix), 777)) { syswrite $out, $_ }
	close $out;
	POSIX::_exit(0);
}
is(replay('--flows', '-', { stdin => "$dir/fifo" })->{out}, $want, 'or a pipe');
waitpid $writer, 0;
is(replay('--json', $mix, '-', { stdin => $three[1] })->{out}, replay('--json', @three[0, 1])->{out},
	'and can stand beside a file');

# ---- --stats ----
$run = replay('--stats', '--json', @three);
my $stats = stats($run);
my @keys = qw(files files_failed packets bytes first_ts last_ts flows flows_evicted flows_expired flows_peak
    undecodable_not_ip undecodable_truncated undecodable_malformed undecodable_unknown_link fragments
    fragments_lost classified client_hellos client_hellos_missed http_requests dns_messages events
    script_calls script_errors findings suppressed out_of_memory dropped failures restarts flows_lost
    packets_lost messages_malformed rules_quarantined observed cpu_seconds elapsed_seconds
    packets_per_second);
is_deeply([grep { !exists $stats->{$_} } @keys], [], '--stats has its keys');
is($stats->{files}, 3, 'it counts the files');
is($stats->{flows}, $count, 'the flows');
is($stats->{findings}, scalar @together, 'and the findings');
is($stats->{$_}, 0, "$_ is 0") for qw(failures restarts out_of_memory dropped messages_malformed);
is(scalar(problems($run)), 0, 'nothing else is on stderr');

# ---- --keep ----
{
	my @set = ('--set', "spool.dir=$dir/kept", '--set', "control.socket=$dir/nobody");
	my @found = sort map { $_->{id} } objects(replay('--json', '--keep', @set, @three));
	my @kept = sort map { $_->{id} } objects(run([agent(), 'findings', '--json', @set]));
	is_deeply(\@kept, \@found, '--keep puts each finding into the spool');
	replay('--json', '--keep', @set, @three);
	is(scalar(objects(run([agent(), 'findings', '--json', @set]))), scalar @kept, 'and none twice');
	is(replay('--json', '--keep', '--set', 'spool.dir=/proc/nowhere', @three)->{code}, 1, 'or says that it cannot');
}

# ---- the same again ----
for my $form ('--json', '--flows', '--color=always') {
	my ($one, $two) = map { replay($form, @three)->{out} } 1 .. 2;
	ok(length $one && $one eq $two, "$form: the same input gives the same output");
}

done_testing;
