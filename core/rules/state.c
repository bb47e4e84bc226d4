#include "core/rules/state.h"

#include <sched.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/rules/memory.h"

#define MAGIC UINT64_C(0x73656e7365737431) /* changes with the layout */
#define WAYS 16u
#define SPINS 100 /* some microseconds, where a counter takes a tenth of one */
#define YIELDS 50 /* so that an owner who sleeps may go on */
#define TRIES 8   /* against others who take the same lock away; then on without it */

/* A key: 16 bits of the policy, so that its share can be counted, and 48 of the hash. */
#define TAG_SHIFT 48
#define BUCKET_SHIFT 40

enum kind { KIND_SUM, KIND_DISTINCT, KIND_FIRST, KIND_LAST };

struct bucket {
	_Atomic uint64_t keys[WAYS]; /* 0: free */
	_Atomic uint32_t turn;       /* odd: somebody works here */
	uint32_t reserved[31];
	struct sense_sliding counters[WAYS];
};

struct sense_state_table {
	_Atomic uint64_t magic;
	uint64_t bucket_count;
	uint64_t seed; /* of the process tree that wrote the keys */
	uint64_t reserved[5];
	struct bucket buckets[];
};

_Static_assert(sizeof(struct sense_state_table) == SENSE_MEMORY_HEAD, "buckets begin at a cache line");
_Static_assert(sizeof(struct bucket) == 4096, "a bucket has the size of a page");

size_t sense_state_bytes(unsigned entries)
{
	size_t buckets = 1;
	while (buckets * WAYS < entries)
		buckets *= 2;
	return sizeof(struct sense_state_table) + buckets * sizeof(struct bucket);
}

enum sense_status sense_state_attach(struct sense_state *state, void *memory, size_t bytes, unsigned percent,
                                     sense_error *err)
{
	struct sense_state_table *table = memory;
	uint64_t buckets = 1, seed = sense_hash_seed();

	if (!memory || bytes < sense_state_bytes(1))
		return sense_fail(err, SENSE_E_LIMIT, "rules", "%zu bytes are too few for the state of rules",
		                  bytes);
	while (sizeof(*table) + 2 * buckets * sizeof(struct bucket) <= bytes)
		buckets *= 2;
	if (atomic_load(&table->magic) != MAGIC || table->bucket_count != buckets || table->seed != seed) {
		sense_memory_clear(memory, sizeof(*table) + buckets * sizeof(struct bucket));
		table->bucket_count = buckets;
		table->seed = seed;
		atomic_store(&table->magic, MAGIC);
	}
	/* From here on the size is what we computed, whatever others write there. */
	*state = (struct sense_state){
	    .table = table,
	    .bucket_mask = buckets - 1,
	    .share = percent < 100 ? (WAYS * percent + 99) / 100 : WAYS,
	};
	return SENSE_OK;
}

uint64_t sense_state_policy(const char *name, size_t len)
{
	return sense_hash(name, len, sense_hash_seed()) >> 16;
}

/* ---- a bucket for oneself -------------------------------------------------------------------- */

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb");
#endif
}

static bool turn_to(struct bucket *bucket, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(&bucket->turn, &from, to, memory_order_acq_rel,
	                                               memory_order_relaxed);
}

/*
 * An odd turn is held. Each owner has a turn of its own: one that was taken over ends a turn that is no
 * longer there, and disturbs nobody.
 */
static uint32_t lock(struct bucket *bucket)
{
	uint32_t turn = 0;
	for (int i = 0; i < SPINS + YIELDS; i++) {
		turn = atomic_load_explicit(&bucket->turn, memory_order_relaxed);
		if (!(turn & 1) && turn_to(bucket, turn, turn + 1))
			return turn + 1;
		if (i < SPINS)
			pause_briefly();
		else
			sched_yield();
	}
	for (int i = 0; i < TRIES; i++) {
		turn = atomic_load_explicit(&bucket->turn, memory_order_relaxed);
		if (turn_to(bucket, turn, (turn | 1) + 2))
			break;
	}
	return (turn | 1) + 2;
}

static void unlock(struct bucket *bucket, uint32_t turn)
{
	turn_to(bucket, turn, turn + 1);
}

/* ---- a counter's place ----------------------------------------------------------------------- */

struct place {
	struct bucket *bucket;
	uint32_t turn;
	struct sense_sliding *counter; /* NULL: the key has none */
	bool is_new;
};

static uint64_t load_key(const struct bucket *bucket, unsigned way)
{
	return atomic_load_explicit(&bucket->keys[way], memory_order_relaxed);
}

static unsigned held(const struct bucket *bucket, uint64_t key)
{
	unsigned n = 0;
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t other = load_key(bucket, i);
		n += other && other >> TAG_SHIFT == key >> TAG_SHIFT;
	}
	return n;
}

/* How readily a counter is given up for the key: the least goes. */
enum { FREE, OVER, GIVEN, KEPT };

