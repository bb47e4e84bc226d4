/*
 * Behaviour over time: the sums, distinct values and sightings that rules keep under keys of their own.
 *
 * A counter is known by policy, what it counts, window and key; nothing is shared between policies. Time is
 * that of the event, so that a replay counts as the live run did (core/rules/sliding.h).
 *
 * Room is bounded: buckets of 16 counters, and a key has its place in one of them. When its bucket is full
 * a counter goes whose window has passed; else, of a policy that holds its share of the bucket or more, its
 * own oldest; else the oldest of those that hold more than theirs, or at last of all. So a policy may use
 * room that nobody wants, and cannot take what others hold within their share.
 *
 * The memory is the caller's, outlives a worker and may be shared by several. It holds no pointers, and
 * whatever a worker gone wrong wrote there can do no worse than a wrong number. A bucket is worked on under
 * a lock. Who holds it may have been killed, so after a short spin it is taken away. That is right because
 * the lock only keeps numbers exact, never memory safe: should its owner be alive after all, asleep for
 * that long, it finds the lock gone when it lets go of it, and the counter it was at may be wrong by what
 * it was about to write (a sum is not: it is added to in one step).
 */
#ifndef SENSE_RULES_STATE_H
#define SENSE_RULES_STATE_H

#include <stddef.h>

#include "core/base/status.h"
#include "core/rules/sliding.h"

/* A handle, private to the process; the memory it points to is the caller's. */
struct sense_state {
	struct sense_state_table *table;
	uint64_t bucket_mask;
	unsigned share;   /* counters of a bucket that a policy may hold when others want them */
	uint64_t entries; /* places that this handle was the first to use */
	uint64_t evicted; /* counters, still within their window, that it made room of */
};

/* What is counted; policy is from sense_state_policy, key and its length are the rule's. */
struct sense_state_key {
	uint64_t policy;
	const char *key;
	size_t len;
	uint64_t window_us; /* SENSE_SLIDING_WINDOW_MIN to _MAX */
	uint64_t now_us;    /* time of the event */
};

/* Bytes for about this many counters. */
size_t sense_state_bytes(unsigned entries);

/*
 * Takes the memory (aligned to 64) into use. It is zeroed, or as an earlier worker left it, which is kept;
 * anything else is cleared. percent is what one policy may hold, 1 to 100. SENSE_E_LIMIT when there are
 * fewer than sense_state_bytes(1) bytes.
 */
enum sense_status sense_state_attach(struct sense_state *state, void *memory, size_t bytes, unsigned percent,
                                     sense_error *err);

/* Who a policy is, by its name: the same in all workers of a run. At most 48 bits. */
uint64_t sense_state_policy(const char *name, size_t len);

/* Adds n (finite) and gives the sum over the window. */
double sense_state_sum(struct sense_state *state, const struct sense_state_key *key, double n);
/* Adds the value and gives how many different ones there were in the window. */
double sense_state_distinct(struct sense_state *state, const struct sense_state_key *key, const char *value,
                            size_t len);
/* The sum, or if there is none the number of distinct values, or 0; nothing is added. */
double sense_state_get(struct sense_state *state, const struct sense_state_key *key);
/* True when the key was not seen within the window before; it is now. */
bool sense_state_first(struct sense_state *state, const struct sense_state_key *key);
/* When the key was last asked about, in microseconds; 0: never, or not within 30 days. Notes this time. */
uint64_t sense_state_last(struct sense_state *state, const struct sense_state_key *key);

#endif
