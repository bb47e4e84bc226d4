/*
 * The fleet, as a worker serves it: what each method of an agent means in the database (server/migrations), and what
 * is pushed to connected agents when policies or commands change.
 *
 * No state is here but bundles on their way to many agents; the database is asked each time.
 */
#ifndef SENSE_SERVER_FLEET_FLEET_H
#define SENSE_SERVER_FLEET_FLEET_H

#include "server/ingest/ingest.h"
#include "server/net/connection.h"
#include "server/rpc/call.h"
#include "server/store/db.h"

#define SENSE_AGENTS_METHODS 7u

typedef struct sense_agents sense_agents;

struct sense_agents_config {
	struct ev_loop *loop;
	sense_db *db;
	sense_calls *calls;
	const struct sense_connection_budget *sent; /* how much waits to be sent to agents */
	sense_ingest *ingest;
	uint32_t heartbeat_s;
	uint32_t batch_rows, batch_bytes; /* at most, that agents are told */
};

sense_agents *sense_agents_new(const struct sense_agents_config *config, sense_error *err);
void sense_agents_free(sense_agents *fleet); /* after db and ingest: they answer what is under way */

/* All methods of proto/message.h but RenewCertificate (server/fleet/enrol.h). */
void sense_agents_methods(sense_agents *fleet, struct sense_method out[SENSE_AGENTS_METHODS]);

#endif
