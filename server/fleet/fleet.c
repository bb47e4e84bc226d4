#include "server/fleet/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"

#define REFUSED_EVERY_US UINT64_C(10000000)

sense_agents *sense_agents_new(const struct sense_agents_config *config, sense_error *err)
{
	sense_agents *fleet = calloc(1, sizeof *fleet);
	if (!fleet) {
		sense_fail(err, SENSE_E_MEMORY, "fleet", "no memory");
		return NULL;
	}
	fleet->config = *config;
	sense_agents_policies_begin(fleet);
	sense_gather_init(&fleet->registers, fleet, &sense_agents_registers);
	sense_gather_init(&fleet->beats, fleet, &sense_agents_beats);
	sense_gather_init(&fleet->acknowledges, fleet, &sense_agents_acknowledges);
	fleet->storage = malloc(SENSE_RPC_MESSAGE_MAX + SENSE_MESSAGE_STORAGE_EXTRA);
	if (fleet->storage && sense_agents_push_begin(fleet))
		return fleet;
	sense_fail(err, SENSE_E_MEMORY, "fleet", "no memory to serve agents");
	sense_agents_free(fleet);
	return NULL;
}

void sense_agents_free(sense_agents *fleet)
{
	if (!fleet)
		return;
	sense_gather_fini(&fleet->registers);
	sense_gather_fini(&fleet->beats);
	sense_gather_fini(&fleet->acknowledges);
	sense_agents_policies_end(fleet);
	free(fleet->storage);
	free(fleet);
}

void sense_agents_methods(sense_agents *fleet, struct sense_method out[SENSE_AGENTS_METHODS])
{
	const struct sense_method methods[SENSE_AGENTS_METHODS] = {
	    {SENSE_METHOD_REGISTER, sense_agents_serve_register, fleet},
	    {SENSE_METHOD_HEARTBEAT, sense_agents_serve_heartbeat, fleet},
	    {SENSE_METHOD_FINDINGS, sense_agents_serve_findings, fleet},
	    {SENSE_METHOD_POLICIES, sense_agents_serve_policies, fleet},
	    {SENSE_METHOD_ACKNOWLEDGE, sense_agents_serve_acknowledge, fleet},
	    {SENSE_METHOD_COMMANDS, sense_agents_serve_commands, fleet},
	    {SENSE_METHOD_RESULT, sense_agents_serve_result, fleet},
	};
	memcpy(out, methods, sizeof methods);
}

/* ---- asking ------------------------------------------------------------------------------------------ */

void sense_agents_fail(sense_agents *fleet, struct sense_call_ref ref, const char *code, const char *message,
                       uint32_t retry_ms)
{
	const struct sense_message_error error = {.code = code, .message = message, .retry = retry_ms};
	sense_call_fail(fleet->config.calls, ref, &error);
}

void sense_agents_invalid(sense_agents *fleet, struct sense_call_ref ref, const char *why)
{
	sense_agents_fail(fleet, ref, "invalid", why ? why : "the parameters cannot be read", 0);
}

struct sense_agents_ask *sense_agents_ask_new(sense_agents *fleet, struct sense_call_ref ref,
                                              const struct sense_peer *peer)
{
	struct sense_agents_ask *ask = calloc(1, sizeof *ask);
	if (!ask) {
		sense_agents_fail(fleet, ref, "busy", "the server is short of memory", SENSE_AGENTS_RETRY_MS);
		return NULL;
	}
	ask->fleet = fleet;
	ask->ref = ref;
	memcpy(ask->agent, peer->agent, sizeof ask->agent);
	memcpy(ask->org, peer->org, sizeof ask->org);
	return ask;
}

void sense_agents_ask(struct sense_agents_ask *ask, const struct sense_db_statement *statement,
                      const struct sense_db_param *params, unsigned count, sense_db_done *done)
{
	if (sense_db_ask(ask->fleet->config.db, ask->org, statement, params, count, done, ask))
		return;
	sense_agents_fail(ask->fleet, ask->ref, "busy", "too many questions wait for the database",
	                  SENSE_AGENTS_RETRY_MS);
	free(ask);
}

/* What one agent's call meets many will: it is said once in a while. */
static void refused(struct sense_agents_ask *ask, const struct sense_db_result *result)
{
	uint64_t now = sense_clock_us();
	if (now - ask->fleet->refused_us >= REFUSED_EVERY_US) {
		ask->fleet->refused_us = now;
		sense_log(SENSE_LOG_ERROR, "fleet", "agent %s: the database refused its call: %s (%s)",
		          ask->agent, result->message ? result->message : "", result->sqlstate);
	}
	sense_agents_fail(ask->fleet, ask->ref, "internal",
	                  "the database refused it; the server's log says why", SENSE_AGENTS_RETRY_MS);
}

bool sense_agents_row(struct sense_agents_ask *ask, const struct sense_db_result *result, const char *none,
                      const char *none_message)
{
	if (result->outcome == SENSE_DB_DONE && result->rows)
		return true;
	if (result->outcome == SENSE_DB_DONE)
		sense_agents_fail(ask->fleet, ask->ref, none, none_message, 0);
	else if (result->outcome == SENSE_DB_REFUSED)
		refused(ask, result);
	else
		sense_agents_fail(ask->fleet, ask->ref, "busy", "the database cannot be reached",
		                  SENSE_AGENTS_RETRY_MS);
	free(ask);
	return false;
}

void sense_agents_answer(struct sense_agents_ask *ask, const struct sense_wire_writer *writer)
{
	if (writer->full)
		sense_agents_fail(ask->fleet, ask->ref, "internal", "the answer is too large", 0);
	else
		sense_call_answer(ask->fleet->config.calls, ask->ref, writer->data, writer->len);
	free(ask);
}
