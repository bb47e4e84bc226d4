/*
 * The memory in which rules remember behaviour: one block, made before workers are, that outlives them.
 * A worker may be under an attacker's control, so each part holds no pointers, and its reader takes
 * nothing in it for granted.
 */
#ifndef SENSE_RULES_MEMORY_H
#define SENSE_RULES_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Each part begins with a head of so many bytes, of which some are never zero once it is in use. */
#define SENSE_MEMORY_HEAD 64u

enum sense_memory_part {
	SENSE_MEMORY_THROTTLE, /* core/rules/throttle.h */
	SENSE_MEMORY_STATE,    /* core/rules/state.h */
	SENSE_MEMORY_ACTIVITY, /* core/rules/activity.h */
	SENSE_MEMORY_PARTS
};

/* Where each part lies in the block; all begin at a multiple of 64 bytes. */
struct sense_memory_plan {
	size_t at[SENSE_MEMORY_PARTS];
	size_t bytes[SENSE_MEMORY_PARTS];
	size_t total;
};

/* From the bytes of each part to their places. */
static inline void sense_memory_plan(struct sense_memory_plan *plan)
{
	plan->total = 0;
	for (unsigned i = 0; i < SENSE_MEMORY_PARTS; i++) {
		plan->at[i] = plan->total;
		plan->total += (plan->bytes[i] + 63) / 64 * 64;
	}
}

static inline void *sense_memory_of(const struct sense_memory_plan *plan, void *block,
                                    enum sense_memory_part part)
{
	return (uint8_t *)block + plan->at[part];
}

/*
 * Clears a part for a new beginning. One whose head is zeroes is fresh from the kernel: to clear it once more would
 * only make it resident.
 */
static inline void sense_memory_clear(void *part, size_t bytes)
{
	static const uint8_t fresh[SENSE_MEMORY_HEAD];
	if (memcmp(part, fresh, sizeof fresh))
		memset(part, 0, bytes);
}

#endif
