/* What the parts of server/fleet/ share. */
#ifndef SENSE_SERVER_FLEET_INTERNAL_H
#define SENSE_SERVER_FLEET_INTERNAL_H

#include "core/base/buf.h"
#include "server/fleet/fleet.h"
#include "server/fleet/present.h"

#define SENSE_FLEET_BUNDLES 4u /* kept in memory: a push has all agents ask for the same one */

struct sense_fleet_bundle {
	char org[37];
	uint64_t generation; /* 0: a free place */
	uint64_t used;       /* when, by a count */
	uint8_t hash[SENSE_MESSAGE_HASH];
	uint8_t signature[64];
	uint8_t *manifest, *bytes;
	size_t manifest_len, size;
};

struct sense_fleet {
	struct sense_fleet_config config;
	struct sense_present present;
	struct sense_fleet_bundle bundles[SENSE_FLEET_BUNDLES];
	uint64_t uses;
};

/* A question to the database on behalf of a call. */
struct sense_fleet_ask {
	sense_fleet *fleet;
	struct sense_call_ref ref;
	char agent[37], org[37];
	uint64_t offset; /* GetPolicies */
	uint64_t generation;
};

/* NULL: no memory, and the call was answered so. */
struct sense_fleet_ask *sense_fleet_ask_new(sense_fleet *fleet, struct sense_call_ref ref, const struct sense_peer *peer);
/* Asks, on behalf of the organization; answers `busy` when too many wait. `done` frees the ask. */
void sense_fleet_ask(struct sense_fleet_ask *ask, const struct sense_db_statement *statement,
                     const struct sense_db_param *params, unsigned count, sense_db_done *done);
/* True: there is a row. False: the call was answered with the reason, and the ask is gone. none: the code then. */
bool sense_fleet_row(struct sense_fleet_ask *ask, const struct sense_db_result *result, const char *none,
                     const char *none_message);
void sense_fleet_answer(struct sense_fleet_ask *ask, const struct sense_wire_writer *writer);
void sense_fleet_invalid(sense_fleet *fleet, struct sense_call_ref ref, const char *why);
void sense_fleet_fail(sense_fleet *fleet, struct sense_call_ref ref, const char *code, const char *message,
                      uint32_t retry_ms);

void sense_fleet_serve_register(void *self, sense_calls *calls, struct sense_call_ref ref, const struct sense_peer *peer,
                                const uint8_t *params, size_t len);
void sense_fleet_serve_heartbeat(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_fleet_serve_findings(void *self, sense_calls *calls, struct sense_call_ref ref, const struct sense_peer *peer,
                                const uint8_t *params, size_t len);
void sense_fleet_serve_policies(void *self, sense_calls *calls, struct sense_call_ref ref, const struct sense_peer *peer,
                                const uint8_t *params, size_t len);
void sense_fleet_serve_acknowledge(void *self, sense_calls *calls, struct sense_call_ref ref,
                                   const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_fleet_serve_commands(void *self, sense_calls *calls, struct sense_call_ref ref, const struct sense_peer *peer,
                                const uint8_t *params, size_t len);
void sense_fleet_serve_result(void *self, sense_calls *calls, struct sense_call_ref ref, const struct sense_peer *peer,
                              const uint8_t *params, size_t len);

/* Listens for changes and tells connected agents of them. */
bool sense_fleet_push_begin(sense_fleet *fleet);
void sense_fleet_bundles_free(sense_fleet *fleet);

#endif
