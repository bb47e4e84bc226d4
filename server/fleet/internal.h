/* What the parts of server/fleet/ share. */
#ifndef SENSE_SERVER_FLEET_INTERNAL_H
#define SENSE_SERVER_FLEET_INTERNAL_H

#include "core/base/buf.h"
#include "proto/rpc.h"
#include "proto/uuid.h"
#include "server/fleet/fleet.h"
#include "server/fleet/gather.h"

#define SENSE_AGENTS_RETRY_MS 2000u /* when the database is not there */
#define SENSE_AGENTS_BUNDLES 4u     /* kept in memory: a push has all agents ask for the same one */

struct sense_agents_bundle {
	char org[SENSE_UUID_TEXT];
	uint64_t generation; /* 0: a free place */
	uint64_t used;       /* when, by a count */
	uint8_t hash[SENSE_MESSAGE_HASH];
	uint8_t signature[64];
	uint8_t *manifest, *bytes;
	size_t manifest_len, size;
};

/* Pieces of bundles that agents asked for, in their order. */
struct sense_agents_pieces {
	struct sense_agents_ask *first, **last;
	ev_timer later;
	bool giving; /* to answer one may have its connection ask for the next */
};

struct sense_agents {
	struct sense_agents_config config;
	char *storage; /* for the strings of one message, whatever its length; good until the next */
	struct sense_agents_bundle bundles[SENSE_AGENTS_BUNDLES];
	struct sense_agents_reading *readings; /* bundles that the database was asked for */
	struct sense_agents_pieces pieces;
	uint64_t uses;
	uint64_t refused_us; /* when the log said so */
	struct sense_gather registers, beats, acknowledges;
};

/* A question to the database on behalf of a call. */
struct sense_agents_ask {
	struct sense_agents_ask *next; /* GetPolicies: another one that waits */
	sense_agents *fleet;
	struct sense_call_ref ref;
	char agent[SENSE_UUID_TEXT], org[SENSE_UUID_TEXT];
	uint64_t offset; /* GetPolicies */
	uint64_t generation;
};

/* NULL: no memory, and the call was answered so. */
struct sense_agents_ask *sense_agents_ask_new(sense_agents *fleet, struct sense_call_ref ref,
                                              const struct sense_peer *peer);
/* Asks, on behalf of the organization; answers `busy` when too many wait. `done` frees the ask. */
void sense_agents_ask(struct sense_agents_ask *ask, const struct sense_db_statement *statement,
                      const struct sense_db_param *params, unsigned count, sense_db_done *done);
/* True: there is a row. False: the call was answered with the reason, and the ask is gone. none: the code then. */
bool sense_agents_row(struct sense_agents_ask *ask, const struct sense_db_result *result, const char *none,
                      const char *none_message);
void sense_agents_answer(struct sense_agents_ask *ask, const struct sense_wire_writer *writer);
void sense_agents_invalid(sense_agents *fleet, struct sense_call_ref ref, const char *why);
void sense_agents_fail(sense_agents *fleet, struct sense_call_ref ref, const char *code, const char *message,
                       uint32_t retry_ms);

void sense_agents_serve_register(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_agents_serve_heartbeat(void *self, sense_calls *calls, struct sense_call_ref ref,
                                  const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_agents_serve_findings(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_agents_serve_policies(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_agents_serve_acknowledge(void *self, sense_calls *calls, struct sense_call_ref ref,
                                    const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_agents_serve_commands(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len);
void sense_agents_serve_result(void *self, sense_calls *calls, struct sense_call_ref ref,
                               const struct sense_peer *peer, const uint8_t *params, size_t len);

extern const struct sense_gather_kind sense_agents_registers, sense_agents_beats, sense_agents_acknowledges;

/* Listens for changes and tells connected agents of them. */
bool sense_agents_push_begin(sense_agents *fleet);
void sense_agents_policies_begin(sense_agents *fleet);
void sense_agents_policies_end(sense_agents *fleet);

#endif
