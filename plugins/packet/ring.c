#include "ring.h"

#include <sys/mman.h>

enum { PRESSED_PART = 4 };

static uint8_t *block_at(const struct ring *ring, uint32_t number)
{
	return ring->base + (size_t)number * BLOCK_BYTES;
}

bool ring_map(struct ring *ring, int fd, uint32_t blocks)
{
	void *base =
	    mmap(NULL, (size_t)blocks * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return false;
	*ring = (struct ring){.base = base, .blocks = blocks};
	ring_find_place(ring);
	return true;
}

static void give_back(struct ring *ring)
{
	block_release(ring->block.base);
	ring->in_hand = false;
	ring->now = (ring->now + 1) % ring->blocks;
}

void ring_unmap(struct ring *ring)
{
	if (!ring->base)
		return;
	if (ring->in_hand && ring->block.given == ring->block.count)
		give_back(ring);
	munmap(ring->base, (size_t)ring->blocks * BLOCK_BYTES);
	*ring = (struct ring){0};
}

/* ---- where to go on -------------------------------------------------------------------------- */

/* Before `other`: what can be read goes before what the kernel still fills. */
static bool comes_before(const uint8_t *one, const uint8_t *other)
{
	bool ours = block_is_ours(one), others = block_is_ours(other);
	if (ours != others)
		return ours;
	return ours ? block_seq(one) < block_seq(other) : block_seq(one) > block_seq(other);
}

/*
 * The oldest block that is ours; if none is, the one with the highest number, which the kernel opened last.
 * While it is looked for the kernel goes on: those that it closed behind our back lie before what was found.
 */
void ring_find_place(struct ring *ring)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < ring->blocks; i++) {
		block_mend(block_at(ring, i));
		if (comes_before(block_at(ring, i), block_at(ring, found)))
			found = i;
	}
	for (uint32_t i = 0; i < ring->blocks; i++) {
		uint32_t before = (found + ring->blocks - 1) % ring->blocks;
		const uint8_t *at = block_at(ring, before);
		if (!block_is_ours(at) || block_seq(at) + 1 != block_seq(block_at(ring, found)))
			break;
		found = before;
	}
	ring->now = found;
}

bool ring_is_ready(const struct ring *ring)
{
	return ring->base && (ring->in_hand || block_is_ours(block_at(ring, ring->now)));
}

bool ring_is_pressed(const struct ring *ring)
{
	return block_is_ours(block_at(ring, (ring->now + ring->blocks / PRESSED_PART) % ring->blocks));
}

bool ring_is_empty(struct ring *ring)
{
	if (ring_is_ready(ring))
		return false;
	ring_find_place(ring);
	return block_is_empty(block_at(ring, ring->now));
}

/* ---- reading --------------------------------------------------------------------------------- */

unsigned ring_take(struct ring *ring, struct sense_packet *packets, unsigned max, struct block_counts *counts)
{
	unsigned n = 0;
	while (!n && max) {
		if (ring->in_hand && ring->block.given == ring->block.count)
			give_back(ring);
		if (!ring->in_hand && !block_is_ours(block_at(ring, ring->now)))
			break;
		if (!ring->in_hand) {
			block_enter(&ring->block, block_at(ring, ring->now));
			ring->in_hand = true;
		}
		n = block_take(&ring->block, packets, max, counts);
	}
	return n;
}
