#!/usr/bin/perl
# From frames to names, through the agent: hellos in pieces, out of order, half captured, fragmented,
# under tags and tunnels; proxies; names from DNS; and names that only look like those of services.
use strict;
use warnings;
use lib 't/lib';
use Sense;
use Sense::Pcap;
use Test::More;

need_agent();
my $dir = temp_dir();
my $number = 0;

sub written {
	my ($frames, %with) = @_;
	return pcap_write("$dir/" . ++$number . '.pcap', $frames, %with);
}

sub findings { return objects(replay('--json', @_)) }
sub flows { return objects(replay('--flows', @_)) }

# One TLS flow to api.openai.com, whatever became of its frames: a name, a JA4 and an alert.
my %ja4;
sub is_openai {
	my ($what, $file) = @_;
	my ($flow, @more) = grep { ($_->{host} // '') eq 'api.openai.com' } flows($file);
	is(@more ? 'more' : $flow ? $flow->{service} : undef, 'openai-api', "$what: one flow has the name");
	like($flow->{ja4} // '', qr/^t13d\w{6}_\w{12}_\w{12}$/, "$what: and a JA4");
	$ja4{ $flow->{ja4} // '' }++;
	my @alerts = grep { $_->{type} eq 'service' && ($_->{service} // '') eq 'openai-api' } findings($file);
	is(scalar @alerts, 1, "$what: one alert");
}

my $hello = client_hello(captures() . '/tls_api.openai.com_curl.pcap');
is(client_hello_for('api.openai.com'), $hello, 'a hello made anew is the one it was made from');
my @down = ("\x16\x03\x03\0\x20" . 's' x 32);

sub tls { return tcp_stream(up => [ ref $_[0] ? @{ +shift } : (shift // $hello) ], down => \@down, @_) }

# ---- the ways of a ClientHello over TCP ----
is_openai('a whole hello', written([ map { ether($_) } tls() ]));
my @pieces = in_pieces($hello, 10);
my @small = tls(\@pieces);
is_openai('pieces of 10 bytes', written([ map { ether($_) } @small ]));
is_openai('pieces backwards', written([ map { ether($_) } @small[0 .. 2], reverse @small[3 .. $#small] ]));
is_openai('every other piece late', written([ map { ether($_) } @small[0 .. 2],
	@small[ grep { $_ % 2 } 3 .. $#small ], @small[ grep { !($_ % 2) } 3 .. $#small ] ]));
is_openai('every packet twice', written([ map { (ether($_)) x 2 } @small ]));
is_openai('without SYN', written([ map { ether($_) } tls($hello, syn => 0) ]));
is_openai('the client only', written([ map { ether($_) } tls($hello, server => 0) ]));
is_openai('pieces, no SYN, the client only',
	written([ map { ether($_) } tls(\@pieces, syn => 0, server => 0) ]));
is_openai('a hello and no end', written([ map { ether($_) } tls($hello, end => 0) ]));
is_openai('on a port of its own', written([ map { ether($_) } tls($hello, dport => 8443) ]));

# Overlapping pieces: each begins 5 bytes before the end of the one before.
my @overlap = map { tcp(40000, 443, 1000 + $_, 5000, 0x18, substr $hello, $_, 40) }
    map { 35 * $_ } 0 .. int(length($hello) / 35);
@overlap = map { ipv4('10.0.0.1', '192.0.2.1', 6, $_) } @overlap;
is_openai('overlapping pieces', written([ map { ether($_) } @overlap ]));

# ---- below TCP ----
my @plain = tls();
my $segment = tcp(40000, 443, 1000, 5000, 0x18, $hello);
my @fragments = fragments('10.0.0.1', '192.0.2.1', 6, $segment, 64);
is_openai('IP fragments', written([ map { ether($_) } @plain[0 .. 2], @fragments ]));
is_openai('IP fragments backwards', written([ map { ether($_) } @plain[0 .. 2], reverse @fragments ]));
is_openai('a VLAN', written([ map { vlan($_, [0x8100, 20]) } @plain ]));
is_openai('QinQ by 802.1ad', written([ map { vlan($_, [0x88a8, 10], [0x8100, 20]) } @plain ]));
is_openai('GRE', written([ map { ether(ipv4('198.51.100.1', '198.51.100.2', 47, gre($_))) } @plain ]));
is_openai('IP in IP', written([ map { ether(ipv4('198.51.100.1', '198.51.100.2', 4, $_)) } @plain ]));
is_openai('Linux cooked v2', written([ map { sll2($_) } @plain ], link => 276));
is_openai('raw IP', written(\@plain, link => 101));
my @six = map { ether(ipv6('2001:db8::1', '2001:db8::2', 6, $_), 0x86dd) } map { substr $_, 20 } @plain;
is_openai('IPv6', written(\@six));
is_openai('frames padded to 60 bytes', written([ map { pack 'a*x![60]', ether($_) } @small ]));
is(scalar keys %ja4, 1, 'all of these are the same hello: one JA4');
is((flows(written([ map { vlan($_, [0x8100, 20]) } @plain ])))[0]{vlan}, 20, 'a flow tells its VLAN');

# The snaplen cut the hello: no name, and nothing made up.
my $cut = written([ map { my $f = ether($_); { data => substr($f, 0, 100), len => length $f } } @plain ]);
my ($flow) = flows($cut);
is($flow->{host}, undef, 'a hello cut by the snaplen has no name');
is($flow->{packets_up} + $flow->{packets_down}, scalar @plain, 'its packets count all the same');
is(scalar findings($cut), 0, 'and nothing is found');

# ---- proxies ----
my $connect = "CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n";
my $by_address = "CONNECT 192.0.2.9:443 HTTP/1.1\r\nHost: 192.0.2.9:443\r\n\r\n";
my $established = "HTTP/1.1 200 Connection established\r\n\r\n";
for (['to a name', $connect], ['to an address', $by_address]) {
	my ($what, $request) = @$_;
	my $file = written([ map { ether($_) } tcp_stream(dport => 3128, up => [ $request, in_pieces($hello, 100) ],
		down => [ $established, @down ]) ]);
	is((flows($file))[0]{host}, 'api.openai.com', "TLS behind CONNECT $what has its name");
	ok((grep { $_->{type} eq 'service' && $_->{service} eq 'openai-api' } findings($file)), 'and is found');
}
my $front = written([ map { ether($_) } tcp_stream(dport => 3128,
	up => [ $by_address, client_hello_for('example.com') ], down => [ $established, @down ]) ]);
is(scalar(grep { $_->{type} eq 'service' } findings($front)), 0, 'another name behind CONNECT is not found');

# ---- names from DNS ----
sub lookup {
	my ($name, $address) = @_;
	return (ipv4('10.0.0.1', '10.0.0.53', 17, udp(5353, 53, dns_query(7, $name))),
		ipv4('10.0.0.53', '10.0.0.1', 17, udp(53, 5353, dns_answer(7, $name, $address))));
}
my @data = ("\x17\x03\x03\0\x40" . 'd' x 64) x 3; # a connection that was there before the capture
my @middle = tcp_stream(syn => 0, up => \@data, down => \@data);
my $inferred = written([ map { ether($_) } lookup('api.openai.com', '192.0.2.1'), @middle ]);
($flow) = grep { $_->{l4} == 6 } flows($inferred);
is($flow->{host}, 'api.openai.com', 'an address that was looked up before gives a flow its name');
is($flow->{service}, 'openai-api', 'and its service');
my @alerts = findings($inferred);
is(scalar(grep { $_->{type} eq 'service' } @alerts), 0,
	'an inferred name does not alert as use of a service');
ok((grep { $_->{rule} eq 'ai.coverage.unconfirmed' } @alerts), 'it is told as unconfirmed');
ok((grep { $_->{type} eq 'dns' && $_->{host} eq 'api.openai.com' } @alerts), 'the look-up is found');
($flow) = grep { $_->{l4} == 6 } flows(written([ map { ether($_) } lookup('api.openai.com', '192.0.2.1'),
	tls(client_hello_for('example.com')) ]));
is($flow->{host}, 'example.com', 'the name in a hello goes before one that is inferred');

# ---- HTTP ----
my $ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
my $chat = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nContent-Type: application/json\r\n"
    . "Content-Length: 2\r\nAuthorization: Bearer none\r\n\r\n{}";
my $keep = written([ map { ether($_) } tcp_stream(dport => 80, up => [ http_get('example.com', '/'), $chat ],
	down => [ $ok, $ok ]) ]);
ok((grep { ($_->{host} // '') eq 'api.openai.com' } findings($keep)),
	'a second request of a connection is found');
my $first = written([ map { ether($_) } tcp_stream(dport => 80, up => [ http_get('example.com', '/') ],
	down => [ $ok ]) ]);
is(scalar findings($first), 0, 'the first alone is not');
my @small_requests = map { in_pieces($_, 33) } http_get('example.com', '/'), $chat;
my $split = written([ map { ether($_) } tcp_stream(dport => 80, up => \@small_requests) ]);
ok((grep { ($_->{host} // '') eq 'api.openai.com' } findings($split)), 'nor does it hide in small pieces');

# ---- names that are none ----
my @near = qw(notopenai.com openai.com.evil.example xopenai.com api-openai.com openai.com-login.example
    openai.co penai.com api.openai.com.example chatgpt.com.example xclaude.ai claude.ai.evil.example
    my-claude.ai openai.comx);
my $port = 30000;
my @frames = map { ether($_) } map { (
	lookup($_, '192.0.2.1'),
	tls(client_hello_for($_), sport => $port++),
	tcp_stream(sport => $port++, dport => 80, up => [ http_get($_, '/v1/models') ], down => [ $ok ]),
) } @near;
my @wrong = findings(written(\@frames));
is_deeply([ map { "$_->{rule} $_->{host}" } @wrong ], [],
	'names that only look like those of services are not flagged');
my %services = map { ($_->{service} // 'none') => 1 } flows(written(\@frames));
is_deeply([ keys %services ], ['none'], 'nor do such flows have a service');
# A host of the catalogue that also carries other traffic, and one that is weakly sourced.
my @rows = map { [ split /\t/ ] } grep { /\texact\t/ } split /\n/, slurp('policies/catalogue/services.tsv');
my ($shared) = map { $_->[5] } grep { $_->[7] eq '1' } @rows;
my ($weak) = map { $_->[5] } grep { $_->[7] eq '0' && $_->[8] =~ /^[DU]$/ } @rows;
for my $name (grep { defined } $shared, $weak) {
	my $file = written([ map { ether($_) } tls(client_hello_for($name)) ]);
	is(scalar findings($file), 0, "$name never alerts alone");
	ok((grep { $_->{action} eq 'observe' } findings('--observed', $file)), 'and is evidence all the same');
}
for my $name (qw(API.OpenAI.com api.openai.com. sub.api.openai.com)) {
	my $file = written([ map { ether($_) } tls(client_hello_for($name)) ]);
	ok((grep { $_->{type} eq 'service' } findings($file)), "$name is flagged");
}

done_testing;