static unsigned rank(const struct sense_state *state, const struct bucket *bucket, unsigned way, uint64_t key,
                     unsigned own, uint64_t now)
{
	uint64_t other = load_key(bucket, way);
	if (!other)
		return FREE;
	if (!sense_sliding_alive(&bucket->counters[way], now))
		return OVER;
	if (own >= state->share)
		return other >> TAG_SHIFT == key >> TAG_SHIFT ? GIVEN : KEPT;
	return held(bucket, other) > state->share ? GIVEN : KEPT;
}

static unsigned victim(struct sense_state *state, const struct bucket *bucket, uint64_t key, uint64_t now)
{
	unsigned best = 0, best_rank = KEPT + 1, own = held(bucket, key);
	uint64_t best_time = 0;
	for (unsigned i = 0; i < WAYS && best_rank != FREE; i++) {
		unsigned this_rank = rank(state, bucket, i, key, own, now);
		uint64_t time = atomic_load_explicit(&bucket->counters[i].newest, memory_order_relaxed);
		if (this_rank > best_rank || (this_rank == best_rank && time >= best_time))
			continue;
		best = i;
		best_rank = this_rank;
		best_time = time;
	}
	state->entries += best_rank == FREE;
	state->evicted += best_rank > OVER;
	return best;
}

/* The key comes last: killed before, there is a free place. */
static struct sense_sliding *settle(struct sense_state *state, struct bucket *bucket, uint64_t key,
                                    const struct sense_state_key *what)
{
	unsigned way = victim(state, bucket, key, what->now_us);
	atomic_store_explicit(&bucket->keys[way], 0, memory_order_relaxed);
	sense_sliding_clear(&bucket->counters[way], what->window_us, what->now_us);
	atomic_store_explicit(&bucket->keys[way], key, memory_order_release);
	return &bucket->counters[way];
}

static uint64_t hash_of(const struct sense_state_key *what, enum kind kind)
{
	uint64_t which =
	    sense_hash_fold(what->policy ^ SENSE_HASH_K0, (what->window_us << 2 | kind) ^ SENSE_HASH_K1);
	return sense_hash(what->key, what->len, which);
}

/* Locks the bucket of the key, also when there is no counter and none is made. */
static void enter(struct sense_state *state, const struct sense_state_key *what, enum kind kind, bool make,
                  struct place *place)
{
	uint64_t hash = hash_of(what, kind);
	uint64_t key = what->policy >> 32 << TAG_SHIFT | hash << 16 >> 16;
	struct bucket *bucket = &state->table->buckets[hash >> BUCKET_SHIFT & state->bucket_mask];

	key += !key;
	*place = (struct place){.bucket = bucket, .turn = lock(bucket)};
	for (unsigned i = 0; i < WAYS && !place->counter; i++)
		if (load_key(bucket, i) == key)
			place->counter = &bucket->counters[i];
	if (place->counter || !make)
		return;
	place->counter = settle(state, bucket, key, what);
	place->is_new = true;
}

static void leave(const struct place *place)
{
	unlock(place->bucket, place->turn);
}

/* ---- what rules ask -------------------------------------------------------------------------- */

double sense_state_sum(struct sense_state *state, const struct sense_state_key *key, double n)
{
	struct place place;
	enter(state, key, KIND_SUM, true, &place);
	double sum = sense_sliding_sum(place.counter, key->window_us, key->now_us, n);
	leave(&place);
	return sum;
}

double sense_state_distinct(struct sense_state *state, const struct sense_state_key *key, const char *value,
                            size_t len)
{
	struct place place;
	uint32_t hash = (uint32_t)(sense_hash(value, len, key->policy) >> 32);
	enter(state, key, KIND_DISTINCT, true, &place);
	double n = sense_sliding_distinct(place.counter, key->window_us, key->now_us, hash ? hash : 1);
	leave(&place);
	return n;
}

double sense_state_get(struct sense_state *state, const struct sense_state_key *key)
{
	struct place place;
	double n = 0;
	enter(state, key, KIND_SUM, false, &place);
	if (place.counter)
		n = sense_sliding_sum(place.counter, key->window_us, key->now_us, 0);
	leave(&place);
	if (place.counter)
		return n;
	enter(state, key, KIND_DISTINCT, false, &place);
	if (place.counter)
		n = sense_sliding_distinct(place.counter, key->window_us, key->now_us, 0);
	leave(&place);
	return n;
}

bool sense_state_first(struct sense_state *state, const struct sense_state_key *key)
{
	struct place place;
	enter(state, key, KIND_FIRST, true, &place);
	bool alive = sense_sliding_alive(place.counter, key->now_us);
	sense_sliding_touch(place.counter, key->now_us);
	leave(&place);
	return place.is_new || !alive;
}

uint64_t sense_state_last(struct sense_state *state, const struct sense_state_key *key)
{
	struct sense_state_key what = *key;
	struct place place;
	what.window_us = SENSE_SLIDING_WINDOW_MAX;
	enter(state, &what, KIND_LAST, true, &place);
	bool alive = sense_sliding_alive(place.counter, what.now_us);
	uint64_t before = sense_sliding_touch(place.counter, what.now_us);
	leave(&place);
	return place.is_new || !alive ? 0 : before;
}
