/*
 * The time of day, as events carry it.
 */
#ifndef SENSE_BASE_CLOCK_H
#define SENSE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds since the epoch. */
static inline uint64_t sense_clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#endif
