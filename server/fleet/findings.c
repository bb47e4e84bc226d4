/* ReportFindings. */
#include <stdlib.h>

#include "server/fleet/internal.h"

enum { ANSWER_MAX = 64, FULL_MS = 500, AWAY_MS = 2000 };

static void gap(struct sense_agents_ask *ask, uint64_t through)
{
	const struct sense_message_error error = {
	    .code = "gap",
	    .message = "findings before these are missing: go on behind `through`",
	    .through = through};
	sense_call_fail(ask->fleet->config.calls, ask->ref, &error);
	free(ask);
}

static void reported(void *self, enum sense_ingest_outcome outcome, uint64_t through, uint32_t refused)
{
	struct sense_agents_ask *ask = self;
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	const struct sense_message_reported message = {.through = through, .refused = refused};
	switch (outcome) {
	case SENSE_INGEST_STORED:
		sense_message_put_reported(&writer, &message);
		sense_agents_answer(ask, &writer);
		return;
	case SENSE_INGEST_GAP:
		gap(ask, through);
		return;
	case SENSE_INGEST_AWAY:
		sense_agents_fail(ask->fleet, ask->ref, "busy", "the database cannot be reached", AWAY_MS);
		break;
	case SENSE_INGEST_DENIED:
		sense_agents_fail(ask->fleet, ask->ref, "denied",
		                  "this agent is not known in its organization", 0);
		break;
	}
	free(ask);
}

void sense_agents_serve_findings(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_findings message;
	const char *why;
	(void)calls;
	if (!sense_message_get_findings(params, len, &message, &why)) {
		sense_agents_invalid(fleet, ref, why);
		return;
	}
	struct sense_agents_ask *ask = sense_agents_ask_new(fleet, ref, peer);
	if (!ask)
		return;
	switch (sense_ingest_submit(fleet->config.ingest, peer->org, peer->agent, message.after, &message,
	                            reported, ask)) {
	case SENSE_INGEST_TAKEN:
		return;
	case SENSE_INGEST_FULL:
		sense_agents_fail(fleet, ref, "busy", "more findings than the database takes", FULL_MS);
		break;
	case SENSE_INGEST_INVALID:
		sense_agents_invalid(fleet, ref,
		                     message.reader.why ? message.reader.why : "sequences do not ascend");
		break;
	}
	free(ask);
}
