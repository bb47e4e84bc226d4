#include "core/service/pace.h"

#include <time.h>

#define BURST_MAX_NS 1000000000u

void sense_pace_init(struct sense_pace *pace, unsigned percent, uint64_t burst_ns, uint64_t wall)
{
	uint64_t burst = burst_ns < BURST_MAX_NS ? burst_ns : BURST_MAX_NS;
	percent = percent < 1 ? 1 : percent > 100 ? 100 : percent;
	*pace = (struct sense_pace){
	    .percent = percent, .burst_ns = burst, .credit = (int64_t)burst * 100, .wall = wall};
}

static void refill(struct sense_pace *pace, uint64_t wall)
{
	/* In which the bucket would be full from the deepest debt: more of it makes no difference. */
	uint64_t enough = SENSE_PACE_SLEEP_MAX_NS + pace->burst_ns * 100;
	uint64_t passed = wall > pace->wall ? wall - pace->wall : 0;
	int64_t full = (int64_t)pace->burst_ns * 100;
	pace->wall = wall;
	pace->credit += (int64_t)((passed < enough ? passed : enough) * pace->percent);
	if (pace->credit > full)
		pace->credit = full;
}

void sense_pace_begin(struct sense_pace *pace, uint64_t cpu)
{
	pace->cpu = cpu;
}

uint64_t sense_pace_wait(struct sense_pace *pace, uint64_t wall)
{
	refill(pace, wall);
	if (pace->credit >= 0)
		return 0;
	/* Rounded up: waking a moment too early would be one more wake-up for nothing. */
	return ((uint64_t)-pace->credit + pace->percent - 1) / pace->percent;
}

uint64_t sense_pace_end(struct sense_pace *pace, uint64_t wall, uint64_t cpu)
{
	uint64_t took = cpu > pace->cpu ? cpu - pace->cpu : 0;
	int64_t deepest = -(int64_t)(SENSE_PACE_SLEEP_MAX_NS * pace->percent);
	refill(pace, wall);
	pace->cpu = cpu;
	pace->spent_ns += took;
	uint64_t room = (uint64_t)(pace->credit - deepest) / 100;
	if (took > room) {
		pace->forgiven_ns += took - room;
		took = room;
	}
	pace->credit -= (int64_t)took * 100;
	return sense_pace_wait(pace, wall);
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;
	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t sense_pace_wall(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t sense_pace_cpu(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}
