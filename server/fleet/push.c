/* What changed in the database and connected agents are to know: by NOTIFY, from whichever server changed it. */
#include <string.h>

#include "server/fleet/internal.h"

enum { CHUNK = 500 /* agents in one question */ };

/* Of these agents those that are to have other policies than they have. */
static const struct sense_db_statement wanted = {
    "wanted_policy",
    "SELECT w.agent, w.generation, w.hash FROM sense.wanted_policy($1, $2) w "
    "JOIN sense.agents a ON a.org_id = $1 AND a.id = w.agent AND a.policy_generation <> w.generation"};

static void policies_known(void *self, const struct sense_db_result *result)
{
	sense_agents *fleet = self;
	uint8_t bytes[128];
	/* On failure the next heartbeat tells. */
	for (unsigned i = 0; result->outcome == SENSE_DB_DONE && i < result->rows; i++) {
		struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
		struct sense_message_policy policy = {.generation = sense_db_uint(result, i, 1)};
		sense_db_bytes(result, i, 2, policy.hash, sizeof policy.hash);
		sense_message_put_policy(&writer, &policy);
		sense_call_notify(fleet->config.calls, sense_db_value(result, i, 0), SENSE_NOTIFY_POLICY,
		                  writer.data, writer.len);
	}
}

/* Connected agents of one organization, CHUNK by CHUNK. */
struct look {
	sense_agents *fleet;
	const char *org;
	struct sense_buf names; /* "{uuid,uuid" */
	unsigned count;
};

static void look_ask(struct look *look)
{
	sense_buf_addc(&look->names, '}');
	const struct sense_db_param params[] = {SENSE_DB_TEXT(look->org),
	                                        SENSE_DB_TEXT(sense_buf_str(&look->names))};
	if (look->count && !look->names.failed)
		sense_db_ask(look->fleet->config.db, look->org, &wanted, params, 2, policies_known,
		             look->fleet);
	sense_buf_clear(&look->names);
	look->count = 0;
}

static void look_add(void *self, const struct sense_peer *peer)
{
	struct look *look = self;
	if (strcmp(peer->org, look->org))
		return;
	sense_buf_addc(&look->names, look->count++ ? ',' : '{');
	sense_buf_adds(&look->names, peer->agent);
	if (look->count == CHUNK)
		look_ask(look);
}

/* What was missed while there was no connection heartbeats tell. */
static void on_policy(void *self, const char *channel, const char *org)
{
	struct look look = {.fleet = self, .org = org};
	(void)channel;
	if (!*org)
		return;
	sense_buf_init(&look.names, 0);
	sense_call_each(look.fleet->config.calls, look_add, &look);
	look_ask(&look);
	sense_buf_fini(&look.names);
}

static void on_command(void *self, const char *channel, const char *payload)
{
	sense_agents *fleet = self;
	uint8_t bytes[16];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	(void)channel;
	sense_message_put_nothing(&writer);
	if (*payload)
		sense_call_notify(fleet->config.calls, payload, SENSE_NOTIFY_COMMAND, writer.data,
		                  writer.len);
}

bool sense_agents_push_begin(sense_agents *fleet)
{
	return sense_db_listen(fleet->config.db, "sense_policy", on_policy, fleet) &&
	       sense_db_listen(fleet->config.db, "sense_command", on_command, fleet);
}
