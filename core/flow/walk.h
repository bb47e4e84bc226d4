/*
 * The way through the headers of one frame, shared by link.c and packet.c.
 *
 * A walk knows how much of what lies ahead was captured and how much there was on the wire.  Each
 * header passed costs one of its steps, so that no frame can nest without end.
 */
#ifndef SENSE_FLOW_WALK_H
#define SENSE_FLOW_WALK_H

#include <endian.h>
#include <string.h>

#include "core/flow/packet.h"

enum {
	WALK_STEPS = 24,  /* headers in a frame, of all kinds */
	WALK_TUNNELS = 8, /* IP in IP, however carried */

	/* EtherTypes (IEEE 802 numbers); link layers with other numbers are translated to these. */
	ETHER_IPV4 = 0x0800,
	ETHER_VLAN = 0x8100,
	ETHER_BRIDGED = 0x6558, /* a whole Ethernet frame follows */
	ETHER_VLAN_OLD = 0x9100,
	ETHER_IPV6 = 0x86dd,
	ETHER_MPLS = 0x8847,
	ETHER_MPLS_UPSTREAM = 0x8848,
	ETHER_PPPOE = 0x8864,
	ETHER_VLAN_SERVICE = 0x88a8
};

struct sense_walk {
	const uint8_t *p;
	uint32_t captured; /* bytes at p */
	uint32_t wire;     /* bytes there were from p on, never fewer */
	uint16_t ether;    /* what p is, as an EtherType */
	uint16_t vlan;
	uint8_t steps;
	uint8_t tunnels;
};

static inline uint16_t sense_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t sense_be32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

/* Passes over bytes that must have been captured; SENSE_DECODE_OK if they were. */
static inline enum sense_decode_result sense_walk_pass(struct sense_walk *walk, uint32_t bytes)
{
	if (walk->captured < bytes)
		return walk->wire < bytes ? SENSE_DECODE_MALFORMED : SENSE_DECODE_TRUNCATED;
	if (++walk->steps > WALK_STEPS)
		return SENSE_DECODE_MALFORMED;
	walk->p += bytes;
	walk->captured -= bytes;
	walk->wire -= bytes;
	return SENSE_DECODE_OK;
}

/* Passes the link layer of a link type. */
enum sense_decode_result sense_link_enter(struct sense_walk *walk, uint16_t link);
/* Passes what may stand between a link layer and IP: tags, labels, PPPoE, a bridged frame. */
enum sense_decode_result sense_link_descend(struct sense_walk *walk);

#endif
