/*
 * Which script runs now: one word in memory that is shared with whoever watches over it.
 *
 * The runner writes, the watcher reads both halves at once. A turn brackets one entry into the script
 * runtime, which may go through several rules; within it only `rule` moves on, by plain stores that
 * compiled scripts make themselves.
 */
#ifndef SENSE_BASE_MARK_H
#define SENSE_BASE_MARK_H

#include <stdint.h>

union sense_mark {
	uint64_t word;
	struct {
		uint32_t rule; /* number + 1; 0: no script runs */
		uint32_t turn; /* counts entries */
	};
};

/* The number + 1 of the rule in a word that was read. */
static inline uint32_t sense_mark_rule(uint64_t word)
{
	union sense_mark mark = {.word = word};
	return mark.rule;
}

static inline uint64_t sense_mark_read(const union sense_mark *mark)
{
	return __atomic_load_n(&mark->word, __ATOMIC_RELAXED);
}

/* The runner is the only writer, so a store needs no locked instruction. */
static inline void sense_mark_enter(union sense_mark *mark, uint32_t rule)
{
	union sense_mark next = {.rule = rule + 1, .turn = mark->turn + 1};
	__atomic_store_n(&mark->word, next.word, __ATOMIC_RELAXED);
}

static inline void sense_mark_leave(union sense_mark *mark)
{
	__atomic_store_n(&mark->rule, 0, __ATOMIC_RELAXED);
}

#endif
