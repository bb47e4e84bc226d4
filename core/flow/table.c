#include "core/flow/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/hash.h"
#include "core/platform/platform.h"

#define NONE UINT32_MAX
#define RELINK_SHIFT 20 /* 2^20 us: see the header, LRU order within a second does not matter */
#define INDEX_FIRST 8192u /* entries at first: 64 KiB */
/* A large page costs 2 MiB however little of it is used: they begin when the flows fill one. */
#define LARGE_PAGE SENSE_PLATFORM_LARGE_PAGE
#define SMALL_PAGES_FLOWS (uint32_t)(LARGE_PAGE / sizeof(struct sense_flow))
#define LARGE_PAGE_ENTRIES (uint32_t)(LARGE_PAGE / sizeof(struct entry))

/*
 * Index entry: slot + 1 (0: empty) and half of the hash. Its low bits say where the entry belongs,
 * whatever the size of the index; the others tell most misses without a look at the flow.
 */
struct entry {
	uint32_t tag;
	uint32_t slot;
};

struct sense_flow_table {
	struct sense_flow *flows; /* reserved for max, touched as needed */
	struct entry *index;
	uint32_t mask;
	uint32_t room; /* flows that the index is large enough for: it is at most half full */
	uint32_t max;
	uint32_t used;      /* slots ever handed out */
	uint32_t free_list; /* slots given back, chained by lru_next */
	uint32_t newest, oldest;
	uint64_t seed;
	sense_flow_leave *leave;
	void *context;
	struct sense_flow_table_stats stats;
};

static size_t index_bytes(uint32_t mask)
{
	return ((size_t)mask + 1) * sizeof(struct entry);
}

static struct entry *index_new(uint32_t mask)
{
	struct entry *index = sense_platform_reserve(index_bytes(mask));
	if (index && index_bytes(mask) >= LARGE_PAGE)
		sense_platform_large_pages(index, index_bytes(mask), 0);
	return index;
}

static uint32_t room_of(const sense_flow_table *table)
{
	uint32_t room = table->mask / 2 + 1;
	return room < table->max ? room : table->max;
}

sense_flow_table *sense_flow_table_new(uint32_t max_flows, sense_flow_leave *leave, void *context,
                                       sense_error *err)
{
	if (max_flows < 16 || max_flows > 1u << 26) {
		sense_fail(err, SENSE_E_CONFIG, "flow", "flow.max is %u; 16 to %u are possible",
		           max_flows, 1u << 26);
		return NULL;
	}
	sense_flow_table *table = calloc(1, sizeof *table);
	if (!table)
		goto fail;
	uint32_t entries = 32;
	while (entries < INDEX_FIRST && entries < max_flows * 2u)
		entries *= 2;
	*table = (sense_flow_table){.mask = entries - 1,
	                            .max = max_flows,
	                            .free_list = NONE,
	                            .newest = NONE,
	                            .oldest = NONE,
	                            .seed = sense_hash_seed(),
	                            .leave = leave,
	                            .context = context};
	table->flows = sense_platform_reserve((size_t)max_flows * sizeof *table->flows);
	table->index = index_new(table->mask);
	table->room = room_of(table);
	if (table->flows && table->index)
		return table;
fail:
	sense_flow_table_free(table);
	sense_fail(err, SENSE_E_MEMORY, "flow", "no memory for a table of %u flows", max_flows);
	return NULL;
}

void sense_flow_table_free(sense_flow_table *table)
{
	if (!table)
		return;
	if (table->flows)
		munmap(table->flows, (size_t)table->max * sizeof *table->flows);
	if (table->index)
		munmap(table->index, index_bytes(table->mask));
	free(table);
}

bool sense_flow_key_of(const struct sense_decoded *packet, struct sense_flow_key *key)
{
	int order = memcmp(&packet->src, &packet->dst, sizeof packet->src);
	bool from_a = order < 0 || (order == 0 && packet->src_port <= packet->dst_port);
	key->a = from_a ? packet->src : packet->dst;
	key->b = from_a ? packet->dst : packet->src;
	key->port_a = from_a ? packet->src_port : packet->dst_port;
	key->port_b = from_a ? packet->dst_port : packet->src_port;
	key->vlan = packet->vlan;
	key->l4 = packet->l4;
	key->ip_version = packet->ip_version;
	return from_a;
}

uint64_t sense_flow_hash(const sense_flow_table *table, const struct sense_flow_key *key)
{
	uint64_t word[5];
	_Static_assert(sizeof *key == sizeof word, "the key is hashed as five words");
	memcpy(word, key, sizeof word);
	uint64_t h = sense_hash_fold(word[0] ^ table->seed, word[1] ^ SENSE_HASH_K1);
	h = sense_hash_fold(word[2] ^ h, word[3] ^ SENSE_HASH_K0);
	return sense_hash_fold(word[4] ^ h, SENSE_HASH_K1);
}

void sense_flow_table_prefetch(const sense_flow_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->index[(uint32_t)hash & table->mask]);
}

void sense_flow_table_prefetch_flow(const sense_flow_table *table, uint64_t hash)
{
	const struct entry *entry = &table->index[(uint32_t)hash & table->mask];
	if (!entry->slot || entry->tag != (uint32_t)hash)
		return;
	const char *flow = (const char *)&table->flows[entry->slot - 1];
	__builtin_prefetch(flow, 1);
	__builtin_prefetch(flow + 64, 1);
}

/* ---- LRU list ---------------------------------------------------------------------------------- */

