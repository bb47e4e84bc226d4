/*
 * The fleet, as a worker serves it: what each method of an agent means in the database (server/migrations), and what
 * is pushed to connected agents when policies or commands change.
 *
 * No state that counts is here. What is remembered of connected agents serves only to find those that a change is
 * about; the database is asked each time.
 */
#ifndef SENSE_SERVER_FLEET_FLEET_H
#define SENSE_SERVER_FLEET_FLEET_H

#include "server/ingest/ingest.h"
#include "server/rpc/call.h"
#include "server/store/db.h"

#define SENSE_FLEET_METHODS 7u

typedef struct sense_fleet sense_fleet;

struct sense_fleet_config {
	sense_db *db;
	sense_calls *calls;
	sense_ingest *ingest;
	uint32_t heartbeat_s;
	uint32_t batch_rows, batch_bytes; /* at most, that agents are told */
};

sense_fleet *sense_fleet_new(const struct sense_fleet_config *config, sense_error *err);
void sense_fleet_free(sense_fleet *fleet); /* after db and ingest: they answer what is under way */

/* All methods of proto/message.h but RenewCertificate (server/fleet/enrol.h). */
void sense_fleet_methods(sense_fleet *fleet, struct sense_method out[SENSE_FLEET_METHODS]);

#endif
