#include "core/rules/throttle.h"

#include <stdatomic.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/rules/memory.h"

#define MAGIC UINT64_C(0x73656e7365746831) /* changes with the layout */
#define WAYS 4
#define TRIES 8 /* against other workers at the same entry; then the finding goes out */

/* state: start of the window in milliseconds since the epoch << 22 | findings held back in it. */
#define COUNT_BITS 22
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)
#define TIME_MAX (UINT64_MAX >> COUNT_BITS)

struct entry {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t state;
};

struct bucket {
	struct entry entries[WAYS]; /* one cache line */
};

struct sense_throttle_table {
	_Atomic uint64_t magic;
	uint64_t bucket_count;
	uint64_t seed; /* of the keys: stays the same over the restart of a worker */
	_Atomic uint64_t suppressed, replaced, lost;
	uint64_t reserved[2];
	struct bucket buckets[];
};

_Static_assert(sizeof(struct sense_throttle_table) == SENSE_MEMORY_HEAD, "buckets begin at a cache line");

size_t sense_throttle_bytes(unsigned keys)
{
	size_t buckets = 1;
	while (buckets * WAYS < keys)
		buckets *= 2;
	return sizeof(struct sense_throttle_table) + buckets * sizeof(struct bucket);
}

enum sense_status sense_throttle_attach(struct sense_throttle *throttle, void *memory, size_t bytes,
					sense_error *err)
{
	struct sense_throttle_table *table = memory;
	uint64_t buckets = 1;

	if (!memory || bytes < sense_throttle_bytes(1))
		return sense_fail(err, SENSE_E_LIMIT, "rules",
				  "%zu bytes are too few to throttle findings in", bytes);
	while (sizeof(*table) + 2 * buckets * sizeof(struct bucket) <= bytes)
		buckets *= 2;
	if (atomic_load(&table->magic) != MAGIC || table->bucket_count != buckets) {
		sense_memory_clear(memory, sizeof(*table) + buckets * sizeof(struct bucket));
		table->bucket_count = buckets;
		table->seed = sense_hash_seed();
		atomic_store(&table->magic, MAGIC);
	}
	/* From here on the size is what we computed, whatever others write there. */
	*throttle = (struct sense_throttle){.table = table, .bucket_mask = buckets - 1, .seed = table->seed};
	return SENSE_OK;
}

static uint64_t hash_value(const struct sense_value *value, uint64_t hash)
{
	switch (value->type) {
	case SENSE_VALUE_STRING:
		return sense_hash(value->string.text, value->string.len, hash + 1);
	case SENSE_VALUE_NUMBER:
		return sense_hash(&value->number, sizeof(value->number), hash + 2);
	case SENSE_VALUE_BOOL:
		return sense_hash(&value->boolean, sizeof(value->boolean), hash + 3);
	case SENSE_VALUE_ADDR:
		return sense_hash(&value->addr, sizeof(value->addr), hash + 4);
	default:
		return sense_hash("", 0, hash + 5);
	}
}

static uint64_t key_of(const struct sense_throttle *throttle, const struct sense_rule *rule,
		       const struct sense_event *event)
{
	uint64_t hash = sense_hash(rule->id, strlen(rule->id), throttle->seed);
	for (unsigned i = 0; i < rule->throttle_by_count; i++) {
		struct sense_value value;
		sense_event_get(event, rule->throttle_by[i], &value);
		hash = hash_value(&value, hash);
	}
	return hash ? hash : 1;
}

static uint64_t count(_Atomic uint64_t *counter, uint64_t more)
{
	return atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static bool within(uint64_t start, uint64_t now, uint64_t window)
{
	return now >= start ? now - start < window : start - now < window;
}

/* An entry that has the key: hold back and count, or begin a new window. */
static bool pass(struct sense_throttle *throttle, struct entry *entry, uint64_t now, uint64_t window,
		 uint64_t *suppressed)
{
	uint64_t state = atomic_load_explicit(&entry->state, memory_order_relaxed);

	for (int i = 0; i < TRIES; i++) {
		uint64_t held = state & COUNT_MAX;
		bool hold = within(state >> COUNT_BITS, now, window);
		uint64_t next = hold ? state + (held < COUNT_MAX) : now << COUNT_BITS;
		if (!atomic_compare_exchange_weak(&entry->state, &state, next))
			continue;
		if (hold)
			count(&throttle->table->suppressed, 1);
		else
			*suppressed = held;
		return !hold;
	}
	return true;
}

/* A free entry of the bucket, or the one whose window began first. */
static struct entry *oldest(struct bucket *bucket)
{
	struct entry *best = &bucket->entries[0];
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < WAYS; i++) {
		struct entry *entry = &bucket->entries[i];
		uint64_t start = atomic_load_explicit(&entry->state, memory_order_relaxed) >> COUNT_BITS;
		if (!atomic_load_explicit(&entry->key, memory_order_relaxed))
			return entry;
		if (start < least) {
			least = start;
			best = entry;
		}
	}
	return best;
}

static void replace(struct sense_throttle *throttle, struct entry *entry, uint64_t key, uint64_t now)
{
	uint64_t before = atomic_exchange(&entry->key, key);
	uint64_t state = atomic_exchange(&entry->state, now << COUNT_BITS);

	if (!before)
		return;
	count(&throttle->table->replaced, 1);
	count(&throttle->table->lost, state & COUNT_MAX);
}

bool sense_throttle_pass(struct sense_throttle *throttle, const struct sense_rule *rule,
			 const struct sense_event *event, uint64_t *suppressed)
{
	*suppressed = 0;
	if (!rule->throttle_us)
		return true;
	uint64_t key = key_of(throttle, rule, event);
	uint64_t now = event->ts_us / 1000 & TIME_MAX;
	uint64_t window = rule->throttle_us < 1000 ? 1 : rule->throttle_us / 1000;
	struct bucket *bucket = &throttle->table->buckets[key >> 20 & throttle->bucket_mask];

	for (unsigned i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&bucket->entries[i].key, memory_order_relaxed) == key)
			return pass(throttle, &bucket->entries[i], now, window, suppressed);
	replace(throttle, oldest(bucket), key, now);
	return true;
}

void sense_throttle_stats(const struct sense_throttle *throttle, struct sense_throttle_stats *out)
{
	struct sense_throttle_table *table = throttle->table;
	out->suppressed = atomic_load(&table->suppressed);
	out->replaced = atomic_load(&table->replaced);
	out->lost = atomic_load(&table->lost);
}
