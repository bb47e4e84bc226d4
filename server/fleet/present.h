/*
 * Agents that registered at this worker: whose they are, and which policies they were told of last. One that is gone
 * stays until a push finds nobody there.
 */
#ifndef SENSE_SERVER_FLEET_PRESENT_H
#define SENSE_SERVER_FLEET_PRESENT_H

#include <stdbool.h>
#include <stdint.h>

struct sense_present_agent {
	char agent[37], org[37];
	uint64_t told; /* generation */
};

struct sense_present {
	struct sense_present_agent *agents; /* by the hash of the agent; agent[0] 0: a free place */
	uint32_t cap;                       /* a power of two, at most half full; 0: nothing yet */
	uint32_t count;
};

/* Adds it or finds it. NULL: no memory; it is then found by its heartbeats alone. */
struct sense_present_agent *sense_present_add(struct sense_present *present, const char *agent, const char *org);
struct sense_present_agent *sense_present_find(const struct sense_present *present, const char *agent);
void sense_present_remove(struct sense_present *present, struct sense_present_agent *agent);
void sense_present_fini(struct sense_present *present);

#endif
