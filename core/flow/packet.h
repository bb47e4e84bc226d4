/*
 * From a captured frame to addresses, ports and payload.
 *
 * Walks the link layer, VLAN tags, MPLS, PPPoE and tunnels down to the innermost IP packet, and
 * reads its transport header. Every offset is checked against the captured bytes; the number of
 * nested headers is bounded. Nothing is copied: all pointers lead into the frame.
 */
#ifndef SENSE_FLOW_PACKET_H
#define SENSE_FLOW_PACKET_H

#include "core/sense_plugin.h"

enum sense_decode_result {
	SENSE_DECODE_OK,          /* an IP packet; transport fields are set as far as captured */
	SENSE_DECODE_FRAGMENT,    /* a fragment of an IP datagram: give it to sense_frag_add */
	SENSE_DECODE_NOT_IP,      /* ARP, STP, ...: nothing to follow */
	SENSE_DECODE_TRUNCATED,   /* cut before addresses and ports could be read */
	SENSE_DECODE_MALFORMED,   /* lengths contradict each other */
	SENSE_DECODE_UNKNOWN_LINK /* link type that SENSE does not read */
};

enum { SENSE_TCP_FIN = 1, SENSE_TCP_SYN = 2, SENSE_TCP_RST = 4, SENSE_TCP_PSH = 8, SENSE_TCP_ACK = 16 };

/* A host address: IPv4 is kept as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so 16 bytes always compare. */
struct sense_addr {
	uint8_t bytes[16];
};

struct sense_decoded {
	const uint8_t *ip;      /* innermost IP header */
	uint32_t ip_len;        /* captured bytes from there, link padding removed */
	const uint8_t *payload; /* transport payload; NULL when none was captured */
	uint32_t payload_len;   /* captured bytes of it */
	uint32_t payload_wire;  /* its bytes on the wire */
	uint32_t wire_len;      /* whole frame on the wire: what byte counters count */
	uint64_t ts_us;
	struct sense_addr src;
	struct sense_addr dst;
	uint16_t src_port; /* host order; 0 unless TCP, UDP or SCTP */
	uint16_t dst_port;
	uint16_t vlan; /* innermost VLAN id, 0: none */
	uint8_t ip_version;
	uint8_t l4; /* IANA protocol number, behind IPv6 extension headers */
	uint8_t tcp_flags;
	uint32_t tcp_seq;
	uint32_t tcp_ack;
	/* Fragments only. */
	uint32_t frag_id;
	uint16_t frag_offset; /* bytes */
	bool frag_more;
	const uint8_t *frag_data;
	uint32_t frag_len;
};

enum sense_decode_result sense_packet_decode(const struct sense_packet *packet,
                                             struct sense_decoded *out);

/* Decodes from an IP header on: a datagram put together from fragments. */
enum sense_decode_result sense_packet_decode_ip(const uint8_t *ip, uint32_t len,
                                                struct sense_decoded *inout);

/* True when sense_packet_decode reads this link type; *name is its name, or "unknown". */
bool sense_link_known(uint16_t link, const char **name);

#endif
