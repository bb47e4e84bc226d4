/*
 * One ring of TPACKET_V3 blocks, mapped: where to go on in it, and what there is to take. It lives with its
 * socket when a worker dies, and the next one goes on behind what the dead one had in hand.
 */
#ifndef PACKET_RING_H
#define PACKET_RING_H

#include "block.h"

struct ring {
	uint8_t *base; /* NULL: not mapped */
	uint32_t blocks;
	uint32_t now; /* the block in hand, or the one that comes next */
	bool in_hand;
	struct block block; /* while in_hand */
};

/* False, with errno: it cannot be mapped. */
bool ring_map(struct ring *ring, int fd, uint32_t blocks);
/* Gives back what was read. One that is not mapped is fine. */
void ring_unmap(struct ring *ring);
/* Looks for the place to go on anew, with no block in hand. */
void ring_find_place(struct ring *ring);
/* Gives out at most max packets, valid until the next call. 0: there is nothing now. */
unsigned ring_take(struct ring *ring, struct sense_packet *packets, unsigned max, struct block_counts *counts);
/* There is. */
bool ring_is_ready(const struct ring *ring);
/* A quarter of it waits to be read. */
bool ring_is_pressed(const struct ring *ring);
/* Nothing is in it. True only when packets go elsewhere by now. */
bool ring_is_empty(struct ring *ring);

#endif
