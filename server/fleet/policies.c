/* GetPolicies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/fleet/internal.h"

enum { HEAD_MAX = 8 * 1024 };
#define WAITING_MAX ((size_t)32 << 20) /* bytes to be sent to agents; with more no piece is given out */
#define LATER_S 0.005

static const struct sense_db_statement bundles = {
    "policy_bundle",
    "SELECT r.hash, r.manifest, r.signature, p.bundle "
    "FROM sense.policy_rollouts r "
    "JOIN sense.policies p ON p.org_id = r.org_id AND p.hash = r.hash "
    "WHERE r.org_id = $1 AND r.generation = $2"};

/* ---- bundles, as they are kept --------------------------------------------------------------------------- */

static void bundle_fini(struct sense_agents_bundle *bundle)
{
	free(bundle->manifest);
	free(bundle->bytes);
	*bundle = (struct sense_agents_bundle){0};
}

/* What a generation is never changes. */
static struct sense_agents_bundle *bundle_find(sense_agents *fleet, const char *org, uint64_t generation)
{
	for (unsigned i = 0; i < SENSE_AGENTS_BUNDLES; i++) {
		struct sense_agents_bundle *bundle = &fleet->bundles[i];
		if (bundle->generation == generation && !strcmp(bundle->org, org)) {
			bundle->used = ++fleet->uses;
			return bundle;
		}
	}
	return NULL;
}

static uint8_t *bytes_take(const struct sense_db_result *result, unsigned column, size_t *len)
{
	*len = sense_db_bytes(result, 0, column, NULL, 0);
	uint8_t *bytes = malloc(*len + 1);
	if (bytes)
		sense_db_bytes(result, 0, column, bytes, *len);
	return bytes;
}

/* In the place of the one that was not asked for the longest. NULL: no memory, or the row is not as it must be. */
static struct sense_agents_bundle *bundle_keep(sense_agents *fleet, const char *org, uint64_t generation,
                                               const struct sense_db_result *result)
{
	struct sense_agents_bundle *place = &fleet->bundles[0];
	for (unsigned i = 1; i < SENSE_AGENTS_BUNDLES; i++)
		if (fleet->bundles[i].used < place->used)
			place = &fleet->bundles[i];
	bundle_fini(place);
	struct sense_agents_bundle made = {.generation = generation, .used = ++fleet->uses};
	snprintf(made.org, sizeof made.org, "%s", org);
	made.manifest = bytes_take(result, 1, &made.manifest_len);
	made.bytes = bytes_take(result, 3, &made.size);
	if (!made.manifest || !made.bytes ||
	    sense_db_bytes(result, 0, 0, made.hash, sizeof made.hash) != sizeof made.hash ||
	    sense_db_bytes(result, 0, 2, made.signature, sizeof made.signature) != sizeof made.signature) {
		bundle_fini(&made);
		return NULL;
	}
	*place = made;
	return place;
}

/* ---- pieces ------------------------------------------------------------------------------------------------ */

static void piece_answer(struct sense_agents_ask *ask, const struct sense_agents_bundle *bundle)
{
	size_t left = ask->offset < bundle->size ? bundle->size - (size_t)ask->offset : 0;
	size_t cap = HEAD_MAX + bundle->manifest_len + SENSE_MESSAGE_PIECE_MAX;
	struct sense_wire_writer writer = {.data = malloc(cap), .cap = cap};
	struct sense_message_policies message = {
	    .policy = {.generation = bundle->generation},
	    .manifest = {bundle->manifest, bundle->manifest_len},
	    .signature = {bundle->signature, sizeof bundle->signature},
	    .size = bundle->size,
	    .offset = ask->offset,
	    .bytes = {bundle->bytes + bundle->size - left,
	              left < SENSE_MESSAGE_PIECE_MAX ? left : SENSE_MESSAGE_PIECE_MAX},
	};
	memcpy(message.policy.hash, bundle->hash, sizeof bundle->hash);
	writer.full = !writer.data;
	if (writer.data)
		sense_message_put_policies(&writer, &message);
	sense_agents_answer(ask, &writer);
	free(writer.data);
}

static void bundle_ask(struct sense_agents_ask *ask);

/*
 * After a rollout a fleet asks at once: as much is given out as agents take, and nothing to one that has not taken what
 * it was given before.
 */
static void pieces_give(sense_agents *fleet)
{
	struct sense_agents_ask **place = &fleet->pieces.first, *ask;
	if (fleet->pieces.giving)
		return;
	fleet->pieces.giving = true;
	while ((ask = *place) && fleet->config.sent->waiting < WAITING_MAX) {
		if (sense_call_waits(fleet->config.calls, ask->ref)) {
			place = &ask->next;
			continue;
		}
		const struct sense_agents_bundle *bundle = bundle_find(fleet, ask->org, ask->generation);
		*place = ask->next;
		ask->next = NULL;
		if (!*place)
			fleet->pieces.last = place;
		if (bundle)
			piece_answer(ask, bundle);
		else
			bundle_ask(ask); /* others came in its place meanwhile */
	}
	fleet->pieces.giving = false;
	if (fleet->pieces.first && !ev_is_active(&fleet->pieces.later)) {
		ev_timer_set(&fleet->pieces.later, LATER_S, 0);
		ev_timer_start(fleet->config.loop, &fleet->pieces.later);
	}
}

