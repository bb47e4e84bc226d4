/*
 * Arena: memory that is given back all at once.
 *
 * Blocks come from malloc and are chained; sense_arena_reset keeps the first block, so an arena
 * used in a loop stops allocating. `limit` bounds the sum of blocks: above it every allocation
 * returns NULL. An arena that is all zeroes is empty and has no limit.
 */
#ifndef SENSE_BASE_ARENA_H
#define SENSE_BASE_ARENA_H

#include <stddef.h>

struct sense_arena_block;

struct sense_arena {
	struct sense_arena_block *blocks;
	size_t limit; /* bytes; 0: none */
	size_t held;  /* bytes of all blocks */
};

void sense_arena_init(struct sense_arena *arena, size_t limit);
void *sense_arena_alloc(struct sense_arena *arena, size_t size); /* aligned to 16; zeroed; or NULL */
char *sense_arena_strndup(struct sense_arena *arena, const char *s, size_t len);
void sense_arena_reset(struct sense_arena *arena);
void sense_arena_fini(struct sense_arena *arena);

#endif
