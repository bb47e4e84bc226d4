/*
 * segment.h - plain TCP seen in one IP packet, and segments held until a ClientHello is whole.
 */
#ifndef SENSE_PLUGIN_NDPI_SEGMENT_H
#define SENSE_PLUGIN_NDPI_SEGMENT_H

#include "plugins/ndpi/hello.h"

#define SEGMENT_HEADERS_MAX 120u /* IP and TCP header, each with all the options it can have */
#define HOLD_PACKETS 4u

struct segment {
	const uint8_t *ip;
	unsigned len;     /* IP packet without padding behind it */
	unsigned tcp;     /* where the TCP header begins */
	unsigned headers; /* bytes before the payload; 0 when this is not plain TCP */
	uint32_t seq, ack;
	uint16_t sport, dport;
	uint8_t flags;
};

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

/* headers is 0 for anything out of the ordinary: fragments, extension headers, truncated packets. */
struct segment segment_find(const uint8_t *ip, unsigned len);

static inline unsigned segment_payload(const struct segment *s)
{
	return s->len - s->headers;
}

/* Copies of segments that together begin a ClientHello. Set `used` and `count` to 0 to begin. */
struct hold {
	unsigned used, count;
	uint32_t next; /* sequence number behind them */
	struct {
		uint16_t at, len, headers;
	} packets[HOLD_PACKETS];
	uint8_t bytes[HELLO_MAX + HOLD_PACKETS * SEGMENT_HEADERS_MAX];
};

/* Keeps a copy of a segment that follows the ones held; false when there is no room. */
bool hold_add(struct hold *h, const struct segment *s);

/*
 * Appends the payload of s, which follows the segments held, to theirs in out. Returns the length,
 * or 0 when it exceeds HELLO_MAX.
 */
unsigned hold_join(const struct hold *h, const struct segment *s, uint8_t out[HELLO_MAX]);

#endif
