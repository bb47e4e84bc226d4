/*
 * Names to numbers: an open-addressed table that is filled once and then only read. Numbers count
 * from 0 in order of insertion. Tags are kept apart from keys, so that a miss reads four bytes.
 */
#ifndef SENSE_CATALOGUE_NAMEMAP_H
#define SENSE_CATALOGUE_NAMEMAP_H

#include <stdint.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/status.h"

struct sense_name_key {
	const char *text; /* borrowed, not terminated */
	uint32_t len;
};

struct sense_namemap {
	uint64_t seed;
	uint32_t *tags;   /* upper half of the hash, never 0; 0: free */
	uint16_t *number; /* by slot */
	struct sense_name_key *keys;
	unsigned mask;
	unsigned count;
	unsigned capacity;
};

/* Room for `capacity` names, at most 65535; memory is the arena's. */
enum sense_status sense_namemap_init(struct sense_namemap *map, struct sense_arena *arena,
                                     unsigned capacity);
/* The number of the name, which is added when it is new; -1 when the map is full. */
int sense_namemap_put(struct sense_namemap *map, const char *text, size_t len);

static inline int sense_namemap_find(const struct sense_namemap *map, const char *text, size_t len)
{
	uint64_t hash = sense_hash(text, len, map->seed);
	uint32_t tag = (uint32_t)(hash >> 32) | 1u;
	for (unsigned slot = (unsigned)hash & map->mask; map->tags[slot]; slot = (slot + 1) & map->mask) {
		if (map->tags[slot] != tag)
			continue;
		const struct sense_name_key *key = &map->keys[map->number[slot]];
		if (key->len == len && !memcmp(key->text, text, len))
			return map->number[slot];
	}
	return -1;
}

#endif
