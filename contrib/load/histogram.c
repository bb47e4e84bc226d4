#include "contrib/load/histogram.h"

enum { PART_BITS = 5, PARTS = 1 << PART_BITS };

static unsigned bucket_of(uint64_t us)
{
	if (us < 2 * PARTS)
		return (unsigned)us;
	unsigned shift = 63u - (unsigned)__builtin_clzll(us) - PART_BITS;
	unsigned bucket = PARTS * shift + (unsigned)(us >> shift);
	return bucket < LOAD_HISTOGRAM_BUCKETS ? bucket : LOAD_HISTOGRAM_BUCKETS - 1;
}

static uint64_t end_of(unsigned bucket)
{
	if (bucket < 2 * PARTS)
		return bucket;
	unsigned shift = bucket / PARTS - 1;
	return (((uint64_t)bucket - PARTS * shift + 1) << shift) - 1;
}

void load_histogram_add(struct load_histogram *histogram, uint64_t us)
{
	histogram->buckets[bucket_of(us)]++;
	histogram->count++;
	histogram->sum_us += us;
	if (us > histogram->most_us)
		histogram->most_us = us;
}

uint64_t load_histogram_at(const struct load_histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999), seen = 0;
	for (unsigned i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen >= wanted && seen) {
			uint64_t end = end_of(i);
			return end < histogram->most_us ? end : histogram->most_us;
		}
	}
	return histogram->most_us;
}
