#include "core/flow/packet.h"

#include "core/flow/walk.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	ETHERNET_HEADER = 14,

	NEXT_HOP_BY_HOP = 0,
	NEXT_IPV4 = 4,
	NEXT_TCP = 6,
	NEXT_UDP = 17,
	NEXT_IPV6 = 41,
	NEXT_ROUTING = 43,
	NEXT_FRAGMENT = 44,
	NEXT_GRE = 47,
	NEXT_AUTHENTICATION = 51,
	NEXT_DESTINATION = 60,
	NEXT_SCTP = 132,
	NEXT_MOBILITY = 135
};

/* ---- transport ----------------------------------------------------------------------------------- */

/* What a frame says is read before *out is written: the compiler must assume that they overlap. */
struct ports {
	uint16_t src, dst;
};

static inline struct ports ports_at(const uint8_t *p)
{
	return (struct ports){sense_be16(p), sense_be16(p + 2)};
}

static inline void set_transport(struct sense_decoded *out, struct ports ports, const uint8_t *payload,
                                 uint32_t captured, uint32_t wire)
{
	out->src_port = ports.src;
	out->dst_port = ports.dst;
	out->payload = captured ? payload : NULL;
	out->payload_len = captured;
	out->payload_wire = wire;
}

static inline void no_tcp(struct sense_decoded *out)
{
	out->tcp_flags = 0;
	out->tcp_seq = out->tcp_ack = 0;
}

static inline enum sense_decode_result tcp(struct sense_decoded *out, const uint8_t *p,
                                           uint32_t captured, uint32_t wire)
{
	struct ports ports = ports_at(p);
	if (captured < TCP_HEADER) {
		set_transport(out, ports, NULL, 0, wire - TCP_HEADER);
		no_tcp(out);
		return SENSE_DECODE_OK;
	}
	uint32_t seq = sense_be32(p + 4), ack = sense_be32(p + 8);
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;
	uint8_t flags = p[13];
	if (header < TCP_HEADER || header > wire)
		header = wire; /* nobody will take its payload */
	set_transport(out, ports, p + header, captured > header ? captured - header : 0, wire - header);
	out->tcp_flags = flags;
	out->tcp_seq = seq;
	out->tcp_ack = ack;
	return SENSE_DECODE_OK;
}

static inline enum sense_decode_result udp(struct sense_decoded *out, const uint8_t *p,
                                           uint32_t captured, uint32_t wire)
{
	struct ports ports = ports_at(p);
	/* Its own length counts when it fits; 0 and lies are common with segmentation offload. */
	uint32_t length = captured >= UDP_HEADER ? sense_be16(p + 4) : wire;
	if (length >= UDP_HEADER && length < wire) {
		wire = length;
		captured = captured < wire ? captured : wire;
	}
	set_transport(out, ports, p + UDP_HEADER, captured > UDP_HEADER ? captured - UDP_HEADER : 0,
	              wire - UDP_HEADER);
	no_tcp(out);
	return SENSE_DECODE_OK;
}

/*
 * A segment that was shorter on the wire than its own header is still traffic between two hosts:
 * it counts, without ports.
 */
static enum sense_decode_result transport(struct sense_decoded *out, const uint8_t *p,
                                          uint32_t captured, uint32_t wire)
{
	uint32_t header = out->l4 == NEXT_TCP ? TCP_HEADER : UDP_HEADER;
	bool has_ports = out->l4 == NEXT_TCP || out->l4 == NEXT_UDP || out->l4 == NEXT_SCTP;
	if (has_ports && wire >= header) {
		if (captured < 4)
			return SENSE_DECODE_TRUNCATED;
		if (out->l4 == NEXT_TCP)
			return tcp(out, p, captured, wire);
		if (out->l4 == NEXT_UDP)
			return udp(out, p, captured, wire);
	}
	no_tcp(out);
	set_transport(out, has_ports && wire >= header ? ports_at(p) : (struct ports){0, 0}, NULL, 0, 0);
	return SENSE_DECODE_OK;
}

/* ---- IP ------------------------------------------------------------------------------------------ */

static inline void map_address(struct sense_addr *addr, uint32_t ipv4)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
	memcpy(addr->bytes, prefix, sizeof prefix);
	memcpy(addr->bytes + sizeof prefix, &ipv4, sizeof ipv4);
}

