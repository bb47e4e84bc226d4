/* RegisterAgent and Heartbeat. */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/show/json.h"
#include "proto/hex.h"
#include "server/fleet/internal.h"

enum { ANSWER_MAX = 512, SAID_MAX = 64 * 1024 };

static const char gone[] = "this agent is not known here any more, or was revoked: enrol it again";

static const struct sense_db_statement registers = {
    "agent_register",
    "SELECT through, coalesce(generation, 0), hash FROM sense.agent_register($1, $2, $3, $4)"};
static const struct sense_db_statement heartbeats = {
    "agent_heartbeat",
    "SELECT coalesce(generation, 0), hash, commands FROM sense.agent_heartbeat($1, $2, $3)"};

/* ---- what they have in common --------------------------------------------------------------------------- */

static void policy_say(struct sense_json *json, const struct sense_message_policy *policy)
{
	char hex[2 * SENSE_MESSAGE_HASH + 1];
	sense_hex_text(policy->hash, sizeof policy->hash, hex);
	sense_json_member_uint(json, "generation", policy->generation);
	if (policy->generation)
		sense_json_member(json, "hash", hex);
}

static struct sense_message_policy policy_of(const struct sense_db_result *result, unsigned column)
{
	struct sense_message_policy policy = {.generation = sense_db_uint(result, 0, column)};
	if (sense_db_bytes(result, 0, column + 1, policy.hash, sizeof policy.hash) != sizeof policy.hash)
		policy.generation = 0;
	return policy;
}

static void say_and_ask(struct sense_agents_ask *ask, struct sense_buf *said, const char *address,
                        const struct sense_db_statement *statement, sense_db_done *done)
{
	const struct sense_db_param params[] = {SENSE_DB_TEXT(ask->org), SENSE_DB_TEXT(ask->agent),
	                                        SENSE_DB_TEXT(sense_buf_str(said)), SENSE_DB_TEXT(address)};
	if (said->failed) {
		sense_agents_invalid(ask->fleet, ask->ref, "the parameters are too large");
		free(ask);
	} else {
		sense_agents_ask(ask, statement, params, address ? 4 : 3, done);
	}
	sense_buf_fini(said);
}

/* ---- RegisterAgent ----------------------------------------------------------------------------------------- */

static void registered(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	if (!sense_agents_row(ask, result, "revoked", gone))
		return;
	const struct sense_agents_config *config = &ask->fleet->config;
	const struct sense_message_registered message = {.agent = ask->agent,
	                                                 .organization = ask->org,
	                                                 .time = sense_clock_us(),
	                                                 .heartbeat = config->heartbeat_s,
	                                                 .through = sense_db_uint(result, 0, 0),
	                                                 .batch_rows = config->batch_rows,
	                                                 .batch_bytes = config->batch_bytes,
	                                                 .policy = policy_of(result, 1)};
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
	policy_say(&json, &message.policy);
	sense_json_close(&json, '}');
	say_and_ask(ask, &said, peer->address, &registers, registered);
}

/* ---- Heartbeat --------------------------------------------------------------------------------------------- */

static void beaten(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	if (!sense_agents_row(ask, result, "revoked", gone))
		return;
	const struct sense_message_beat message = {.time = sense_clock_us(),
	                                           .policy = policy_of(result, 0),
	                                           .commands = (uint32_t)sense_db_uint(result, 0, 2)};
	sense_message_put_beat(&writer, &message);
	sense_agents_answer(ask, &writer);
}

static void heartbeat_say(struct sense_json *json, const struct sense_message_heartbeat *message)
{
	double offset = (double)message->time - (double)sense_clock_us();
	sense_json_open(json, '{');
	sense_json_member_number(json, "offset", offset);
	sense_json_member_uint(json, "uptime", message->uptime);
	policy_say(json, &message->policy);
	sense_json_member_uint(json, "rules", message->rules);
	sense_json_member_uint(json, "failing", message->rules_failing);
	sense_json_member_uint(json, "quarantined", message->rules_quarantined);
	sense_json_member_list(json, "gaps", message->gaps, message->gap_count);
	sense_json_key(json, "counters");
	sense_json_open(json, '{');
	for (unsigned i = 0; i < message->counter_count; i++)
		sense_json_member_uint(json, message->counters[i].name, message->counters[i].value);
	sense_json_close(json, '}');
	sense_json_close(json, '}');
}

void sense_agents_serve_heartbeat(void *self, sense_calls *calls, struct sense_call_ref ref,
                                  const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_heartbeat message;
	struct sense_buf said;
	struct sense_json json = {.out = &said};
	const char *why;
	(void)calls;
	if (!sense_message_get_heartbeat(params, len, fleet->storage, &message, &why)) {
		sense_agents_invalid(fleet, ref, why);
		return;
	}
	struct sense_agents_ask *ask = sense_agents_ask_new(fleet, ref, peer);
	if (!ask)
		return;
	sense_buf_init(&said, SAID_MAX);
	heartbeat_say(&json, &message);
	say_and_ask(ask, &said, NULL, &heartbeats, beaten);
}
