/* RegisterAgent and Heartbeat. */
#include "core/base/clock.h"
#include "core/show/json.h"
#include "proto/hex.h"
#include "server/fleet/internal.h"

enum { ANSWER_MAX = 512, SAID_MAX = 64 * 1024 };

static const char gone[] = "this agent is not known here any more, or was revoked: enrol it again";

/* ---- what they have in common --------------------------------------------------------------------------- */

static void policy_say(struct sense_json *json, const struct sense_message_policy *policy)
{
	char hex[2 * SENSE_MESSAGE_HASH + 1];
	sense_hex_text(policy->hash, sizeof policy->hash, hex);
	sense_json_member_uint(json, "generation", policy->generation);
	if (policy->generation)
		sense_json_member(json, "hash", hex);
}

static struct sense_message_policy policy_of(const struct sense_db_result *result, unsigned row,
                                             unsigned column)
{
	struct sense_message_policy policy = {.generation = sense_db_uint(result, row, column)};
	if (sense_db_bytes(result, row, column + 1, policy.hash, sizeof policy.hash) != sizeof policy.hash)
		policy.generation = 0;
	return policy;
}

/* ---- RegisterAgent ----------------------------------------------------------------------------------------- */

static void registered(struct sense_agents_ask *ask, const struct sense_db_result *result, unsigned row)
{
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	const struct sense_agents_config *config = &ask->fleet->config;
	const struct sense_message_registered message = {.agent = ask->agent,
	                                                 .organization = ask->org,
	                                                 .time = sense_clock_us(),
	                                                 .heartbeat = config->heartbeat_s,
	                                                 .through = sense_db_uint(result, row, 1),
	                                                 .batch_rows = config->batch_rows,
	                                                 .batch_bytes = config->batch_bytes,
	                                                 .policy = policy_of(result, row, 2)};
	sense_message_put_registered(&writer, &message);
	sense_agents_answer(ask, &writer);
}

const struct sense_gather_kind sense_agents_registers = {
    .statement = {"agents_register",
                  "SELECT place, through, coalesce(generation, 0), hash FROM sense.agents_register($1, $2)"},
    .seconds = 0.02,
    .answer = registered,
    .none = "revoked",
    .none_message = gone,
};

static void register_say(struct sense_json *json, const struct sense_peer *peer,
                         const struct sense_message_register *message)
{
	sense_json_open(json, '{');
	sense_json_member(json, "agent", peer->agent);
	sense_json_member(json, "address", peer->address);
	sense_json_member(json, "version", message->version);
	sense_json_member(json, "host", message->host);
	sense_json_member(json, "os", message->os);
	sense_json_member(json, "kernel", message->kernel);
	sense_json_member(json, "arch", message->arch);
	policy_say(json, &message->policy);
	sense_json_close(json, '}');
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
	register_say(&json, peer, &message);
	sense_gather_add(&fleet->registers, ask, &said);
	sense_buf_fini(&said);
}

/* ---- Heartbeat --------------------------------------------------------------------------------------------- */

static void beaten(struct sense_agents_ask *ask, const struct sense_db_result *result, unsigned row)
{
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	const struct sense_message_beat message = {.time = sense_clock_us(),
	                                           .policy = policy_of(result, row, 1),
	                                           .commands = (uint32_t)sense_db_uint(result, row, 3)};
	sense_message_put_beat(&writer, &message);
	sense_agents_answer(ask, &writer);
}

/* At rest these are nearly all that a fleet costs. */
const struct sense_gather_kind sense_agents_beats = {
    .statement =
	{"agent_heartbeats",
         "SELECT place, coalesce(generation, 0), hash, commands FROM sense.agent_heartbeats($1, $2)"},
    .seconds = 0.1,
    .answer = beaten,
    .none = "revoked",
    .none_message = gone,
};

static void beat_say(struct sense_json *json, const char *agent,
                     const struct sense_message_heartbeat *message)
{
	sense_json_open(json, '{');
	sense_json_member(json, "agent", agent);
	sense_json_member_number(json, "offset", (double)message->time - (double)sense_clock_us());
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
	beat_say(&json, peer->agent, &message);
	sense_gather_add(&fleet->beats, ask, &said);
	sense_buf_fini(&said);
}
