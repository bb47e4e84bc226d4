# Captures made by hand: link, network and transport headers as bytes, pcap files read and written.
# Checksums are left 0, as on an interface that offloads them.
package Sense::Pcap;
use strict;
use warnings;
use Exporter 'import';
use Sense;
use Socket qw(inet_aton inet_pton AF_INET6);

our @EXPORT = qw(pcap_write pcap_read pcap_bytes ether vlan sll2 ipv4 ipv6 gre tcp udp tcp_stream
    http_get dns_query dns_answer client_hello client_hello_for payload_of fragments in_pieces);

use constant { ETHERNET => 1, SLL2 => 276 };
use constant { SYN => 2, PSH => 8, ACK => 16, FIN => 1 };
use constant EPOCH => 1_700_000_000;

# ---- files -----------------------------------------------------------------------------------------

# A frame is its bytes, or { data =>, len => on the wire, ts => microseconds }. Without a time of its
# own each is a millisecond after the one before.
sub pcap_bytes {
	my ($frames, %with) = @_;
	my $bytes = pack 'V v v V V V V', 0xa1b2c3d4, 2, 4, 0, 0, 262144, $with{link} // ETHERNET;
	my $now = $with{begin} // EPOCH * 1_000_000;
	for (@$frames) {
		my $frame = ref $_ ? $_ : { data => $_ };
		$now = $frame->{ts} // $now + 1000;
		$bytes .= pack 'V V V V', int($now / 1_000_000), $now % 1_000_000, length $frame->{data},
		    $frame->{len} // length $frame->{data};
		$bytes .= $frame->{data};
	}
	return $bytes;
}

sub pcap_write {
	my ($file, $frames, %with) = @_;
	return spew($file, pcap_bytes($frames, %with));
}

# The whole frames of a little-endian capture in microseconds, as the samples are.
sub pcap_read {
	my ($file) = @_;
	my $bytes = slurp($file);
	my @frames;
	die "$file: not a little-endian pcap\n" unless unpack('V', $bytes) == 0xa1b2c3d4;
	for (my $at = 24; $at + 16 <= length $bytes;) {
		my ($s, $us, $caplen, $len) = unpack 'V4', substr $bytes, $at, 16;
		last if $at + 16 + $caplen > length $bytes;
		push @frames, { data => substr($bytes, $at + 16, $caplen), len => $len, ts => $s * 1_000_000 + $us };
		$at += 16 + $caplen;
	}
	return @frames;
}

# ---- layers ----------------------------------------------------------------------------------------

