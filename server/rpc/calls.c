#include "server/rpc/calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "proto/rpc.h"
#include "server/metrics.h"
#include "server/net/places.h"

#define HEAD_MAX 128u /* what comes before a map, its names included */
#define ERROR_MAX 4096u
#define RATE_US 1000u    /* of one call: a thousand a second */
#define RATE_BURST 2000u /* calls that may come at once */
#define RATE_RETRY_MS 500u

struct sense_rpc_session {
	sense_calls *calls;
	struct sense_connection *connection;
	struct sense_peer peer;
	uint32_t number, generation;
	sense_rpc_session *next; /* of the same hash of agents */
	struct sense_rpc_scanner scanner;
	size_t scanned;
	uint64_t paid_us; /* the time for which its calls have paid */
	unsigned outstanding;
	uint32_t ids[SENSE_RPC_OUTSTANDING_MAX];
};

struct sense_calls {
	struct sense_places places;
	const sense_revoked *revoked;
	uint64_t seed;
	struct sense_method methods[SENSE_METHODS_MAX];
	unsigned method_count;
	uint32_t agents_cap; /* a power of two */
	sense_rpc_session *agents[];
};

static struct sense_metric metrics[] = {
    SENSE_GAUGE("sense_agents_connected", NULL, "Agents that are connected."),
    SENSE_COUNTER("sense_rpc_calls_total", NULL, "Calls of agents."),
    SENSE_COUNTER("sense_rpc_errors_total", NULL, "Calls that were answered with an error."),
    SENSE_COUNTER("sense_rpc_unknown_total", NULL, "Calls of methods that this server does not have."),
    SENSE_COUNTER("sense_rpc_malformed_total", NULL,
                  "Messages that were none, which ended their connections."),
    SENSE_COUNTER("sense_rpc_stale_total", NULL, "Answers whose connection was gone."),
};
enum { CONNECTED, CALLS, ERRORS, UNKNOWN, MALFORMED, STALE };

enum sense_status sense_calls_metrics(sense_error *err)
{
	return sense_metrics_register(metrics, sizeof metrics / sizeof *metrics, err);
}

/* ---- the table of agents ------------------------------------------------------------------------------- */

sense_calls *sense_calls_new(uint32_t connections, const sense_revoked *revoked)
{
	uint32_t cap = 16;
	while (cap < connections)
		cap *= 2;
	sense_calls *calls = calloc(1, sizeof *calls + cap * sizeof(sense_rpc_session *));
	if (!calls)
		return NULL;
	calls->agents_cap = cap;
	calls->revoked = revoked;
	calls->seed = sense_hash_seed();
	if (sense_places_init(&calls->places, connections))
		return calls;
	free(calls);
	return NULL;
}

void sense_calls_free(sense_calls *calls)
{
	if (calls)
		sense_places_fini(&calls->places);
	free(calls);
}

bool sense_calls_method(sense_calls *calls, const struct sense_method *method)
{
	for (unsigned i = 0; i < calls->method_count; i++)
		if (!strcmp(calls->methods[i].name, method->name))
			return false;
	if (calls->method_count == SENSE_METHODS_MAX)
		return false;
	calls->methods[calls->method_count++] = *method;
	return true;
}

unsigned sense_calls_connected(const sense_calls *calls)
{
	return calls->places.used;
}

static sense_rpc_session **agents_of(sense_calls *calls, const char *agent)
{
	return &calls->agents[sense_hash(agent, strlen(agent), calls->seed) & (calls->agents_cap - 1)];
}

/* The newest come first. */
static void others_look(sense_rpc_session *first, const char *agent)
{
	unsigned count = 1; /* with the one that begins */
	for (sense_rpc_session *session = first; session; session = session->next)
		if (!strcmp(session->peer.agent, agent) &&
		    session->connection->state != SENSE_CONNECTION_ENDED && ++count > SENSE_RPC_SESSIONS_MAX)
			sense_connection_hang_up(session->connection, SENSE_GONE_REPLACED);
}

sense_rpc_session *sense_calls_begin(sense_calls *calls, struct sense_connection *connection,
                                     const struct sense_peer *peer)
{
	sense_rpc_session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	*session = (sense_rpc_session){.calls = calls, .connection = connection, .peer = *peer};
	if (!sense_places_take(&calls->places, session, &session->number, &session->generation)) {
		free(session);
		return NULL;
	}
	sense_rpc_scan_init(&session->scanner, SENSE_RPC_MESSAGE_MAX);
	sense_rpc_session **first = agents_of(calls, peer->agent);
	others_look(*first, peer->agent);
	session->next = *first;
	*first = session;
	sense_metric_add(&metrics[CONNECTED], 1);
	return session;
}