static inline void ipv4_header(struct sense_decoded *out, const uint8_t *p, uint32_t captured)
{
	uint32_t src, dst;
	uint8_t l4 = p[9];
	memcpy(&src, p + 12, sizeof src);
	memcpy(&dst, p + 16, sizeof dst);
	out->ip = p;
	out->ip_len = captured;
	out->ip_version = 4;
	out->l4 = l4;
	map_address(&out->src, src);
	map_address(&out->dst, dst);
}

/*
 * What lies behind the header of a fragment. One that was cut by the snapshot length can never be
 * put together: the first of a datagram then counts as the packet that it begins.
 */
static enum sense_decode_result fragment(struct sense_walk *walk, struct sense_decoded *out)
{
	out->frag_data = walk->p;
	out->frag_len = walk->captured;
	no_tcp(out);
	set_transport(out, (struct ports){0, 0}, NULL, 0, 0);
	if (walk->captured == walk->wire)
		return SENSE_DECODE_FRAGMENT;
	return out->frag_offset ? SENSE_DECODE_TRUNCATED : SENSE_DECODE_OK;
}

static enum sense_decode_result ipv4(struct sense_walk *walk, struct sense_decoded *out)
{
	const uint8_t *p = walk->p;
	if (walk->captured < IPV4_HEADER)
		return sense_walk_pass(walk, IPV4_HEADER);
	uint32_t header = (p[0] & 15u) * 4, total = sense_be16(p + 2);
	if (!total) /* segmentation offload: the network card was to fill it in */
		total = walk->wire;
	if (p[0] >> 4 != 4 || header < IPV4_HEADER || total < header || total > walk->wire)
		return SENSE_DECODE_MALFORMED;
	walk->wire = total; /* what is left over is padding */
	if (walk->captured > total)
		walk->captured = total;
	ipv4_header(out, p, walk->captured);
	enum sense_decode_result result = sense_walk_pass(walk, header);
	unsigned flags_offset = sense_be16(p + 6);
	if (result || !(flags_offset & 0x3fff))
		return result;
	out->frag_id = sense_be16(p + 4);
	out->frag_offset = (uint16_t)(flags_offset << 3);
	out->frag_more = flags_offset & 0x2000;
	return fragment(walk, out);
}

static bool is_extension(uint8_t next)
{
	return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT ||
	       next == NEXT_DESTINATION || next == NEXT_AUTHENTICATION || next == NEXT_MOBILITY;
}

/* RFC 8200, 4; the authentication header (RFC 4302, 2.2) counts its length in other units. */
static enum sense_decode_result extensions(struct sense_walk *walk, struct sense_decoded *out)
{
	while (is_extension(out->l4)) {
		const uint8_t *p = walk->p;
		uint8_t kind = out->l4;
		if (walk->captured < 8)
			return sense_walk_pass(walk, 8);
		uint32_t size = kind == NEXT_FRAGMENT         ? 8
		                : kind == NEXT_AUTHENTICATION ? (p[1] + 2u) * 4
		                                              : (p[1] + 1u) * 8;
		enum sense_decode_result result = sense_walk_pass(walk, size);
		if (result)
			return result;
		out->l4 = p[0];
		if (kind != NEXT_FRAGMENT)
			continue;
		out->frag_id = sense_be32(p + 4);
		out->frag_offset = sense_be16(p + 2) & 0xfff8;
		out->frag_more = p[3] & 1;
		if (out->frag_offset || out->frag_more) /* otherwise it is atomic (RFC 6946) */
			return fragment(walk, out);
	}
	return SENSE_DECODE_OK;
}

static enum sense_decode_result ipv6(struct sense_walk *walk, struct sense_decoded *out)
{
	const uint8_t *p = walk->p;
	if (walk->captured < IPV6_HEADER)
		return sense_walk_pass(walk, IPV6_HEADER);
	uint32_t total = IPV6_HEADER + sense_be16(p + 4);
	if (total == IPV6_HEADER && walk->wire > IPV6_HEADER + UINT16_MAX)
		total = walk->wire; /* a jumbogram (RFC 2675), or one that offload made */
	if (p[0] >> 4 != 6 || total > walk->wire)
		return SENSE_DECODE_MALFORMED;
	walk->wire = total;
	if (walk->captured > total)
		walk->captured = total;
	out->ip = p;
	out->ip_len = walk->captured;
	out->ip_version = 6;
	out->l4 = p[6];
	memcpy(&out->src, p + 8, sizeof out->src);
	memcpy(&out->dst, p + 24, sizeof out->dst);
	enum sense_decode_result result = sense_walk_pass(walk, IPV6_HEADER);
	return result ? result : extensions(walk, out);
}

