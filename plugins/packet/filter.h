/*
 * The classic BPF program (Linux, Documentation/networking/filter.rst) that the kernel runs on each frame before
 * it takes room in the ring: which interfaces, loopback once only, then the user's own expression.
 *
 * The expression is compiled by libpcap as for a capture of Ethernet, and once more as for one of raw IP, for
 * devices without a link layer. The kernel takes a VLAN tag out of a frame before the program sees it: what is
 * behind the tag lies where it lies without one.
 */
#ifndef PACKET_FILTER_H
#define PACKET_FILTER_H

#include <linux/filter.h>

#include "core/sense_plugin.h"

enum { FILTER_INTERFACES_MAX = 256 };

/* The user's part. Zeroes: there is none. */
struct filter_expression {
	struct sock_filter *ethernet, *raw; /* owned */
	unsigned ethernet_count, raw_count;
};

/* "" gives the empty one. */
enum sense_status filter_compile(struct filter_expression *expression, const struct sense_host *host,
                                 const char *text, uint32_t snaplen, sense_error *err);
void filter_free(struct filter_expression *expression);

struct filter_want {
	bool named; /* only these interfaces; none of them: nothing */
	const unsigned *indexes;
	unsigned count;
	uint32_t snaplen;
	const struct filter_expression *expression;
};

/* Writes at most BPF_MAXINSNS instructions, gives their number; 0: they would be more. */
unsigned filter_build(const struct filter_want *want, struct sock_filter *out);

#endif
