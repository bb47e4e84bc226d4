/* Frames written out by hand, layer by layer, and what is to be read in them. */
#include "core/flow/packet.h"

#include "t/tap.h"

enum { ETHERNET = 1, PPP = 9, CISCO_HDLC = 104, RAW = 101, SLL = 113, SLL2 = 276, RADIOTAP = 127 };

static uint8_t frame[2048];
static uint32_t size;
static struct sense_decoded out;

static void put(const void *bytes, uint32_t length)
{
	memcpy(frame + size, bytes, length);
	size += length;
}

#define PUT(literal) put(literal, sizeof literal - 1)

static void put16(unsigned value)
{
	put((uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void start(void)
{
	size = 0;
	memset(frame, 0xee, sizeof frame);
}

static void start_ethernet(unsigned ether)
{
	start();
	PUT("\2\0\0\0\0\1\2\0\0\0\0\2");
	put16(ether);
}

static void put_ipv4(uint8_t l4, unsigned payload)
{
	PUT("\x45\0");
	put16(20 + payload);
	PUT("\x12\x34\x40\0\x40");
	put(&l4, 1);
	PUT("\0\0\x0a\1\2\3\xc0\xa8\0\x63");
}

static void put_ipv6(uint8_t next, unsigned payload)
{
	PUT("\x60\0\0\0");
	put16(payload);
	put(&next, 1);
	PUT("\x40\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2");
}

static void put_tcp(const char *payload)
{
	PUT("\xc3\x50\1\xbb\0\0\0\7\0\0\0\x09\x50\x18\x20\0\0\0\0\0");
	put(payload, (uint32_t)strlen(payload));
}

static void put_udp(const char *payload)
{
	PUT("\xc3\x50\0\x35");
	put16((unsigned)strlen(payload) + 8);
	PUT("\0\0");
	put(payload, (uint32_t)strlen(payload));
}

/* Decodes the first caplen bytes, at the end of a block so that ASan sees a step beyond. */
static enum sense_decode_result decode_cut(uint16_t link, uint32_t caplen)
{
	uint8_t exact[sizeof frame];
	uint8_t *at = exact + sizeof frame - caplen;
	memcpy(at, frame, caplen);
	struct sense_packet packet = {.data = at, .ts_us = 77, .caplen = caplen, .len = size, .link = link};
	memset(&out, 0xa5, sizeof out);
	enum sense_decode_result result = sense_packet_decode(&packet, &out);
	if (result == SENSE_DECODE_OK && out.payload) /* point into the frame that the checks look at */
		out.payload = frame + (out.payload - at);
	return result;
}

static enum sense_decode_result decode(uint16_t link)
{
	return decode_cut(link, size);
}

static bool payload_is(const char *text)
{
	return out.payload && out.payload_len == strlen(text) && out.payload_wire == out.payload_len &&
	       !memcmp(out.payload, text, out.payload_len);
}

static bool is_from(const char *src)
{
	return !memcmp(out.src.bytes, src, 16);
}

#define A4 "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3"
#define A6 "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"

/* The frame made so far carries IPv4 and TCP with "hello": does the link type lead there? */
static void reads_tcp4(uint16_t link, const char *what)
{
	put_ipv4(6, 25);
	put_tcp("hello");
	bool good = decode(link) == SENSE_DECODE_OK && out.ip_version == 4 && out.l4 == 6 &&
	            is_from(A4) && out.src_port == 50000 && out.dst_port == 443 && payload_is("hello");
	ok(good, "%s", what);
}

static void reads_udp6(uint16_t link, const char *what)
{
	put_ipv6(17, 13);
	put_udp("query");
	bool good = decode(link) == SENSE_DECODE_OK && out.ip_version == 6 && out.l4 == 17 &&
	            is_from(A6) && out.dst_port == 53 && out.tcp_flags == 0 && payload_is("query");
	ok(good, "%s", what);
}

static void test_links(void)
{
	start_ethernet(0x0800);
	reads_tcp4(ETHERNET, "Ethernet, IPv4, TCP");
	is_num(out.tcp_seq, 7, "sequence number");
	is_num(out.tcp_ack, 9, "acknowledgement number");
	is_num(out.tcp_flags, SENSE_TCP_PSH | SENSE_TCP_ACK, "flags");
	is_num(out.vlan, 0, "no VLAN");
	is_num(out.wire_len, 59, "the whole frame counts");
	is_num(out.ts_us, 77, "time");
	is_num(out.ip_len, 45, "bytes from the IP header on");
	start_ethernet(0x86dd);
	reads_udp6(ETHERNET, "Ethernet, IPv6, UDP");
	start_ethernet(0x0800);
	put_ipv4(17, 13);
	put_udp("query");
	ok(decode(ETHERNET) == SENSE_DECODE_OK && payload_is("query") && !out.tcp_seq, "IPv4, UDP");
	start_ethernet(33 + 20);
	PUT("\xaa\xaa\3\0\0\0\x08\0");
	reads_tcp4(ETHERNET, "802.3 with LLC and SNAP");
	start();
	PUT("\2\0\0\0");
	reads_tcp4(0, "BSD loopback");
	start();
	PUT("\0\0\0\x1e");
	reads_udp6(108, "OpenBSD loopback");
	start();
	PUT("\0\x21");
	reads_tcp4(PPP, "PPP");
	start();
	PUT("\xff\3\0\x57");
	reads_udp6(50, "PPP with address and control");
	start();
	PUT("\x0f\0\x08\0");
	reads_tcp4(CISCO_HDLC, "Cisco HDLC");
	start();
	reads_tcp4(RAW, "raw IPv4");
	start();
	reads_udp6(RAW, "raw IPv6");
	start();
	PUT("\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0");
	reads_tcp4(SLL, "Linux cooked");
	start();
	PUT("\x86\xdd\0\0\0\0\0\2\0\1\0\6\2\0\0\0\0\1\0\0");
	reads_udp6(SLL2, "Linux cooked v2");
}

static void test_wifi(void)
{
	start();
	PUT("\0\0\x0a\0\0\0\0\0\0\0");
	PUT("\x88\x01\0\0ap----sta---dst---\0\0\0\0\xaa\xaa\3\0\0\0\x08\0");
	reads_tcp4(RADIOTAP, "802.11 QoS data, to the access point");
	start();
	PUT("\0\0\x08\0\0\0\0\0\x08\x02\0\0sta---ap----src---\0\0\xaa\xaa\3\0\0\0\x86\xdd");
	reads_udp6(RADIOTAP, "802.11 data, from the access point");
	start();
	PUT("\x88\x03\0\0ra----ta----da----\0\0sa----\0\0\xaa\xaa\3\0\0\0\x08\0");
	reads_tcp4(105, "802.11 QoS data with four addresses");
	start();
	PUT("\x80\0\0\0ra----ta----da----\0\0beacon of some network");
	is_num(decode(105), SENSE_DECODE_NOT_IP, "802.11 beacon");
	frame[0] = 0x08;
	frame[1] = 0x41;
	is_num(decode(105), SENSE_DECODE_NOT_IP, "802.11 protected data");
}

static void test_shims(void)
{
	start_ethernet(0x8100);
	PUT("\x20\x64\x08\0");
	reads_tcp4(ETHERNET, "802.1Q");
	is_num(out.vlan, 100, "its VLAN");
	start_ethernet(0x88a8);
	PUT("\0\5\x81\0\0\x07\x08\0");
	reads_tcp4(ETHERNET, "802.1ad with 802.1Q");
	is_num(out.vlan, 7, "the inner VLAN");
	start_ethernet(0x8847);
	PUT("\0\1\0\x40\0\2\1\x40");
	reads_udp6(ETHERNET, "two MPLS labels");
	start_ethernet(0x8864);
	PUT("\x11\0\0\1\0\x2f\0\x21");
	reads_tcp4(ETHERNET, "PPPoE session");
	start_ethernet(0x0806);
	PUT("\0\1\x08\0\6\4\0\1--------------------");
	is_num(decode(ETHERNET), SENSE_DECODE_NOT_IP, "ARP");
	start_ethernet(38);
	PUT("\x42\x42\3--------------------------------------");
	is_num(decode(ETHERNET), SENSE_DECODE_NOT_IP, "spanning tree");
	start();
	put("--------------------------------", 32);
	is_num(decode(227), SENSE_DECODE_UNKNOWN_LINK, "a CAN bus");
}

static void test_tunnels(void)
{
	start_ethernet(0x0800);
	put_ipv4(4, 45);
	reads_tcp4(ETHERNET, "IPv4 in IPv4");
	start_ethernet(0x0800);
	put_ipv4(41, 53);
	reads_udp6(ETHERNET, "IPv6 in IPv4");
	start_ethernet(0x86dd);
	put_ipv6(4, 45);
	reads_tcp4(ETHERNET, "IPv4 in IPv6");
	start_ethernet(0x0800);
	put_ipv4(47, 4 + 45);
	PUT("\0\0\x08\0");
	reads_tcp4(ETHERNET, "GRE");
	start_ethernet(0x0800);
	put_ipv4(47, 16 + 53);
	PUT("\xb0\0\x86\xdd\1\1\0\0\2\2\2\2\3\3\3\3");
	reads_udp6(ETHERNET, "GRE with checksum, key and sequence number");
	start_ethernet(0x0800);
	put_ipv4(47, 8 + 14 + 4 + 45);
	PUT("\x20\0\x65\x58\0\0\0\1\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\0\x09\x08\0");
	reads_tcp4(ETHERNET, "Ethernet with a VLAN in GRE");
	is_num(out.vlan, 9, "the inner VLAN");
	start_ethernet(0x0800);
	put_ipv4(47, 12);
	PUT("\x30\x01\x88\x0b\0\0\0\1\0\0\0\1");
	ok(decode(ETHERNET) == SENSE_DECODE_OK && out.l4 == 47 && !out.src_port, "PPTP stays GRE");
	start_ethernet(0x0800);
	for (unsigned i = 0; i < 12; i++)
		put_ipv4(4, (11 - i) * 20 + 45);
	put_ipv4(6, 25);
	put_tcp("hello");
	is_num(decode(ETHERNET), SENSE_DECODE_MALFORMED, "twelve tunnels in each other");
	start_ethernet(0x8100);
	for (unsigned i = 0; i < 40; i++)
		PUT("\0\1\x81\0");
	is_num(decode(ETHERNET), SENSE_DECODE_MALFORMED, "forty VLAN tags");
}

static void test_extensions(void)
{
	start_ethernet(0x86dd);
	put_ipv6(0, 8 + 24 + 8 + 24 + 25);
	PUT("\x2b\0\1\4\0\0\0\0");
	PUT("\x3c\2\0\0\0\0\0\0----------------");
	PUT("\x33\0\1\4\0\0\0\0");
	PUT("\6\4\0\0\0\0\0\0\0\0\0\0------------");
	put_tcp("hello");
	ok(decode(ETHERNET) == SENSE_DECODE_OK && out.l4 == 6 && payload_is("hello"),
	   "hop-by-hop, routing, destination and authentication headers");
	for (uint32_t cut = 14 + 40; cut < size - 25; cut++)
		if (decode_cut(ETHERNET, cut) != SENSE_DECODE_TRUNCATED)
			break;
		else if (cut == size - 26)
			ok(true, "cut anywhere in them is truncated");
	start_ethernet(0x86dd);
	put_ipv6(44, 8 + 13);
	PUT("\x11\0\0\0\0\0\0\1");
	put_udp("query");
	ok(decode(ETHERNET) == SENSE_DECODE_OK && out.l4 == 17 && payload_is("query"),
	   "an atomic fragment is a whole packet");
	frame[14 + 40 + 3] = 1;
	is_num(decode(ETHERNET), SENSE_DECODE_FRAGMENT, "with more to come it is a fragment");
	ok(out.frag_more && out.frag_offset == 0 && out.frag_len == 13 && out.frag_id == 1 &&
	   out.l4 == 17, "as it says");
}

static void test_lengths(void)
{
	start_ethernet(0x0800);
	put_ipv4(6, 20);
	put_tcp("");
	put("\0\0\0\0\0\0", 6);
	ok(decode(ETHERNET) == SENSE_DECODE_OK && !out.payload && out.payload_wire == 0 &&
	   out.ip_len == 40, "padding is no payload");
	start_ethernet(0x0800);
	put_ipv4(6, 25);
	put_tcp("hello");
	frame[16] = frame[17] = 0;
	ok(decode(ETHERNET) == SENSE_DECODE_OK && payload_is("hello"), "total length 0 by offload");
	frame[17] = 46;
	is_num(decode(ETHERNET), SENSE_DECODE_MALFORMED, "longer than its frame");
	frame[17] = 19;
	is_num(decode(ETHERNET), SENSE_DECODE_MALFORMED, "shorter than its header");
	frame[17] = 39;
	ok(decode(ETHERNET) == SENSE_DECODE_OK && !out.src_port && !out.payload,
	   "shorter than a TCP header: an IP packet without ports");
	frame[17] = 45;
	frame[14] = 0x44;
	is_num(decode(ETHERNET), SENSE_DECODE_MALFORMED, "header length 16");
	frame[14] = 0x65;
	is_num(decode(ETHERNET), SENSE_DECODE_MALFORMED, "version 6 in an IPv4 frame");
	frame[14] = 0x45;
	frame[46] = 0xf0;
	ok(decode(ETHERNET) == SENSE_DECODE_OK && out.dst_port == 443 && !out.payload && !out.payload_wire,
	   "a data offset beyond the segment: no payload");
	start_ethernet(0x0800);
	put_ipv4(17, 13);
	put_udp("query");
	frame[14 + 20 + 5] = 10;
	ok(decode(ETHERNET) == SENSE_DECODE_OK && payload_is("qu"), "UDP's own length counts");
	frame[14 + 20 + 5] = 0xff;
	ok(decode(ETHERNET) == SENSE_DECODE_OK && payload_is("query"), "unless it cannot be");
	start_ethernet(0x0800);
	put_ipv4(1, 8);
	PUT("\x08\0\0\0\0\1\0\1");
	ok(decode(ETHERNET) == SENSE_DECODE_OK && out.l4 == 1 && !out.src_port && !out.dst_port,
	   "ICMP has no ports");
	start_ethernet(0x0800);
	put_ipv4(132, 12);
	PUT("\x0b\x59\x0b\x5a\0\0\0\0\0\0\0\0");
	ok(decode(ETHERNET) == SENSE_DECODE_OK && out.src_port == 2905, "SCTP has");
}

static void test_cuts(void)
{
	start_ethernet(0x0800);
	put_ipv4(6, 25);
	put_tcp("hello");
	bool good = true;
	for (uint32_t cut = 0; cut <= size; cut++) {
		enum sense_decode_result want = cut < 38 ? SENSE_DECODE_TRUNCATED : SENSE_DECODE_OK;
		enum sense_decode_result got = decode_cut(ETHERNET, cut);
		good = good && got == want;
		if (got == SENSE_DECODE_OK)
			good = good && out.dst_port == 443 && out.payload_wire == 5 &&
			       out.payload_len == (cut > 54 ? cut - 54 : 0) && out.wire_len == 59;
	}
	ok(good, "a snapshot cut anywhere gives what it holds, and the lengths on the wire");
	start_ethernet(0x0800);
	put_ipv4(6, 25);
	put_tcp("hello");
	frame[20] = 0x20;
	is_num(decode(ETHERNET), SENSE_DECODE_FRAGMENT, "first fragment");
	is_num(out.dst_port, 443, "has ports");
	is_num(decode_cut(ETHERNET, 50), SENSE_DECODE_OK, "cut, it counts as the packet it begins");
	is_num(out.dst_port, 443, "with its ports");
	frame[21] = 3;
	is_num(decode(ETHERNET), SENSE_DECODE_FRAGMENT, "later fragment");
	ok(out.frag_offset == 24 && out.frag_id == 0x1234 && !out.src_port, "has a place, no ports");
	is_num(decode_cut(ETHERNET, 50), SENSE_DECODE_TRUNCATED, "cut, it is of no use");
}

static void test_names(void)
{
	const char *name;
	ok(sense_link_known(1, &name) && !strcmp(name, "Ethernet"), "Ethernet is known");
	ok(!sense_link_known(227, &name) && !strcmp(name, "unknown"), "a CAN bus is not");
}

int main(void)
{
	test_links();
	test_wifi();
	test_shims();
	test_tunnels();
	test_extensions();
	test_lengths();
	test_cuts();
	test_names();
	return tap_done();
}
