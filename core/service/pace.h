/*
 * A limit that a process puts on itself: its work shall take no more than a share of one core.
 *
 * A bucket of CPU time (a token bucket, RFC 2697's committed rate and burst): it fills at the share, holds a
 * burst at most, and work takes out of it what it took. As long as there is some, work goes on; when it is
 * overdrawn, the answer is how long to sleep until it is even. So over any time t work takes at most
 * share * t + burst + one piece, wherever t begins.
 *
 * What cannot be put off (events that come in) is told as well, by begin and end, and its answer may be
 * passed over: the sweeps then wait for it. So that a flood of those does not put sweeps off for hours, a
 * debt is forgiven beyond what SENSE_PACE_SLEEP_MAX_NS of sleep pays for, and what was forgiven is counted.
 *
 * Clocks are the caller's, in nanoseconds: `wall` one that never goes back (CLOCK_MONOTONIC), `cpu` that of
 * the thread (CLOCK_THREAD_CPUTIME_ID). A step back counts as no time. No resources: nothing is to be freed.
 */
#ifndef SENSE_SERVICE_PACE_H
#define SENSE_SERVICE_PACE_H

#include <stdint.h>

#define SENSE_PACE_SLEEP_MAX_NS 60000000000ull

struct sense_pace {
	unsigned percent;   /* of one core, 1 to 100 */
	uint64_t burst_ns;  /* CPU time that can be saved up */
	int64_t credit;     /* CPU time there is, in 1/100 ns, so that no fraction is lost; below 0: owed */
	uint64_t wall, cpu; /* at the latest refill; when the piece in hand began */
	uint64_t spent_ns;  /* CPU time of all pieces */
	uint64_t forgiven_ns;
};

/* burst_ns: one second of CPU time at most. The bucket begins full. */
void sense_pace_init(struct sense_pace *pace, unsigned percent, uint64_t burst_ns, uint64_t wall);
void sense_pace_begin(struct sense_pace *pace, uint64_t cpu);
/* After a piece of work: how long to sleep, in nanoseconds; 0: go on. */
uint64_t sense_pace_end(struct sense_pace *pace, uint64_t wall, uint64_t cpu);
/* The same question without any work: how long it still is after having been woken early. */
uint64_t sense_pace_wait(struct sense_pace *pace, uint64_t wall);

/* The clocks meant above, now. */
uint64_t sense_pace_wall(void);
uint64_t sense_pace_cpu(void);

#endif
