/* What changed in the database and connected agents are to know: by NOTIFY, from whichever server changed it. */
#include <stdlib.h>
#include <string.h>

#include "server/fleet/internal.h"

enum { CHUNK = 500 /* agents in one question */ };

static const struct sense_db_statement wanted = {
    "wanted_policy", "SELECT agent, generation, hash FROM sense.wanted_policy($1, $2)"};

static void tell_policy(sense_agents *fleet, const struct sense_db_result *result, unsigned row)
{
	uint8_t bytes[128];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	struct sense_message_policy policy = {.generation = sense_db_uint(result, row, 1)};
	const char *name = sense_db_value(result, row, 0);
	struct sense_present_agent *agent = name ? sense_present_find(&fleet->present, name) : NULL;
	if (!agent || agent->told == policy.generation ||
	    sense_db_bytes(result, row, 2, policy.hash, sizeof policy.hash) != sizeof policy.hash)
		return;
	sense_message_put_policy(&writer, &policy);
	if (sense_call_notify(fleet->config.calls, agent->agent, SENSE_NOTIFY_POLICY, writer.data, writer.len))
		agent->told = policy.generation;
	else
		sense_present_remove(&fleet->present, agent);
}

static void policies_known(void *self, const struct sense_db_result *result)
{
	/* On failure the next heartbeat tells. */
	for (unsigned i = 0; result->outcome == SENSE_DB_DONE && i < result->rows; i++)
		tell_policy(self, result, i);
}

/* names: "{uuid,uuid,...}" without its end. */
static void names_ask(sense_agents *fleet, const char *org, struct sense_buf *names)
{
	sense_buf_addc(names, '}');
	const struct sense_db_param params[] = {SENSE_DB_TEXT(org), SENSE_DB_TEXT(sense_buf_str(names))};
	if (!names->failed)
		sense_db_ask(fleet->config.db, org, &wanted, params, 2, policies_known, fleet);
	sense_buf_clear(names);
}

static void policies_look(sense_agents *fleet, const char *org)
{
	struct sense_buf names;
	unsigned count = 0;
	sense_buf_init(&names, 0);
	for (uint32_t i = 0; i < fleet->present.cap; i++) {
		const struct sense_present_agent *agent = &fleet->present.agents[i];
		if (!*agent->agent || strcmp(agent->org, org))
			continue;
		sense_buf_addc(&names, count % CHUNK ? ',' : '{');
		sense_buf_adds(&names, agent->agent);
		if (++count % CHUNK == 0)
			names_ask(fleet, org, &names);
	}
	if (count % CHUNK)
		names_ask(fleet, org, &names);
	sense_buf_fini(&names);
}

/* Each organization once: those of agents at places before this one were looked at. */
static void all_look(sense_agents *fleet)
{
	const struct sense_present_agent *agents = fleet->present.agents;
	const char *seen[64];
	unsigned count = 0;
	for (uint32_t i = 0; i < fleet->present.cap && count < sizeof seen / sizeof *seen; i++) {
		bool is_new = *agents[i].agent;
		for (unsigned k = 0; is_new && k < count; k++)
			is_new = strcmp(seen[k], agents[i].org) != 0;
		if (is_new)
			seen[count++] = agents[i].org;
	}
	for (unsigned k = 0; k < count; k++)
		policies_look(fleet, seen[k]);
}

static void on_policy(void *self, const char *channel, const char *payload)
{
	(void)channel;
	/* After a reconnection nobody knows what was missed. */
	if (*payload)
		policies_look(self, payload);
	else
		all_look(self);
}

static void on_command(void *self, const char *channel, const char *payload)
{
	sense_agents *fleet = self;
	uint8_t bytes[16];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	(void)channel;
	sense_message_put_nothing(&writer);
	if (*payload)
		sense_call_notify(fleet->config.calls, payload, SENSE_NOTIFY_COMMAND, writer.data, writer.len);
}

bool sense_agents_push_begin(sense_agents *fleet)
{
	return sense_db_listen(fleet->config.db, "sense_policy", on_policy, fleet) &&
	       sense_db_listen(fleet->config.db, "sense_command", on_command, fleet);
}