static void lru_remove(sense_flow_table *table, uint32_t slot)
{
	struct sense_flow *flow = &table->flows[slot];
	if (flow->lru_prev != NONE)
		table->flows[flow->lru_prev].lru_next = flow->lru_next;
	else
		table->newest = flow->lru_next;
	if (flow->lru_next != NONE)
		table->flows[flow->lru_next].lru_prev = flow->lru_prev;
	else
		table->oldest = flow->lru_prev;
}

static void lru_push(sense_flow_table *table, uint32_t slot)
{
	struct sense_flow *flow = &table->flows[slot];
	flow->lru_prev = NONE;
	flow->lru_next = table->newest;
	if (table->newest != NONE)
		table->flows[table->newest].lru_prev = slot;
	else
		table->oldest = slot;
	table->newest = slot;
}

/* ---- index ------------------------------------------------------------------------------------- */

/* Backward-shift deletion: later members of the probe run move up, so no tombstones remain. */
static void index_remove(sense_flow_table *table, uint32_t hole)
{
	for (uint32_t i = hole;;) {
		i = (i + 1) & table->mask;
		struct entry *entry = &table->index[i];
		if (!entry->slot)
			break;
		uint32_t home = entry->tag & table->mask;
		if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
			table->index[hole] = *entry;
			hole = i;
		}
	}
	table->index[hole] = (struct entry){0};
}

static uint32_t index_of(const sense_flow_table *table, uint32_t slot)
{
	uint32_t i = (uint32_t)sense_flow_hash(table, &table->flows[slot].key) & table->mask;
	while (table->index[i].slot != slot + 1)
		i = (i + 1) & table->mask;
	return i;
}

/* Twice the index or more, as it fills; false when it is as large as it will be, or there is no memory. */
static bool index_grow(sense_flow_table *table)
{
	uint32_t mask = table->mask * 2 + 1;
	if (table->room >= SMALL_PAGES_FLOWS && mask < LARGE_PAGE_ENTRIES)
		mask = LARGE_PAGE_ENTRIES - 1;
	struct entry *larger = table->room < table->max ? index_new(mask) : NULL;
	if (!larger)
		return false;
	for (uint32_t i = 0; i <= table->mask; i++) {
		struct entry entry = table->index[i];
		uint32_t at = entry.tag & mask;
		while (entry.slot && larger[at].slot)
			at = (at + 1) & mask;
		if (entry.slot)
			larger[at] = entry;
	}
	munmap(table->index, index_bytes(table->mask));
	table->index = larger;
	table->mask = mask;
	table->room = room_of(table);
	return true;
}

static void leave(sense_flow_table *table, uint32_t slot)
{
	if (table->leave)
		table->leave(table->context, &table->flows[slot]);
	index_remove(table, index_of(table, slot));
	lru_remove(table, slot);
	table->flows[slot].lru_next = table->free_list;
	table->free_list = slot;
	table->stats.live--;
}

static struct sense_flow *flow_start(sense_flow_table *table, uint32_t slot,
                                     const struct sense_flow_key *key, uint64_t ts_us)
{
	struct sense_flow *flow = &table->flows[slot];
	memset(flow, 0, sizeof *flow);
	flow->key = *key;
	flow->first_ts = flow->last_ts = ts_us;
	lru_push(table, slot);
	table->stats.created++;
	if (++table->stats.live > table->stats.peak)
		table->stats.peak = table->stats.live;
	return flow;
}

static uint32_t slot_take(sense_flow_table *table)
{
	if (table->stats.live == table->room && !index_grow(table)) {
		table->stats.evicted++;
		leave(table, table->oldest);
	}
	if (table->free_list == NONE) {
		if (table->used == SMALL_PAGES_FLOWS)
			sense_platform_large_pages(table->flows, table->max * sizeof *table->flows, LARGE_PAGE);
		return table->used++;
	}
	uint32_t slot = table->free_list;
	table->free_list = table->flows[slot].lru_next;
	return slot;
}

struct sense_flow *sense_flow_table_get(sense_flow_table *table, const struct sense_flow_key *key,
                                        uint64_t hash, uint64_t ts_us, bool *created)
{
	uint32_t tag = (uint32_t)hash;
	uint32_t i = tag & table->mask;
	*created = false;
	for (; table->index[i].slot; i = (i + 1) & table->mask) {
		struct entry entry = table->index[i];
		struct sense_flow *flow = &table->flows[entry.slot - 1];
		if (entry.tag != tag || memcmp(&flow->key, key, sizeof *key))
			continue;
		if (ts_us >> RELINK_SHIFT != flow->last_ts >> RELINK_SHIFT && table->newest != entry.slot - 1) {
			lru_remove(table, entry.slot - 1);
			lru_push(table, entry.slot - 1);
		}
		return flow;
	}
	*created = true;
	uint32_t slot = slot_take(table);
	/* Making room may have moved this probe run. */
	for (i = tag & table->mask; table->index[i].slot;)
		i = (i + 1) & table->mask;
	table->index[i] = (struct entry){.tag = tag, .slot = slot + 1};
	return flow_start(table, slot, key, ts_us);
}

void sense_flow_table_expire(sense_flow_table *table, uint64_t before_us)
{
	while (table->oldest != NONE && table->flows[table->oldest].last_ts < before_us) {
		table->stats.expired++;
		leave(table, table->oldest);
	}
}

void sense_flow_table_drain(sense_flow_table *table)
{
	while (table->oldest != NONE)
		leave(table, table->oldest);
}

const struct sense_flow_table_stats *sense_flow_table_stats(const sense_flow_table *table)
{
	return &table->stats;
}
