/*
 * One block of a TPACKET_V3 ring: a header, a mark of ours, then frames one behind the other (packet(7);
 * Linux, Documentation/networking/packet_mmap.rst).
 *
 * The kernel wrote it, but a worker before this one could write there too, so nothing in it is believed:
 * every offset is held to the block. Frames are given out where they lie; a VLAN tag, which the kernel keeps
 * apart, is put back into its frame.
 */
#ifndef PACKET_BLOCK_H
#define PACKET_BLOCK_H

#include "core/sense_plugin.h"

/*
 * Holds the largest frame of a loopback interface (64 KiB and a header) several times. Not more, for the
 * kernel begins a new block every BLOCK_TIMEOUT_MS however little is in it: what a ring bridges while nobody
 * reads is its number of blocks times that.
 */
enum {
	BLOCK_BYTES = 256 * 1024,
	BLOCK_TIMEOUT_MS = 20, /* a packet waits so long at most; who sent it is often known by then */
	BLOCK_MARK_BYTES = 16,
	BLOCKS_LEAST = 8 /* of a ring */
};

/*
 * How far a block was read: kept in the part of it that the kernel leaves to the reader, so that whoever
 * comes after a worker that died passes over what that one had in hand.
 */
struct block_mark {
	uint64_t seq; /* the block's number, or the mark is an old one */
	uint32_t given;
	uint32_t next; /* offset of the frame behind those */
};
_Static_assert(sizeof(struct block_mark) == BLOCK_MARK_BYTES, "the mark fills its place");

/* What there is to take of a block. */
struct block {
	uint8_t *base;
	uint64_t seq;
	uint32_t end;   /* offset of the end of what was written */
	uint32_t count; /* of frames */
	uint32_t given;
	uint32_t next;
};

/* What became of frames. */
struct block_counts {
	struct share *share; /* where all are counted by their interface; NULL: nowhere */
	unsigned slot;       /* there, of the latest frame's interface */
	uint64_t malformed;  /* not given out */
	uint64_t foreign;    /* nor these, of a link layer that is neither Ethernet nor IP */
	uint16_t foreign_type; /* the last one's ARPHRD_ */
};

/* State of a block, and whose it is. */
bool block_is_ours(const uint8_t *base);
uint64_t block_seq(const uint8_t *base);
void block_release(uint8_t *base);
/* The kernel's, and nothing in it is still to come. True only when packets go elsewhere by now. */
bool block_is_empty(const uint8_t *base);
/* A state that the kernel never sets would be nobody's for ever. */
void block_mend(uint8_t *base);

/* Takes a block up, where the mark says that it was left. */
void block_enter(struct block *block, uint8_t *base);
/* Gives out at most max packets, and marks them. 0: nothing is left. */
unsigned block_take(struct block *block, struct sense_packet *packets, unsigned max,
                    struct block_counts *counts);

#endif
