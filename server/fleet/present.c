#include "server/fleet/present.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define FIRST 1024u

static uint32_t home_of(const struct sense_present *present, const char *agent)
{
	return (uint32_t)sense_hash(agent, strnlen(agent, 36), sense_hash_seed()) & (present->cap - 1);
}

/* The agent's place, or the free one that it would have. */
static struct sense_present_agent *place_of(const struct sense_present *present, const char *agent)
{
	uint32_t i = home_of(present, agent);
	while (*present->agents[i].agent && strcmp(present->agents[i].agent, agent))
		i = (i + 1) & (present->cap - 1);
	return &present->agents[i];
}

static bool grow(struct sense_present *present)
{
	struct sense_present larger = {.cap = present->cap ? present->cap * 2 : FIRST, .count = present->count};
	larger.agents = calloc(larger.cap, sizeof *larger.agents);
	if (!larger.agents)
		return false;
	for (uint32_t i = 0; i < present->cap; i++)
		if (*present->agents[i].agent)
			*place_of(&larger, present->agents[i].agent) = present->agents[i];
	free(present->agents);
	*present = larger;
	return true;
}

struct sense_present_agent *sense_present_find(const struct sense_present *present, const char *agent)
{
	struct sense_present_agent *place = present->cap ? place_of(present, agent) : NULL;
	return place && *place->agent ? place : NULL;
}

struct sense_present_agent *sense_present_add(struct sense_present *present, const char *agent, const char *org)
{
	struct sense_present_agent *place = sense_present_find(present, agent);
	if (place)
		return place;
	if (present->count * 2 >= present->cap && !grow(present))
		return NULL;
	place = place_of(present, agent);
	snprintf(place->agent, sizeof place->agent, "%s", agent);
	snprintf(place->org, sizeof place->org, "%s", org);
	present->count++;
	return place;
}

/* Closes the gap, so that none is missed behind it (Knuth, The Art of Computer Programming 3, 6.4, algorithm R). */
void sense_present_remove(struct sense_present *present, struct sense_present_agent *agent)
{
	uint32_t mask = present->cap - 1, hole = (uint32_t)(agent - present->agents);
	for (uint32_t i = (hole + 1) & mask; *present->agents[i].agent; i = (i + 1) & mask) {
		uint32_t home = home_of(present, present->agents[i].agent);
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			present->agents[hole] = present->agents[i];
			hole = i;
		}
	}
	memset(&present->agents[hole], 0, sizeof present->agents[hole]);
	present->count--;
}

void sense_present_fini(struct sense_present *present)
{
	free(present->agents);
	*present = (struct sense_present){0};
}
