/*
 * A block of the capture ring that someone else wrote: the source of the plugin `packet` that reads it is
 * compiled in. Every byte of every packet must lie in the block, and who takes a block up half-way must get
 * the rest of it.
 */
#include <stdlib.h>
#include <string.h>

#include "plugins/packet/block.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sum;

static void check(bool good)
{
	if (!good)
		abort();
}

static unsigned take(struct block *block, unsigned max)
{
	struct sense_packet packets[4];
	struct block_counts counts = {0};
	uint32_t before = block->given;
	unsigned n = block_take(block, packets, max, &counts);
	check(n <= max && n + counts.malformed + counts.foreign == block->given - before);
	for (unsigned i = 0; i < n; i++) {
		check(packets[i].caplen <= packets[i].len);
		check(packets[i].data >= block->base &&
		      packets[i].caplen <= (size_t)(block->base + BLOCK_BYTES - packets[i].data));
		for (uint32_t k = 0; k < packets[i].caplen; k += 16)
			sum += packets[i].data[k];
		if (packets[i].caplen)
			sum += packets[i].data[packets[i].caplen - 1];
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *base = calloc(1, BLOCK_BYTES);
	struct block block, successor;
	check(base);
	memcpy(base, data, size < BLOCK_BYTES ? size : BLOCK_BYTES);
	block_mend(base);
	block_enter(&block, base);
	check(block.given <= block.count && block.count <= BLOCK_BYTES);
	while (take(&block, 3)) {
		block_enter(&successor, base);
		/* Its numbers may be overwritten: a tag is put back into what comes before a frame. */
		if (successor.seq == block.seq && successor.count == block.count)
			check(successor.given <= block.count);
	}
	check(block.given == block.count);
	block_release(base);
	check(!block_is_ours(base));
	free(base);
	return 0;
}
