/*
 * Throttling: the first finding of a key in each window goes out, the rest are counted.
 *
 * A key is the rule and the values of its `throttle.by` fields. State lives in memory that the caller
 * gives and several workers may share: it holds no pointers and no locks, each entry changes by one
 * compare-and-swap, and nothing read from it can do worse than let a finding out or hold it back for
 * one window. So it survives a worker that dies in the middle, and may be written by one gone wrong.
 *
 * Time is that of the event, so that a replay throttles as the live run did. A clock that leaps back
 * by more than the window (the next file of a replay) begins a new one.
 */
#ifndef SENSE_RULES_THROTTLE_H
#define SENSE_RULES_THROTTLE_H

#include "core/rules/rule.h"

/* A handle, private to the process; the memory it points to is the caller's. */
struct sense_throttle {
	struct sense_throttle_table *table;
	uint64_t bucket_mask;
	uint64_t seed;
};

struct sense_throttle_stats {
	uint64_t suppressed; /* findings held back */
	uint64_t replaced;   /* keys forgotten to make room: their next finding goes out early */
	uint64_t lost;       /* held back under such keys, and so never reported with a later finding */
};

/* Bytes for about this many keys. */
size_t sense_throttle_bytes(unsigned keys);

/*
 * Takes the memory (aligned to 64) into use. It is zeroed, or as an earlier worker left it, which is kept;
 * anything else is cleared. SENSE_E_LIMIT when there are fewer than sense_throttle_bytes(1) bytes.
 */
enum sense_status sense_throttle_attach(struct sense_throttle *throttle, void *memory, size_t bytes,
					sense_error *err);

/*
 * True when the finding goes out; *suppressed is then how many were held back since the one before.
 * Always true for a rule without a throttle.
 */
bool sense_throttle_pass(struct sense_throttle *throttle, const struct sense_rule *rule,
			 const struct sense_event *event, uint64_t *suppressed);
void sense_throttle_stats(const struct sense_throttle *throttle, struct sense_throttle_stats *out);

#endif
