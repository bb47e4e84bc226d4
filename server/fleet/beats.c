/*
 * Heartbeat. Those of an organization that come within a short time are told the database together: of thousands of
 * agents each beat alone would cost it some ten times as much, most of it for the transaction and for waking a process.
 *
 * When the database refuses some together each is asked about alone, so that none suffers for another's.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/show/json.h"
#include "server/fleet/internal.h"

enum { ANSWER_MAX = 512, SAID_MAX = 64 * 1024, BEATS_MAX = 256, BEATS_BYTES = 512 * 1024 };
#define GATHER_S 0.1

static const struct sense_db_statement heartbeats = {
    "agent_heartbeats",
    "SELECT place, coalesce(generation, 0), hash, commands FROM sense.agent_heartbeats($1, $2)"};

static const char short_of_memory[] = "the server is short of memory";

struct beat {
	struct sense_agents_ask *ask; /* NULL: it was answered */
	char *said;                   /* a JSON object */
};

struct sense_agents_beats {
	struct sense_agents_beats *next; /* of those that are gathering */
	sense_agents *fleet;
	unsigned count;
	size_t bytes;
	struct beat beats[BEATS_MAX];
};

/* ---- some together ------------------------------------------------------------------------------------- */

static void beats_free(struct sense_agents_beats *beats)
{
	for (unsigned i = 0; i < beats->count; i++) {
		free(beats->beats[i].ask);
		free(beats->beats[i].said);
	}
	free(beats);
}

static struct sense_agents_beats *beats_new(sense_agents *fleet)
{
	struct sense_agents_beats *beats = calloc(1, sizeof *beats);
	if (beats)
		beats->fleet = fleet;
	return beats;
}

static void beats_add(struct sense_agents_beats *beats, const struct beat *beat)
{
	beats->beats[beats->count++] = *beat;
	beats->bytes += strlen(beat->said);
}

/* Frees the ask. */
static void answer(struct sense_agents_ask *ask, const struct sense_db_result *result, unsigned row)
{
	uint8_t bytes[ANSWER_MAX];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	const struct sense_message_beat message = {.time = sense_clock_us(),
	                                           .policy = sense_agents_policy_of(result, row, 1),
	                                           .commands = (uint32_t)sense_db_uint(result, row, 3)};
	sense_message_put_beat(&writer, &message);
	sense_agents_answer(ask, &writer);
}

static void beats_ask(struct sense_agents_beats *beats);

static void each_alone(struct sense_agents_beats *beats)
{
	for (unsigned i = 0; i < beats->count; i++) {
		struct sense_agents_beats *one = beats_new(beats->fleet);
		if (!one) {
			sense_agents_fail(beats->fleet, beats->beats[i].ask->ref, "busy", short_of_memory,
			                  SENSE_AGENTS_RETRY_MS);
			continue;
		}
		beats_add(one, &beats->beats[i]);
		beats->beats[i] = (struct beat){0};
		beats_ask(one);
	}
}

static void asked(void *self, const struct sense_db_result *result)
{
	struct sense_agents_beats *beats = self;
	static const struct sense_db_result none = {.outcome = SENSE_DB_DONE};
	if (result->outcome == SENSE_DB_REFUSED && beats->count > 1) {
		each_alone(beats);
		beats_free(beats);
		return;
	}
	for (unsigned row = 0; result->outcome == SENSE_DB_DONE && row < result->rows; row++) {
		uint64_t place = sense_db_uint(result, row, 0);
		if (!place || place > beats->count || !beats->beats[place - 1].ask)
			continue;
		answer(beats->beats[place - 1].ask, result, row);
		beats->beats[place - 1].ask = NULL;
	}
	for (unsigned i = 0; i < beats->count; i++) {
		struct beat *beat = &beats->beats[i];
		if (beat->ask)
			sense_agents_row(beat->ask, result->outcome == SENSE_DB_DONE ? &none : result,
			                 "revoked", sense_agents_gone);
		beat->ask = NULL;
	}
	beats_free(beats);
}

