#include "core/catalogue/namemap.h"

enum sense_status sense_namemap_init(struct sense_namemap *map, struct sense_arena *arena,
                                     unsigned capacity)
{
	unsigned slots = 16;
	if (capacity > UINT16_MAX)
		return SENSE_E_LIMIT;
	while (slots < capacity * 2)
		slots *= 2;
	*map = (struct sense_namemap){.seed = sense_hash_seed(), .mask = slots - 1, .capacity = capacity};
	map->tags = sense_arena_alloc(arena, slots * sizeof *map->tags);
	map->number = sense_arena_alloc(arena, slots * sizeof *map->number);
	map->keys = sense_arena_alloc(arena, (capacity + 1) * sizeof *map->keys);
	return map->tags && map->number && map->keys ? SENSE_OK : SENSE_E_MEMORY;
}

int sense_namemap_put(struct sense_namemap *map, const char *text, size_t len)
{
	int found = sense_namemap_find(map, text, len);
	if (found >= 0)
		return found;
	if (map->count == map->capacity)
		return -1;
	uint64_t hash = sense_hash(text, len, map->seed);
	unsigned slot = (unsigned)hash & map->mask;
	while (map->tags[slot])
		slot = (slot + 1) & map->mask;
	map->tags[slot] = (uint32_t)(hash >> 32) | 1u;
	map->number[slot] = (uint16_t)map->count;
	map->keys[map->count] = (struct sense_name_key){text, (uint32_t)len};
	return (int)map->count++;
}
