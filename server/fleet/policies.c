/* GetPolicies and AcknowledgePolicy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/show/json.h"
#include "server/fleet/internal.h"

enum { HEAD_MAX = 8 * 1024, SAID_MAX = 4 << 20 };

static const struct sense_db_statement bundles = {
    "policy_bundle",
    "SELECT r.hash, r.manifest, r.signature, p.bundle "
    "FROM sense.policy_rollouts r "
    "JOIN sense.policies p ON p.org_id = r.org_id AND p.hash = r.hash "
    "WHERE r.org_id = $1 AND r.generation = $2"};
static const struct sense_db_statement acknowledges = {
    "policy_acknowledge", "SELECT sense.policy_acknowledge($1, $2, $3, $4, $5, $6, $7)"};

/* ---- bundles, as they are kept --------------------------------------------------------------------------- */

static void bundle_fini(struct sense_agents_bundle *bundle)
{
	free(bundle->manifest);
	free(bundle->bytes);
	*bundle = (struct sense_agents_bundle){0};
}

void sense_agents_bundles_free(sense_agents *fleet)
{
	for (unsigned i = 0; i < SENSE_AGENTS_BUNDLES; i++)
		bundle_fini(&fleet->bundles[i]);
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

/* ---- GetPolicies ------------------------------------------------------------------------------------------- */

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

static void bundle_read(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	if (!sense_agents_row(ask, result, "invalid", "there are no policies of this generation"))
		return;
	/* Others that asked at the same time may have brought it. */
	const struct sense_agents_bundle *bundle = bundle_find(ask->fleet, ask->org, ask->generation);
	if (!bundle)
		bundle = bundle_keep(ask->fleet, ask->org, ask->generation, result);
	if (bundle) {
		piece_answer(ask, bundle);
		return;
	}
	sense_agents_fail(ask->fleet, ask->ref, "busy", "the server is short of memory", 2000);
	free(ask);
}

void sense_agents_serve_policies(void *self, sense_calls *calls, struct sense_call_ref ref,
                                 const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_get_policies message;
	char generation[24];
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
	if (bundle && message.generation) {
		piece_answer(ask, bundle);
		return;
	}
	snprintf(generation, sizeof generation, "%llu", (unsigned long long)(message.generation & INT64_MAX));
	const struct sense_db_param asked[] = {SENSE_DB_TEXT(ask->org), SENSE_DB_TEXT(generation)};
	sense_agents_ask(ask, &bundles, asked, 2, bundle_read);
}

/* ---- AcknowledgePolicy --------------------------------------------------------------------------------------- */

static void acknowledged(void *self, const struct sense_db_result *result)
{
	struct sense_agents_ask *ask = self;
	uint8_t bytes[16];
	struct sense_wire_writer writer = {.data = bytes, .cap = sizeof bytes};
	if (!sense_agents_row(ask, result, "internal", "nothing was acknowledged"))
		return;
	sense_message_put_nothing(&writer);
	sense_agents_answer(ask, &writer);
}

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

static void acknowledge(sense_agents *fleet, struct sense_call_ref ref, const struct sense_peer *peer,
                        struct sense_message_acknowledge *message)
{
	struct sense_buf said;
	struct sense_json json = {.out = &said};
	char generation[24];
	sense_buf_init(&said, SAID_MAX);
	bool good = rules_say(&json, message) && !said.failed;
	struct sense_agents_ask *ask = good ? sense_agents_ask_new(fleet, ref, peer) : NULL;
	if (!good)
		sense_agents_invalid(fleet, ref,
		                     message->reader.why ? message->reader.why : "too much is said of rules");
	snprintf(generation, sizeof generation, "%llu",
	         (unsigned long long)(message->policy.generation & INT64_MAX));
	const struct sense_db_param params[] = {
	    SENSE_DB_TEXT(peer->org),
	    SENSE_DB_TEXT(peer->agent),
	    SENSE_DB_TEXT(generation),
	    SENSE_DB_BYTES(message->policy.hash, sizeof message->policy.hash),
	    SENSE_DB_TEXT(message->loaded ? "true" : "false"),
	    SENSE_DB_TEXT(message->problem),
	    SENSE_DB_TEXT(good ? sense_buf_str(&said) : NULL),
	};
	if (ask)
		sense_agents_ask(ask, &acknowledges, params, 7, acknowledged);
	sense_buf_fini(&said);
}

void sense_agents_serve_acknowledge(void *self, sense_calls *calls, struct sense_call_ref ref,
                                    const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	sense_agents *fleet = self;
	struct sense_message_acknowledge message;
	const char *why;
	(void)calls;
	if (sense_message_get_acknowledge(params, len, fleet->storage, &message, &why))
		acknowledge(fleet, ref, peer, &message);
	else
		sense_agents_invalid(fleet, ref, why);
}
