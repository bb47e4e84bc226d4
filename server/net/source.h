/*
 * How many connections each source address holds for which no certificate stands: hand-shakes, and the plain
 * side. An address of IPv6 counts by its /64, since that is what one host has. One thread.
 */
#ifndef SENSE_SERVER_NET_SOURCE_H
#define SENSE_SERVER_NET_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct sense_sources sense_sources;

struct sense_source {
	uint8_t bytes[8];
};

/* capacity: how many connections there can be at one time. */
sense_sources *sense_sources_new(unsigned capacity, unsigned per_source);
void sense_sources_free(sense_sources *sources);
void sense_source_of(const struct sockaddr *address, struct sense_source *out);
/* False: that source has as many as it may. Each that was taken is given back once. */
bool sense_source_take(sense_sources *sources, const struct sense_source *source);
void sense_source_give(sense_sources *sources, const struct sense_source *source);

#endif
