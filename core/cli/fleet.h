/*
 * `run` as one of a fleet: the link (core/link/link.h) as the configuration has it, from the moment at which this agent
 * is enrolled, and what the server is told of how it goes.
 */
#ifndef SENSE_CLI_FLEET_H
#define SENSE_CLI_FLEET_H

#include "core/conf/agent.h"
#include "core/host/capture.h"
#include "core/link/link.h"
#include "core/proc/generation.h"

typedef struct sense_fleet sense_fleet;

/* All but conf, plugins_dir and crew may be NULL. Borrowed. */
struct sense_fleet_config {
	const struct sense_conf *conf;
	const char *plugins_dir;
	struct sense_crew *crew;
	sense_keeper *keeper;
	const sense_capture *capture;
	sense_spool *spool;
};

/* NULL: err says what is wrong with this agent's identity. One that is not enrolled has none, and is fine. */
sense_fleet *sense_fleet_new(const struct sense_fleet_config *config, sense_error *err);
void sense_fleet_free(sense_fleet *fleet); /* NULL is fine */
void sense_fleet_look(sense_fleet *fleet, unsigned elapsed_ms);
/* An attempt to load policies is over: where they were the server's, it is told what came of them. */
void sense_fleet_loaded(sense_fleet *fleet, const struct sense_generations *all);
/* The server's policies at work are only tried: what they find is to be told as observed. */
bool sense_fleet_observes(const sense_fleet *fleet);
const sense_link *sense_fleet_link(const sense_fleet *fleet); /* NULL: not enrolled, or not to report */

#endif
