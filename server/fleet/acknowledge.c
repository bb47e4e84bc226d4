/* AcknowledgePolicy. */
#include <stdlib.h>
#include <string.h>

#include "core/show/json.h"
#include "proto/hex.h"
#include "server/fleet/internal.h"

enum { SAID_MAX = 4 << 20 };

static void acknowledged(struct sense_agents_ask *ask, const struct sense_db_result *result, unsigned row)
{
	uint8_t bytes[16];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	(void)result, (void)row;
	sense_message_put_nothing(&writer);
	sense_agents_answer(ask, &writer);
}

/* A rollout has all of a fleet acknowledge at once. */
const struct sense_gather_kind sense_agents_acknowledges = {
    .statement = {"policy_acknowledge", "SELECT place FROM sense.policy_acknowledge($1, $2)"},
    .seconds = 0.02,
    .answer = acknowledged,
    .none = "internal",
    .none_message = "nothing was acknowledged",
};

/* Of all rules those that are not at work. False: the rest of the message is broken. */
static bool rules_say(struct sense_json *json, struct sense_message_acknowledge *message)
{
	struct sense_message_rule rule;
	sense_json_open(json, '[');
	while (sense_message_rule_next(message, &rule)) {
		if (!strcmp(rule.state, "loaded"))
			continue;
		sense_json_open(json, '{');
		sense_json_member(json, "id", rule.id);
		sense_json_member(json, "state", rule.state);
		sense_json_member(json, "message", rule.message);
		sense_json_close(json, '}');
	}
	sense_json_close(json, ']');
	return !message->reader.why;
}

static bool acknowledge_say(struct sense_json *json, const char *agent,
                            struct sense_message_acknowledge *message)
{
	char hex[2 * SENSE_MESSAGE_HASH + 1];
	sense_hex_text(message->policy.hash, sizeof message->policy.hash, hex);
	sense_json_open(json, '{');
	sense_json_member(json, "agent", agent);
	sense_json_member_uint(json, "generation", message->policy.generation);
	sense_json_member(json, "hash", hex);
	sense_json_member_bool(json, "loaded", message->loaded);
	sense_json_member(json, "problem", message->problem);
	sense_json_key(json, "rules");
	bool good = rules_say(json, message);
	sense_json_close(json, '}');
	return good;
}

void sense_agents_serve_acknowledge(void *self, sense_calls *calls, struct sense_call_ref ref,
                                    const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_acknowledge message;
	struct sense_buf said;
	struct sense_json json = {.out = &said};
	const char *why;
	(void)calls;
	if (!sense_message_get_acknowledge(params, len, fleet->storage, &message, &why)) {
		sense_agents_invalid(fleet, ref, why);
		return;
	}
	struct sense_agents_ask *ask = sense_agents_ask_new(fleet, ref, peer);
	if (!ask)
		return;
	sense_buf_init(&said, SAID_MAX);
	if (acknowledge_say(&json, peer->agent, &message)) {
		sense_gather_add(&fleet->acknowledges, ask, &said);
	} else {
		sense_agents_invalid(fleet, ref, message.reader.why);
		free(ask);
	}
	sense_buf_fini(&said);
}