sub ether {
	my ($payload, $type) = @_;
	return pack('H12 H12 n', '020000000002', '020000000001', $type // 0x0800) . $payload;
}

# Tags from the outside in: [0x88a8, 10], [0x8100, 20].
sub vlan {
	my ($payload, @tags) = @_;
	my ($first, $bytes) = ($tags[0][0], '');
	for my $i (0 .. $#tags) {
		$bytes .= pack 'n n', $tags[$i][1], $i < $#tags ? $tags[ $i + 1 ][0] : 0x0800;
	}
	return ether($bytes . $payload, $first);
}

# LINKTYPE_LINUX_SLL2: protocol, zero, interface, ARPHRD, packet type, address length, address.
sub sll2 {
	my ($payload) = @_;
	return pack('n n N n C C a8', 0x0800, 0, 2, 1, 4, 6, "\2\0\0\0\0\1") . $payload;
}

sub ipv4 {
	my ($src, $dst, $l4, $payload, %with) = @_;
	return pack('C C n n n C C n a4 a4', 0x45, 0, 20 + length $payload, $with{id} // 1,
		$with{fragment} // 0x4000, 64, $l4, 0, inet_aton($src), inet_aton($dst)) . $payload;
}

sub ipv6 {
	my ($src, $dst, $l4, $payload) = @_;
	return pack('N n C C a16 a16', 0x60000000, length $payload, $l4, 64, inet_pton(AF_INET6, $src),
		inet_pton(AF_INET6, $dst)) . $payload;
}

sub gre { return pack('n n', 0, 0x0800) . $_[0] } # RFC 2784, no checksum

sub tcp {
	my ($sport, $dport, $seq, $ack, $flags, $payload) = @_;
	return pack('n n N N C C n n n', $sport, $dport, $seq, $ack, 5 << 4, $flags, 65535, 0, 0) . ($payload // '');
}

sub udp {
	my ($sport, $dport, $payload) = @_;
	return pack('n n n n', $sport, $dport, 8 + length $payload, 0) . $payload;
}

# The fragments of an IPv4 datagram, each with so many bytes of payload (a multiple of 8).
sub fragments {
	my ($src, $dst, $l4, $payload, $size) = @_;
	my @out;
	for (my $at = 0; $at < length $payload; $at += $size) {
		my $more = $at + $size < length $payload ? 0x2000 : 0;
		push @out, ipv4($src, $dst, $l4, substr($payload, $at, $size), id => 77, fragment => $more | $at / 8);
	}
	return @out;
}

# ---- conversations -----------------------------------------------------------------------------------

# IP packets of one TCP connection. Options: src, dst, sport, dport, syn => 0 for a capture that begins
# in the middle, server => 0 for one that sees the client only, up => [payloads], down => [payloads],
# end => 0: still open.
sub tcp_stream {
	my (%o) = (src => '10.0.0.1', dst => '192.0.2.1', sport => 40000, dport => 443, syn => 1, server => 1,
		up => [], down => [], end => 1, @_);
	my ($c, $s, @out) = (1000, 5000);
	my $up = sub { push @out, ipv4($o{src}, $o{dst}, 6, tcp($o{sport}, $o{dport}, @_)) };
	my $down = sub { push @out, ipv4($o{dst}, $o{src}, 6, tcp($o{dport}, $o{sport}, @_)) if $o{server} };
	if ($o{syn}) {
		$up->($c - 1, 0, SYN, '');
		$down->($s - 1, $c, SYN | ACK, '');
		$up->($c, $s, ACK, '');
	}
	for my $i (0 .. ($#{$o{up}} > $#{$o{down}} ? $#{$o{up}} : $#{$o{down}})) {
		if (defined $o{up}[$i] && length $o{up}[$i]) {
			$up->($c, $s, PSH | ACK, $o{up}[$i]);
			$c += length $o{up}[$i];
		}
		if (defined $o{down}[$i] && length $o{down}[$i]) {
			$down->($s, $c, PSH | ACK, $o{down}[$i]);
			$s += length $o{down}[$i];
		}
	}
	if ($o{end}) {
		$up->($c, $s, FIN | ACK, '');
		$down->($s, $c + 1, FIN | ACK, '');
		$up->($c + 1, $s + 1, ACK, '');
	}
	return @out;
}

sub in_pieces {
	my ($bytes, $size) = @_;
	return unpack "(a$size)*", $bytes;
}

# What a TCP segment in an Ethernet/IPv4 frame carries.
sub payload_of {
	my ($frame) = @_;
	my $ip = substr $frame->{data}, 14;
	return undef unless unpack('n', substr $frame->{data}, 12, 2) == 0x0800 && ord(substr $ip, 9, 1) == 6;
	my $head = (ord($ip) & 15) * 4;
	my $segment = substr $ip, $head, unpack('n', substr $ip, 2, 2) - $head;
	return substr $segment, (ord(substr $segment, 12, 1) >> 4) * 4;
}

# A real ClientHello record from a sample capture.
sub client_hello {
	my ($capture) = @_;
	for my $frame (pcap_read($capture)) {
		my $payload = payload_of($frame);
		return $payload if defined $payload && $payload =~ /\A\x16\x03[\x00-\x03]..\x01/s;
	}
	die "$capture: no ClientHello\n";
}

# The same with another server name, all lengths set right (RFC 8446 section 4.1.2, RFC 6066 section 3).
sub client_hello_for {
	my ($name, $capture) = @_;
	my $record = client_hello($capture // captures() . '/tls_api.openai.com_curl.pcap');
	my $at = 43; # behind record head, handshake head, version and random
	$at += 1 + ord substr $record, $at, 1;
	$at += 2 + unpack 'n', substr $record, $at, 2;
	$at += 1 + ord substr $record, $at, 1;
	my ($extensions, $out) = (substr($record, $at + 2), '');
	while (length $extensions) {
		my ($type, $value) = unpack 'n n/a*', $extensions;
		substr $extensions, 0, 4 + length $value, '';
		$value = pack 'n/a*', pack 'C n/a*', 0, $name if $type == 0;
		$out .= pack 'n n/a*', $type, $value unless $type == 0 && $name eq '';
	}
	my $body = substr($record, 9, $at - 9) . pack 'n/a*', $out;
	my $message = pack 'C a3 a*', 1, substr(pack('N', length $body), 1), $body;
	return substr($record, 0, 3) . pack 'n/a*', $message;
}

sub http_get {
	my ($host, $path, @more) = @_;
	return join "\r\n", "GET $path HTTP/1.1", "Host: $host", 'User-Agent: test/1.0', @more, '', '';
}

sub dns_name { return join('', map { pack 'C/a*', $_ } split /\./, $_[0]) . "\0" }

sub dns_query {
	my ($id, $name) = @_;
	return pack('n6', $id, 0x0100, 1, 0, 0, 0) . dns_name($name) . pack 'n n', 1, 1;
}

sub dns_answer {
	my ($id, $name, @addresses) = @_;
	my $bytes = pack('n6', $id, 0x8180, 1, scalar @addresses, 0, 0) . dns_name($name) . pack 'n n', 1, 1;
	$bytes .= pack('n n n N n', 0xc00c, 1, 1, 300, 4) . inet_aton($_) for @addresses;
	return $bytes;
}

1;