static void refuse(struct sense_agents_beats *beats, const char *why)
{
	for (unsigned i = 0; i < beats->count; i++)
		sense_agents_fail(beats->fleet, beats->beats[i].ask->ref, "busy", why, SENSE_AGENTS_RETRY_MS);
	beats_free(beats);
}

static void beats_ask(struct sense_agents_beats *beats)
{
	struct sense_buf said;
	sense_buf_init(&said, 0);
	for (unsigned i = 0; i < beats->count; i++) {
		sense_buf_addc(&said, i ? ',' : '[');
		sense_buf_adds(&said, beats->beats[i].said);
	}
	sense_buf_addc(&said, ']');
	const char *org = beats->beats[0].ask->org, *text = sense_buf_str(&said);
	const struct sense_db_param params[] = {SENSE_DB_TEXT(org), SENSE_DB_TEXT(text)};
	if (said.failed)
		refuse(beats, short_of_memory);
	else if (!sense_db_ask(beats->fleet->config.db, org, &heartbeats, params, 2, asked, beats))
		refuse(beats, "too many questions wait for the database");
	sense_buf_fini(&said);
}

/* ---- gathering ------------------------------------------------------------------------------------------ */

static void on_gathered(struct ev_loop *loop, ev_timer *timer, int events)
{
	sense_agents *fleet = timer->data;
	struct sense_agents_beats *beats;
	(void)loop, (void)events;
	while ((beats = fleet->gathering)) {
		fleet->gathering = beats->next;
		beats_ask(beats);
	}
}

/* Where the organization's beats gather. NULL: no memory. */
static struct sense_agents_beats **place_of(sense_agents *fleet, const char *org)
{
	struct sense_agents_beats **place = &fleet->gathering;
	while (*place && strcmp((*place)->beats[0].ask->org, org))
		place = &(*place)->next;
	if (!*place)
		*place = beats_new(fleet);
	return *place ? place : NULL;
}

static bool gather(sense_agents *fleet, const struct beat *beat)
{
	struct sense_agents_beats **place = place_of(fleet, beat->ask->org), *full;
	if (!place)
		return false;
	beats_add(*place, beat);
	if ((*place)->count == BEATS_MAX || (*place)->bytes >= BEATS_BYTES) {
		full = *place;
		*place = full->next;
		beats_ask(full);
	} else if (!ev_is_active(&fleet->gathered)) {
		ev_timer_set(&fleet->gathered, GATHER_S, 0);
		ev_timer_start(fleet->config.loop, &fleet->gathered);
	}
	return true;
}

void sense_agents_beats_begin(sense_agents *fleet)
{
	ev_timer_init(&fleet->gathered, on_gathered, GATHER_S, 0);
	fleet->gathered.data = fleet;
}

void sense_agents_beats_end(sense_agents *fleet)
{
	struct sense_agents_beats *beats;
	ev_timer_stop(fleet->config.loop, &fleet->gathered);
	while ((beats = fleet->gathering)) {
		fleet->gathering = beats->next;
		beats_free(beats);
	}
}

/* ---- one of them ---------------------------------------------------------------------------------------- */

static void beat_say(struct sense_json *json, const char *agent,
                     const struct sense_message_heartbeat *message)
{
	sense_json_open(json, '{');
	sense_json_member(json, "agent", agent);
	sense_json_member_number(json, "offset", (double)message->time - (double)sense_clock_us());
	sense_json_member_uint(json, "uptime", message->uptime);
	sense_agents_policy_say(json, &message->policy);
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
	sense_buf_init(&said, SAID_MAX);
	beat_say(&json, peer->agent, &message);
	char *text = said.failed ? NULL : strdup(sense_buf_str(&said));
	sense_buf_fini(&said);
	if (!text) {
		sense_agents_invalid(fleet, ref, "the parameters are too large");
		return;
	}
	struct beat beat = {sense_agents_ask_new(fleet, ref, peer), text};
	if (beat.ask && gather(fleet, &beat))
		return;
	if (beat.ask) /* otherwise it was answered */
		sense_agents_fail(fleet, ref, "busy", short_of_memory, SENSE_AGENTS_RETRY_MS);
	free(beat.ask);
	free(beat.said);
}
