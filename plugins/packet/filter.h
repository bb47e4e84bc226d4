/*
 * The classic BPF program (Linux, Documentation/networking/filter.rst) that the kernel runs on each frame
 * before it takes room in the ring: which interfaces, loopback once only, then the user's own expression.
 *
 * The expression is compiled by libpcap thrice: for Ethernet; for Ethernet with a VLAN tag, which the kernel
 * mostly takes out of a frame before the program sees it, but not always; and for raw IP, for devices without
 * a link layer.
 */
#ifndef PACKET_FILTER_H
#define PACKET_FILTER_H

#include <linux/filter.h>

#include "core/sense_plugin.h"

enum { FILTER_INTERFACES_MAX = 256 };

enum filter_part { FILTER_RAW, FILTER_TAGGED, FILTER_ETHERNET, FILTER_PARTS };

/* The user's part. Zeroes: there is none. A part that is missing alone matches nothing. */
struct filter_expression {
	bool given;
	struct sock_filter *code[FILTER_PARTS]; /* owned */
	unsigned count[FILTER_PARTS];
};

/* "" gives the empty one. */
enum sense_status filter_compile(struct filter_expression *expression, const struct sense_host *host,
                                 const char *text, uint32_t snaplen, sense_error *err);
void filter_free(struct filter_expression *expression);

struct filter_want {
	bool only; /* these interfaces, and if there are none, nothing; or else all but these */
	const unsigned *indexes;
	unsigned count;
	uint32_t snaplen;
	const struct filter_expression *expression;
};

/* Writes at most BPF_MAXINSNS instructions, gives their number; 0: they would be more. */
unsigned filter_build(const struct filter_want *want, struct sock_filter *out);

#endif
