#include "core/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16384u
#define ALIGNMENT 16u

struct sense_arena_block {
	struct sense_arena_block *next; /* older */
	size_t size;                    /* of data */
	size_t used;
	_Alignas(ALIGNMENT) unsigned char data[];
};

void sense_arena_init(struct sense_arena *arena, size_t limit)
{
	*arena = (struct sense_arena){.limit = limit};
}

static struct sense_arena_block *block_add(struct sense_arena *arena, size_t wanted)
{
	size_t size = wanted > BLOCK_SIZE ? wanted : BLOCK_SIZE;
	if (arena->limit && (arena->held > arena->limit || size > arena->limit - arena->held))
		size = wanted; /* near the bound: no more than is needed */
	if (arena->limit && (arena->held > arena->limit || size > arena->limit - arena->held))
		return NULL;
	struct sense_arena_block *block = malloc(sizeof *block + size);
	if (!block)
		return NULL;
	block->size = size;
	block->used = 0;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->held += size;
	return block;
}

void *sense_arena_alloc(struct sense_arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct sense_arena_block *block = arena->blocks;
	if (!block || block->size - block->used < size)
		block = block_add(arena, size);
	if (!block)
		return NULL;
	void *memory = block->data + block->used;
	block->used += size;
	return memset(memory, 0, size);
}

char *sense_arena_strndup(struct sense_arena *arena, const char *s, size_t len)
{
	char *copy = len < SIZE_MAX ? sense_arena_alloc(arena, len + 1) : NULL;
	if (copy)
		memcpy(copy, s, len);
	return copy;
}

void sense_arena_reset(struct sense_arena *arena)
{
	struct sense_arena_block *first = arena->blocks;
	while (first && first->next) {
		struct sense_arena_block *older = first->next;
		arena->held -= first->size;
		free(first);
		first = older;
	}
	if (first)
		first->used = 0;
	arena->blocks = first;
}

void sense_arena_fini(struct sense_arena *arena)
{
	sense_arena_reset(arena);
	free(arena->blocks);
	*arena = (struct sense_arena){.limit = arena->limit};
}