/* ---- tunnels ------------------------------------------------------------------------------------- */

/* RFC 2784 and 2890, version 0. What carries neither IP nor Ethernet stays a flow of GRE. */
static bool enter_gre(struct sense_walk *walk)
{
	const uint8_t *p = walk->p;
	if (walk->captured < 4 || p[0] & 0x40 || p[1] & 7)
		return false;
	uint16_t ether = sense_be16(p + 2);
	if (ether != ETHER_IPV4 && ether != ETHER_IPV6 && ether != ETHER_BRIDGED)
		return false;
	bool checksum = p[0] & 0x80, key = p[0] & 0x20, sequence = p[0] & 0x10;
	if (sense_walk_pass(walk, 4 + 4 * checksum + 4 * key + 4 * sequence))
		return false;
	walk->ether = ether;
	return true;
}

static bool enter_tunnel(struct sense_walk *walk, uint8_t l4)
{
	if (l4 == NEXT_GRE)
		return enter_gre(walk);
	walk->ether = l4 == NEXT_IPV4 ? ETHER_IPV4 : l4 == NEXT_IPV6 ? ETHER_IPV6 : 0;
	return walk->ether;
}

static enum sense_decode_result network(struct sense_walk *walk, struct sense_decoded *out)
{
	do {
		enum sense_decode_result result = sense_link_descend(walk);
		if (result)
			return result;
		out->vlan = walk->vlan;
		result = walk->ether == ETHER_IPV4 ? ipv4(walk, out) : ipv6(walk, out);
		if (result == SENSE_DECODE_FRAGMENT && !out->frag_offset)
			transport(out, walk->p, walk->captured, walk->wire);
		if (result)
			return result;
		if (walk->tunnels++ == WALK_TUNNELS)
			return SENSE_DECODE_MALFORMED;
	} while (enter_tunnel(walk, out->l4));
	return transport(out, walk->p, walk->captured, walk->wire);
}

/* ---- entrances ----------------------------------------------------------------------------------- */

enum {
	LINK_ETHERNET = 1,
	PLAIN_MIN = ETHERNET_HEADER + IPV4_HEADER + TCP_HEADER
};

/* Most frames by far: untagged Ethernet with IPv4 without options, whole, with TCP or UDP. */
static inline bool is_plain(const struct sense_packet *packet)
{
	const uint8_t *ip = packet->data + ETHERNET_HEADER;
	if (packet->link != LINK_ETHERNET || packet->caplen < PLAIN_MIN)
		return false;
	uint32_t total = sense_be16(ip + 2);
	return sense_be16(ip - 2) == ETHER_IPV4 && ip[0] == 0x45 && !(sense_be16(ip + 6) & 0x3fff) &&
	       (ip[9] == NEXT_TCP || ip[9] == NEXT_UDP) && total >= IPV4_HEADER + TCP_HEADER &&
	       total <= packet->len - ETHERNET_HEADER;
}

enum sense_decode_result sense_packet_decode(const struct sense_packet *packet,
                                             struct sense_decoded *out)
{
	out->wire_len = packet->len;
	out->ts_us = packet->ts_us;
	if (__builtin_expect(is_plain(packet), 1)) {
		const uint8_t *ip = packet->data + ETHERNET_HEADER;
		uint32_t total = sense_be16(ip + 2), captured = packet->caplen - ETHERNET_HEADER;
		if (captured > total)
			captured = total;
		uint8_t l4 = ip[9];
		ipv4_header(out, ip, captured);
		out->vlan = 0;
		captured -= IPV4_HEADER;
		total -= IPV4_HEADER;
		ip += IPV4_HEADER;
		return l4 == NEXT_TCP ? tcp(out, ip, captured, total) : udp(out, ip, captured, total);
	}
	struct sense_walk walk = {.p = packet->data,
	                          .captured = packet->caplen,
	                          .wire = packet->len < packet->caplen ? packet->caplen : packet->len};
	enum sense_decode_result result = sense_link_enter(&walk, packet->link);
	return result ? result : network(&walk, out);
}

enum sense_decode_result sense_packet_decode_ip(const uint8_t *ip, uint32_t len,
                                                struct sense_decoded *inout)
{
	struct sense_walk walk = {.p = ip, .captured = len, .wire = len, .vlan = inout->vlan};
	if (!len)
		return SENSE_DECODE_MALFORMED;
	walk.ether = ip[0] >> 4 == 6 ? ETHER_IPV6 : ETHER_IPV4;
	return network(&walk, inout);
}