static void on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	pieces_give(timer->data);
}

/* Takes the ask, for a bundle that is kept. */
static void piece_ask(struct sense_agents_ask *ask)
{
	struct sense_agents_pieces *pieces = &ask->fleet->pieces;
	*pieces->last = ask;
	pieces->last = &ask->next;
	pieces_give(ask->fleet);
}

void sense_agents_policies_begin(sense_agents *fleet)
{
	ev_timer_init(&fleet->pieces.later, on_later, LATER_S, 0);
	fleet->pieces.later.data = fleet;
	fleet->pieces.last = &fleet->pieces.first;
}

void sense_agents_policies_end(sense_agents *fleet)
{
	struct sense_agents_ask *ask;
	ev_timer_stop(fleet->config.loop, &fleet->pieces.later);
	while ((ask = fleet->pieces.first)) {
		fleet->pieces.first = ask->next;
		free(ask);
	}
	for (unsigned i = 0; i < SENSE_AGENTS_BUNDLES; i++)
		bundle_fini(&fleet->bundles[i]);
}

/* A bundle that the database was asked for, once for all who want it: a rollout has a fleet ask at the same time. */
struct sense_agents_reading {
	struct sense_agents_reading *next;
	struct sense_agents_ask *asks;
};

static struct sense_agents_reading *reading_find(const sense_agents *fleet, const char *org,
                                                 uint64_t generation)
{
	struct sense_agents_reading *reading = fleet->readings;
	while (reading && (reading->asks->generation != generation || strcmp(reading->asks->org, org)))
		reading = reading->next;
	return reading;
}

static void reading_end(sense_agents *fleet, struct sense_agents_reading *reading)
{
	struct sense_agents_reading **place = &fleet->readings;
	while (*place != reading)
		place = &(*place)->next;
	*place = reading->next;
	free(reading);
}

static void bundle_read(void *self, const struct sense_db_result *result)
{
	struct sense_agents_reading *reading = self;
	struct sense_agents_ask *ask = reading->asks, *next;
	sense_agents *fleet = ask->fleet;
	const struct sense_agents_bundle *bundle = NULL;
	reading_end(fleet, reading);
	if (result->outcome == SENSE_DB_DONE && result->rows)
		bundle = bundle_keep(fleet, ask->org, ask->generation, result);
	for (; ask; ask = next) {
		next = ask->next;
		if (!sense_agents_row(ask, result, "invalid", "there are no policies of this generation"))
			continue;
		ask->next = NULL;
		if (bundle) {
			piece_ask(ask);
			continue;
		}
		sense_agents_fail(fleet, ask->ref, "busy", "the server is short of memory",
		                  SENSE_AGENTS_RETRY_MS);
		free(ask);
	}
}

/* Takes the ask. */
static void bundle_ask(struct sense_agents_ask *ask)
{
	char generation[24];
	sense_agents *fleet = ask->fleet;
	struct sense_agents_reading *reading = reading_find(fleet, ask->org, ask->generation);
	if (reading) {
		ask->next = reading->asks;
		reading->asks = ask;
		return;
	}
	snprintf(generation, sizeof generation, "%llu", (unsigned long long)(ask->generation & INT64_MAX));
	const struct sense_db_param params[] = {SENSE_DB_TEXT(ask->org), SENSE_DB_TEXT(generation)};
	reading = malloc(sizeof *reading);
	if (reading && sense_db_ask(fleet->config.db, ask->org, &bundles, params, 2, bundle_read, reading)) {
		*reading = (struct sense_agents_reading){fleet->readings, ask};
		fleet->readings = reading;
		return;
	}
	sense_agents_fail(fleet, ask->ref, "busy", "too many questions wait for the database",
	                  SENSE_AGENTS_RETRY_MS);
	free(reading);
	free(ask);
}

void sense_agents_serve_policies(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_get_policies message;
	const char *why;
	(void)calls;
	if (!sense_message_get_get_policies(params, len, fleet->storage, &message, &why)) {
		sense_agents_invalid(fleet, ref, why);
		return;
	}
	struct sense_agents_ask *ask = sense_agents_ask_new(fleet, ref, peer);
	if (!ask)
		return;
	ask->offset = message.offset;
	ask->generation = message.generation;
	const struct sense_agents_bundle *bundle = bundle_find(fleet, peer->org, message.generation);
	if (bundle && message.generation)
		piece_ask(ask);
	else
		bundle_ask(ask);
}
