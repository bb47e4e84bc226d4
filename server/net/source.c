#include "server/net/source.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

struct entry {
	struct sense_source source;
	uint32_t count; /* 0: empty */
};

struct sense_sources {
	uint64_t seed;
	unsigned per_source;
	size_t cap; /* a power of two, more than twice of what it holds at most */
	struct entry entries[];
};

sense_sources *sense_sources_new(unsigned capacity, unsigned per_source)
{
	size_t cap = 16;
	while (cap < (size_t)capacity * 2)
		cap *= 2;
	sense_sources *sources = calloc(1, sizeof *sources + cap * sizeof sources->entries[0]);
	if (!sources)
		return NULL;
	sources->seed = sense_hash_seed();
	sources->per_source = per_source;
	sources->cap = cap;
	return sources;
}

void sense_sources_free(sense_sources *sources)
{
	free(sources);
}

void sense_source_of(const struct sockaddr *address, struct sense_source *out)
{
	memset(out, 0, sizeof *out);
	if (address->sa_family == AF_INET)
		memcpy(out->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
	else if (address->sa_family == AF_INET6)
		memcpy(out->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof out->bytes);
}

static size_t home(const sense_sources *sources, const struct sense_source *source)
{
	return sense_hash(source, sizeof *source, sources->seed) & (sources->cap - 1);
}

static struct entry *find(sense_sources *sources, const struct sense_source *source)
{
	size_t at = home(sources, source);
	while (sources->entries[at].count && memcmp(&sources->entries[at].source, source, sizeof *source))
		at = (at + 1) & (sources->cap - 1);
	return &sources->entries[at];
}

bool sense_source_take(sense_sources *sources, const struct sense_source *source)
{
	struct entry *entry = find(sources, source);
	if (entry->count >= sources->per_source)
		return false;
	entry->source = *source;
	entry->count++;
	return true;
}

/* Entries behind one that went move up, so that none is behind a gap (Knuth, TAOCP 3, 6.4, algorithm R). */
static void gap_close(sense_sources *sources, size_t gap)
{
	size_t mask = sources->cap - 1;
	for (size_t at = (gap + 1) & mask; sources->entries[at].count; at = (at + 1) & mask) {
		size_t from = home(sources, &sources->entries[at].source);
		if (((at - from) & mask) < ((at - gap) & mask))
			continue;
		sources->entries[gap] = sources->entries[at];
		sources->entries[at].count = 0;
		gap = at;
	}
}

void sense_source_give(sense_sources *sources, const struct sense_source *source)
{
	struct entry *entry = find(sources, source);
	if (entry->count && !--entry->count)
		gap_close(sources, (size_t)(entry - sources->entries));
}
