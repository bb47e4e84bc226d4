/*
 * Times by their size, in buckets of about 3 % each (as HdrHistogram has them): an octave of microseconds is cut into
 * 32 parts. Of fixed size, so that a run of hours needs no more memory than one of seconds.
 */
#ifndef SENSE_LOAD_HISTOGRAM_H
#define SENSE_LOAD_HISTOGRAM_H

#include <stdint.h>

#define LOAD_HISTOGRAM_BUCKETS 1024u

struct load_histogram {
	uint64_t count, most_us, sum_us;
	uint64_t buckets[LOAD_HISTOGRAM_BUCKETS];
};

void load_histogram_add(struct load_histogram *histogram, uint64_t us);
/* The time that this share (0 to 1) of all did not exceed, to the upper end of its bucket; 0: there were none. */
uint64_t load_histogram_at(const struct load_histogram *histogram, double share);

#endif
