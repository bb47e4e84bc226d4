/*
 * Addresses and the names they came from. Every entry is in two hash chains (client and server;
 * server alone, the newest in front) and in one list by use. All links are slot numbers + 1, so
 * that zeroed memory is an empty cache.
 */
#include "core/names/namecache.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define SECOND UINT64_C(1000000)
#define TTL_MIN 60u
#define TTL_MAX 86400u
#define ENTRIES_MAX (1u << 24)
/* Entries of other clients or other servers that a look-up by server passes before it gives up. */
#define FALLBACK_STEPS 32u

enum { CHAIN_PAIR, CHAIN_SERVER, CHAINS };

struct key {
	struct sense_addr client;
	struct sense_addr server;
};

struct link {
	uint32_t prev; /* slot + 1; 0: first of its chain */
	uint32_t next;
};

struct entry {
	struct key key;
	uint64_t expires_us;
	const struct sense_str *name;
	struct link chain[CHAINS];
	struct link use;
};

struct sense_namecache {
	sense_intern *strings;
	struct entry *entries;
	uint32_t *heads[CHAINS];
	uint32_t mask;
	uint32_t max;
	uint32_t used;
	uint32_t newest; /* slot + 1 of the most recently used */
	uint32_t oldest;
	uint64_t seed;
};

sense_namecache *sense_namecache_new(sense_intern *strings, unsigned max_entries)
{
	sense_namecache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return NULL;
	cache->strings = strings;
	cache->seed = sense_hash_seed();
	cache->max = !max_entries ? 1 : max_entries > ENTRIES_MAX ? ENTRIES_MAX : max_entries;
	uint32_t heads = 16;
	while (heads < cache->max)
		heads *= 2;
	cache->mask = heads - 1;
	/* Untouched pages of a large calloc cost nothing until names arrive. */
	cache->entries = calloc(cache->max, sizeof(*cache->entries));
	for (int i = 0; i < CHAINS; i++)
		cache->heads[i] = calloc(heads, sizeof(*cache->heads[i]));
	if (!cache->entries || !cache->heads[CHAIN_PAIR] || !cache->heads[CHAIN_SERVER]) {
		sense_namecache_free(cache);
		return NULL;
	}
	return cache;
}

void sense_namecache_free(sense_namecache *cache)
{
	if (!cache)
		return;
	for (uint32_t i = 0; i < cache->used; i++)
		sense_intern_unref(cache->strings, cache->entries[i].name);
	for (int i = 0; i < CHAINS; i++)
		free(cache->heads[i]);
	free(cache->entries);
	free(cache);
}

static struct entry *entry_at(const sense_namecache *cache, uint32_t link)
{
	return link ? &cache->entries[link - 1] : NULL;
}

static uint32_t link_to(const sense_namecache *cache, const struct entry *entry)
{
	return (uint32_t)(entry - cache->entries) + 1;
}

static uint32_t *head_of(const sense_namecache *cache, int chain, const struct key *key)
{
	const void *data = chain == CHAIN_PAIR ? (const void *)key : &key->server;
	size_t size = chain == CHAIN_PAIR ? sizeof(*key) : sizeof(key->server);
	return &cache->heads[chain][sense_hash(data, size, cache->seed) & cache->mask];
}

static void chain_add(sense_namecache *cache, int chain, struct entry *entry)
{
	uint32_t *head = head_of(cache, chain, &entry->key);
	entry->chain[chain] = (struct link){ .next = *head };
	if (*head)
		entry_at(cache, *head)->chain[chain].prev = link_to(cache, entry);
	*head = link_to(cache, entry);
}

static void chain_remove(sense_namecache *cache, int chain, struct entry *entry)
{
	struct link link = entry->chain[chain];
	if (link.prev)
		entry_at(cache, link.prev)->chain[chain].next = link.next;
	else
		*head_of(cache, chain, &entry->key) = link.next;
	if (link.next)
		entry_at(cache, link.next)->chain[chain].prev = link.prev;
}

static void use_remove(sense_namecache *cache, struct entry *entry)
{
	struct link link = entry->use;
	*(link.prev ? &entry_at(cache, link.prev)->use.next : &cache->newest) = link.next;
	*(link.next ? &entry_at(cache, link.next)->use.prev : &cache->oldest) = link.prev;
}

