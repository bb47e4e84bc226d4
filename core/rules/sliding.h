/*
 * Sliding windows in a fixed number of bytes: a sum, or how many distinct values there were.
 *
 * A sum is kept in 24 parts of the window and the one that is being filled. So it reaches back by at
 * least the window, and by at most 1/24 of it more: never less than asked for.
 *
 * Distinct values are kept by hash, each with the time of its latest sight (to window / 16384 and 16 ms).
 * Up to 36 values at one time the answer is exact. Beyond, it is estimated by adaptive sampling
 * (Wegman; Flajolet, "On adaptive sampling", Computing 43, 1990): only values whose hash ends in `level`
 * zero bits are kept, the level rises when there is no room, and the estimate is kept << level, with a
 * standard error of 1.2 / sqrt(36), 20 %. When few are kept, values of all levels are admitted again,
 * and after a window of that the lower level is the one that counts: so it becomes exact again.
 *
 * The memory may be shared with a process gone wrong: each value is read once and bounded before it is
 * used, loops are of fixed length, and all that anything written here can do is a wrong number. Writes
 * are in an order that leaves a usable window behind when the writer is killed between two of them.
 *
 * Time is that of events, in microseconds. An event that comes late by less than the window counts, and
 * is answered with what holds at the newest one; a leap back by more begins anew.
 */
#ifndef SENSE_RULES_SLIDING_H
#define SENSE_RULES_SLIDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SENSE_SLIDING_PARTS 24u
#define SENSE_SLIDING_VALUES 36u
#define SENSE_SLIDING_WINDOW_MIN UINT64_C(1000000)
#define SENSE_SLIDING_WINDOW_MAX (UINT64_C(30) * 86400 * 1000000)

struct sense_sliding {
	_Atomic uint64_t newest; /* time of the newest event */
	_Atomic uint64_t window; /* for who looks for room: callers give it with each call */
	_Atomic uint32_t sample; /* of distinct values: level, level admitted, since when */
	uint32_t reserved;
	union {
		_Atomic uint64_t parts[SENSE_SLIDING_PARTS + 1]; /* the bits of doubles */
		struct {
			_Atomic uint32_t hash[SENSE_SLIDING_VALUES]; /* 0: free */
			_Atomic uint16_t seen[SENSE_SLIDING_VALUES];
		} values;
	};
};

/* Empty, as of now. */
void sense_sliding_clear(struct sense_sliding *sliding, uint64_t window, uint64_t now);

/* Is there anything in its window? False also when the clock has leapt back by more than that. */
bool sense_sliding_alive(const struct sense_sliding *sliding, uint64_t now);

/* Adds n, which may be 0, and gives the sum. window: from WINDOW_MIN to WINDOW_MAX, always the same. */
double sense_sliding_sum(struct sense_sliding *sliding, uint64_t window, uint64_t now, double n);

/* Adds the value with this hash, which should have no pattern (0: none), and gives how many there are. */
double sense_sliding_distinct(struct sense_sliding *sliding, uint64_t window, uint64_t now, uint32_t hash);

/* Of a sliding window used for nothing else: notes now and gives the newest event before, 0: none. */
uint64_t sense_sliding_touch(struct sense_sliding *sliding, uint64_t now);

#endif
