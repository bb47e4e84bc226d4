/* RegisterAgent. */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/show/json.h"
#include "proto/hex.h"
#include "server/fleet/internal.h"

enum { ANSWER_MAX = 512, SAID_MAX = 64 * 1024 };

const char sense_agents_gone[] = "this agent is not known here any more, or was revoked: enrol it again";

static const struct sense_db_statement registers = {
    "agent_register",
    "SELECT through, coalesce(generation, 0), hash FROM sense.agent_register($1, $2, $3, $4)"};

/* ---- policies, here and in heartbeats ------------------------------------------------------------------- */

void sense_agents_policy_say(struct sense_json *json, const struct sense_message_policy *policy)
{
	char hex[2 * SENSE_MESSAGE_HASH + 1];
	sense_hex_text(policy->hash, sizeof policy->hash, hex);
	sense_json_member_uint(json, "generation", policy->generation);
	if (policy->generation)
		sense_json_member(json, "hash", hex);
}

struct sense_message_policy sense_agents_policy_of(const struct sense_db_result *result, unsigned row,
                                                   unsigned column)
{
	struct sense_message_policy policy = {.generation = sense_db_uint(result, row, column)};
	if (sense_db_bytes(result, row, column + 1, policy.hash, sizeof policy.hash) != sizeof policy.hash)
		policy.generation = 0;
	return policy;
}

/* ---- RegisterAgent ----------------------------------------------------------------------------------------- */

static void registered(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	if (!sense_agents_row(ask, result, "revoked", sense_agents_gone))
		return;
	const struct sense_agents_config *config = &ask->fleet->config;
	const struct sense_message_registered message = {.agent = ask->agent,
	                                                 .organization = ask->org,
	                                                 .time = sense_clock_us(),
	                                                 .heartbeat = config->heartbeat_s,
	                                                 .through = sense_db_uint(result, 0, 0),
	                                                 .batch_rows = config->batch_rows,
	                                                 .batch_bytes = config->batch_bytes,
	                                                 .policy = sense_agents_policy_of(result, 0, 1)};
	sense_message_put_registered(&writer, &message);
	sense_agents_answer(ask, &writer);
}

void sense_agents_serve_register(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_register message;
	struct sense_buf said;
	struct sense_json json = {.out = &said};
	const char *why;
	(void)calls;
	if (!sense_message_get_register(params, len, fleet->storage, &message, &why)) {
		sense_agents_invalid(fleet, ref, why);
		return;
	}
	struct sense_agents_ask *ask = sense_agents_ask_new(fleet, ref, peer);
	if (!ask)
		return;
	sense_buf_init(&said, SAID_MAX);
	sense_json_open(&json, '{');
	sense_json_member(&json, "version", message.version);
	sense_json_member(&json, "host", message.host);
	sense_json_member(&json, "os", message.os);
	sense_json_member(&json, "kernel", message.kernel);
	sense_json_member(&json, "arch", message.arch);
	sense_agents_policy_say(&json, &message.policy);
	sense_json_close(&json, '}');
	const struct sense_db_param with[] = {SENSE_DB_TEXT(ask->org), SENSE_DB_TEXT(ask->agent),
	                                      SENSE_DB_TEXT(sense_buf_str(&said)),
	                                      SENSE_DB_TEXT(peer->address)};
	if (said.failed) {
		sense_agents_invalid(fleet, ref, "the parameters are too large");
		free(ask);
	} else {
		sense_agents_ask(ask, &registers, with, 4, registered);
	}
	sense_buf_fini(&said);
}