void sense_calls_end(sense_rpc_session *session)
{
	sense_calls *calls = session->calls;
	sense_rpc_session **at = agents_of(calls, session->peer.agent);
	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	sense_places_give(&calls->places, session->number);
	sense_metric_sub(&metrics[CONNECTED], 1);
	free(session);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* Whether this call is being served; then it is no longer. */
static bool outstanding_take(sense_rpc_session *session, uint32_t id)
{
	for (unsigned i = 0; i < session->outstanding; i++) {
		if (session->ids[i] != id)
			continue;
		session->ids[i] = session->ids[--session->outstanding];
		return true;
	}
	return false;
}

/* NULL: the connection is gone, or the call was answered already. */
static sense_rpc_session *called(sense_calls *calls, struct sense_call_ref ref)
{
	sense_rpc_session *session = sense_places_find(&calls->places, ref.connection, ref.generation);
	if (session && outstanding_take(session, ref.id))
		return session;
	sense_metric_add(&metrics[STALE], 1);
	return NULL;
}

static void put(sense_rpc_session *session, const struct sense_wire_writer *writer)
{
	sense_connection_put(session->connection, writer->data, writer->len);
}

bool sense_call_waits(const sense_calls *calls, struct sense_call_ref ref)
{
	size_t waiting = 0;
	const sense_rpc_session *session = sense_places_find(&calls->places, ref.connection, ref.generation);
	if (session)
		sense_connection_out(session->connection, &waiting);
	return waiting > 0;
}

void sense_call_answer(sense_calls *calls, struct sense_call_ref ref, const uint8_t *body, size_t len)
{
	uint8_t head[HEAD_MAX];
	struct sense_wire_writer writer = {.data = head, .cap = sizeof head};
	sense_rpc_session *session = called(calls, ref);
	if (!session)
		return;
	sense_rpc_put_result(&writer, ref.id);
	put(session, &writer);
	sense_connection_put(session->connection, body, len);
	sense_connection_resume(session->connection);
}

void sense_call_fail(sense_calls *calls, struct sense_call_ref ref, const struct sense_message_error *error)
{
	uint8_t data[ERROR_MAX];
	struct sense_wire_writer writer = {.data = data, .cap = sizeof data};
	sense_rpc_session *session = called(calls, ref);
	if (!session)
		return;
	sense_metric_add(&metrics[ERRORS], 1);
	sense_rpc_put_error(&writer, ref.id);
	sense_message_put_error(&writer, error);
	sense_rpc_end_error(&writer);
	if (writer.full) { /* a message of that length helps nobody */
		struct sense_message_error shorter = *error;
		shorter.message = "";
		writer = (struct sense_wire_writer){.data = data, .cap = sizeof data};
		sense_rpc_put_error(&writer, ref.id);
		sense_message_put_error(&writer, &shorter);
		sense_rpc_end_error(&writer);
	}
	put(session, &writer);
	sense_connection_resume(session->connection);
}

unsigned sense_call_notify(sense_calls *calls, const char *agent, const char *method, const uint8_t *body,
                           size_t len)
{
	uint8_t head[HEAD_MAX];
	struct sense_wire_writer writer = {.data = head, .cap = sizeof head};
	unsigned count = 0;
	sense_rpc_put_notification(&writer, method);
	for (sense_rpc_session *session = *agents_of(calls, agent); session; session = session->next) {
		if (strcmp(session->peer.agent, agent) || session->connection->state != SENSE_CONNECTION_OPEN)
			continue;
		put(session, &writer);
		sense_connection_put(session->connection, body, len);
		count++;
	}
	return count;
}

void sense_call_each(const sense_calls *calls, void (*each)(void *self, const struct sense_peer *peer),
                     void *self)
{
	for (uint32_t i = 0; i < calls->places.cap; i++) {
		const sense_rpc_session *session = calls->places.places[i].what;
		if (session)
			each(self, &session->peer);
	}
}

unsigned sense_call_hang_up(sense_calls *calls, const char *agent)
{
	unsigned count = 0;
	for (sense_rpc_session *session = *agents_of(calls, agent); session; session = session->next) {
		if (strcmp(session->peer.agent, agent))
			continue;
		sense_connection_hang_up(session->connection, SENSE_GONE_REVOKED);
		count++;
	}
	return count;
}

/* ---- calls --------------------------------------------------------------------------------------------- */

static void malformed(sense_rpc_session *session, const char *why)
{
	sense_metric_add(&metrics[MALFORMED], 1);
	sense_log(SENSE_LOG_WARN, "rpc", "agent %s at %s: a message %s: hung up", session->peer.agent,
	          session->peer.address, why);
	sense_connection_hang_up(session->connection, SENSE_GONE_MALFORMED);
}

static const struct sense_method *method_of(const sense_calls *calls, const struct sense_wire_key *name)
{
	for (unsigned i = 0; i < calls->method_count; i++)
		if (sense_wire_is(name, calls->methods[i].name))
			return &calls->methods[i];
	return NULL;
}

static void unknown_answer(sense_rpc_session *session, struct sense_call_ref ref,
                           const struct sense_wire_key *name)
{
	char text[SENSE_RPC_METHOD_MAX + 64];
	sense_metric_add(&metrics[UNKNOWN], 1);
	snprintf(text, sizeof text, "this server has no method '%.*s'",
	         (int)(name->len < SENSE_RPC_METHOD_MAX ? name->len : SENSE_RPC_METHOD_MAX), name->text);
	sense_call_fail(session->calls, ref,
	                &(struct sense_message_error){.code = "unknown_method", .message = text});
}

/*
 * Each call costs its share of a second; what is saved up is bounded (a leaky bucket as a meter: ITU-T I.371, annex A).
 * An agent that behaves never comes near; one that was taken over must not keep the database from others.
 */
static bool rate_take(sense_rpc_session *session)
{
	uint64_t now_us = sense_clock_monotonic_us();
	if (session->paid_us > now_us + RATE_BURST * RATE_US)
		return false;
	session->paid_us = (session->paid_us > now_us ? session->paid_us : now_us) + RATE_US;
	return true;
}

static void call_serve(sense_rpc_session *session, const struct sense_rpc_message *message)
{
	for (unsigned i = 0; i < session->outstanding; i++) {
		if (session->ids[i] == message->id) {
			malformed(session, "has the id of a call that was not answered yet");
			return;
		}
	}
	struct sense_call_ref ref = {session->number, session->generation, message->id};
	session->ids[session->outstanding++] = message->id;
	sense_metric_add(&metrics[CALLS], 1);
	const struct sense_method *method = method_of(session->calls, &message->method);
	if (!rate_take(session))
		sense_call_fail(session->calls, ref,
		                &(struct sense_message_error){.code = "busy",
		                                              .message = "calls come too fast",
		                                              .retry = RATE_RETRY_MS});
	else if (method)
		method->serve(method->self, session->calls, ref, &session->peer, message->body,
		              message->body_len);
	else
		unknown_answer(session, ref, &message->method);
}

static void message_serve(sense_rpc_session *session, const uint8_t *data, size_t len)
{
	struct sense_rpc_message message;
	const char *why = NULL;
	if (!sense_rpc_parse(data, len, &message, &why))
		malformed(session, why);
	else if (message.kind == SENSE_RPC_REQUEST)
		call_serve(session, &message);
	else if (message.kind == SENSE_RPC_RESPONSE)
		malformed(session, "answers what was not asked");
	/* A notification asks for nothing; those that are not known are passed over. */
}

static size_t take(void *self, const uint8_t *data, size_t len)
{
	sense_rpc_session *session = self;
	size_t used = 0, begin = session->scanned;
	enum sense_rpc_scan found = sense_rpc_scan(&session->scanner, data + begin, len - begin, &used);
	session->scanned += used;
	if (found == SENSE_RPC_BROKEN) {
		malformed(session, session->scanner.why);
		return 0;
	}
	if (found == SENSE_RPC_MORE)
		return 0;
	size_t whole = session->scanned;
	session->scanned = 0;
	if (sense_revoked_has(session->calls->revoked, session->peer.serial, session->peer.serial_len)) {
		sense_connection_hang_up(session->connection, SENSE_GONE_REVOKED);
		return 0;
	}
	message_serve(session, data, whole);
	return session->connection->state == SENSE_CONNECTION_ENDED ? 0 : whole;
}

static unsigned serving(const void *self)
{
	return ((const sense_rpc_session *)self)->outstanding;
}

static void drain(void *self)
{
	sense_connection_close(((sense_rpc_session *)self)->connection, SENSE_GONE_DRAINED);
}

const struct sense_connection_protocol sense_calls_protocol = {
    .take = take,
    .serving = serving,
    .serving_max = SENSE_RPC_OUTSTANDING_MAX,
    .drain = drain,
};
