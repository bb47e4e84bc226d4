/*
 * What a reader and the privileged side tell each other about one worker's rings: memory that both map, made
 * before the fork.
 *
 * A worker cannot ask a socket for the shape of its ring (getsockopt is not among its calls), so it is noted
 * here. Whoever reads believes the other side only as far as it must: a worker that was taken over can write
 * here, and gets a ring of the wrong size, or wrong figures, and nothing else.
 */
#ifndef PACKET_SHARE_H
#define PACKET_SHARE_H

#include <stdatomic.h>

#include "core/sense_plugin.h"

enum { SHARE_MAX = 64, SHARE_INTERFACES_MAX = 64 };

/* The small ring is always there, the large one while it is needed (room.h). */
enum share_ring { RING_SMALL, RING_LARGE, RINGS };

struct share {
	/* The privileged side's. */
	_Atomic uint32_t blocks[RINGS]; /* 0: there is no such ring now */
	_Atomic uint32_t turn;          /* even: packets go to the small ring; odd: to the large one */
	_Atomic uint32_t interfaces[SHARE_INTERFACES_MAX]; /* indexes of those that are counted; 0: none */
	/* The reader's, which go on when another worker takes over. */
	_Atomic uint32_t arrived; /* the turn up to which nothing is left in the ring before */
	_Atomic uint32_t pressed; /* a good part of the ring waited to be read */
	_Atomic uint64_t frames, bytes;
	_Atomic uint64_t frames_of[SHARE_INTERFACES_MAX];
};

/* Known by the socket of the small ring, to this process and those forked from it. */
struct share_row {
	struct share *share;
	int fds[RINGS]; /* -1: there is none */
	int wake;       /* becomes readable when one of both does */
};

/* NULL: there are SHARE_MAX already, or no memory. */
struct share_row *share_new(void);
void share_free(struct share_row *row);
const struct share_row *share_find(int fd);

/* Counted by one thread at a time: a store is enough. */
static inline void share_add(_Atomic uint64_t *to, uint64_t value)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + value,
	                      memory_order_relaxed);
}

#endif