static void use_add(sense_namecache *cache, struct entry *entry)
{
	uint32_t self = link_to(cache, entry);
	entry->use = (struct link){ .next = cache->newest };
	*(cache->newest ? &entry_at(cache, cache->newest)->use.prev : &cache->oldest) = self;
	cache->newest = self;
}

static void touch(sense_namecache *cache, struct entry *entry)
{
	if (cache->newest == link_to(cache, entry))
		return;
	use_remove(cache, entry);
	use_add(cache, entry);
}

static struct entry *pair_find(const sense_namecache *cache, const struct key *key)
{
	struct entry *entry = entry_at(cache, *head_of(cache, CHAIN_PAIR, key));
	while (entry && memcmp(&entry->key, key, sizeof(*key)))
		entry = entry_at(cache, entry->chain[CHAIN_PAIR].next);
	return entry;
}

/* A free slot, or that of the entry which nobody asked for longest. */
static struct entry *entry_take(sense_namecache *cache)
{
	if (cache->used < cache->max)
		return &cache->entries[cache->used++];
	struct entry *entry = entry_at(cache, cache->oldest);
	for (int i = 0; i < CHAINS; i++)
		chain_remove(cache, i, entry);
	use_remove(cache, entry);
	sense_intern_unref(cache->strings, entry->name);
	return entry;
}

static void remember(sense_namecache *cache, const struct key *key, const struct sense_str *name,
                     uint64_t expires_us)
{
	struct entry *entry = pair_find(cache, key);
	if (entry) {
		const struct sense_str *old = entry->name;
		entry->name = sense_intern_ref(name);
		sense_intern_unref(cache->strings, old);
		use_remove(cache, entry);
		chain_remove(cache, CHAIN_SERVER, entry);
	} else {
		entry = entry_take(cache);
		entry->key = *key;
		entry->name = sense_intern_ref(name);
		chain_add(cache, CHAIN_PAIR, entry);
	}
	entry->expires_us = expires_us;
	chain_add(cache, CHAIN_SERVER, entry);
	use_add(cache, entry);
}

/*
 * Filters answer with 0.0.0.0, :: or loopback for names they block: such an answer would give every
 * local flow the name of something that was never reached.
 */
static bool names_a_host(const struct sense_addr *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[15];
	if (!memcmp(addr->bytes, mapped, sizeof(mapped)))
		return addr->bytes[12] != 0 && addr->bytes[12] != 127;
	return memcmp(addr->bytes, zero, sizeof(zero)) || addr->bytes[15] > 1;
}

void sense_namecache_learn(sense_namecache *cache, const struct sense_addr *client,
                           const struct sense_dns *response, uint64_t ts_us)
{
	if (!response->response || response->rcode || !response->name[0] || !response->answer_count)
		return;
	const struct sense_str *name =
	    sense_intern_get(cache->strings, response->name, strlen(response->name));
	if (!name)
		return;
	for (unsigned i = 0; i < response->answer_count; i++) {
		const struct sense_dns_answer *answer = &response->answers[i];
		if (!names_a_host(&answer->addr))
			continue;
		struct key key = { .client = *client, .server = answer->addr };
		uint32_t ttl = answer->ttl < TTL_MIN ? TTL_MIN : answer->ttl > TTL_MAX ? TTL_MAX : answer->ttl;
		remember(cache, &key, name, ts_us + ttl * SECOND);
	}
	sense_intern_unref(cache->strings, name);
}

/* What the newest answer to anybody said. Bounded: one server's chain may hold every client. */
static struct entry *server_find(const sense_namecache *cache, const struct key *key, uint64_t ts_us)
{
	struct entry *entry = entry_at(cache, *head_of(cache, CHAIN_SERVER, key));
	for (unsigned i = 0; entry && i < FALLBACK_STEPS; i++) {
		if (entry->expires_us >= ts_us && !memcmp(&entry->key.server, &key->server, sizeof(key->server)))
			return entry;
		entry = entry_at(cache, entry->chain[CHAIN_SERVER].next);
	}
	return NULL;
}

const struct sense_str *sense_namecache_find(sense_namecache *cache, const struct sense_addr *client,
                                             const struct sense_addr *server, uint64_t ts_us)
{
	struct key key = { .client = *client, .server = *server };
	struct entry *entry = pair_find(cache, &key);
	if (!entry || entry->expires_us < ts_us)
		entry = server_find(cache, &key, ts_us);
	if (!entry)
		return NULL;
	touch(cache, entry);
	return entry->name;
}
