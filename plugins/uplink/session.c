/* A session: registers this agent, beats, and brings calls and answers together. */
#include <poll.h>
#include <stdio.h>

#include "uplink.h"

#define HEAD_ROOM 64u
#define READS_A_TURN 16u
#define BATCH_ROWS_LEAST 1u
#define BATCH_BYTES_LEAST 4096u
#define HEARTBEAT_LEAST 1u
#define HEARTBEAT_MOST 3600u

static const char *const methods[SENSE_UPLINK_METHODS] = {
    [SENSE_UPLINK_REGISTER] = SENSE_METHOD_REGISTER,
    [SENSE_UPLINK_HEARTBEAT] = SENSE_METHOD_HEARTBEAT,
    [SENSE_UPLINK_ACKNOWLEDGE] = SENSE_METHOD_ACKNOWLEDGE,
    [SENSE_UPLINK_RESULT] = SENSE_METHOD_RESULT,
    [SENSE_UPLINK_RENEW] = SENSE_METHOD_RENEW,
};

/* ---- calls ------------------------------------------------------------------------------------------ */

struct call *call_begin(struct uplink *u, const char *method, size_t room, struct sense_wire_writer *writer)
{
	struct call *call = NULL;
	for (unsigned i = 0; i < CALLS_MAX && !call; i++)
		call = u->calls[i].used ? NULL : &u->calls[i];
	if (!call || !bytes_room(&u->out, room + HEAD_ROOM, OUT_MAX))
		return NULL;
	*call = (struct call){.id = u->next_id++};
	*writer = (struct sense_wire_writer){.data = u->out.data + u->out.len, .cap = room + HEAD_ROOM};
	sense_rpc_put_request(writer, call->id, method);
	return call;
}

void call_end(struct uplink *u, struct call *call, const struct sense_wire_writer *writer)
{
	if (writer->full) {
		lost(u, false, "a message is larger than its room");
		return;
	}
	call->used = true;
	call->deadline = u->now + u->call_ms;
	u->out.len += writer->len;
}

void session_parameters(struct uplink *u, uint32_t method, const uint8_t *map, size_t len)
{
	struct sense_wire_writer writer;
	bool registers = method == SENSE_UPLINK_REGISTER;
	if (!method || method >= SENSE_UPLINK_METHODS ||
	    u->phase != (registers ? PHASE_REGISTER : PHASE_SESSION))
		return;
	struct call *call = call_begin(u, methods[method], len, &writer);
	if (!call)
		return; /* too many wait; the next beat says as much */
	if (len > writer.cap - writer.len)
		writer.full = true;
	else
		memcpy(writer.data + writer.len, map, len);
	writer.len += writer.full ? 0 : len;
	call->method = (enum sense_uplink_method)method;
	call_end(u, call, &writer);
}

/* ---- answers ---------------------------------------------------------------------------------------- */

static uint32_t within(uint32_t value, uint32_t least, uint32_t most)
{
	return value < least ? least : value > most ? most : value;
}

static void beat_plan(struct uplink *u)
{
	/* Not all agents at once. */
	u->beat_at = u->now + jitter((uint64_t)u->heartbeat * 1250);
}

static void registered_take(struct uplink *u, const struct sense_rpc_message *message)
{
	struct sense_message_registered registered;
	const char *why;
	if (!sense_message_get_registered(message->body, message->body_len, u->storage, &registered, &why)) {
		lost(u, false, "the server's answer cannot be read: %s", why);
		return;
	}
	u->phase = PHASE_SESSION;
	u->since = u->now;
	u->heartbeat = within(registered.heartbeat, HEARTBEAT_LEAST, HEARTBEAT_MOST);
	u->batches.rows_max = within(registered.batch_rows, BATCH_ROWS_LEAST, SENSE_MESSAGE_FINDINGS_MAX);
	u->batches.bytes_max = within(registered.batch_bytes, BATCH_BYTES_LEAST, BATCH_MAX);
	u->batches.tokens_at = u->now;
	u->batches.window = 1; /* others may have come back at the same moment */
	beat_plan(u);
	tell(u, SENSE_UPLINK_UP, u->heartbeat, registered.through, u->servers[u->at].text,
	     strlen(u->servers[u->at].text));
	policy_seen(u, &registered.policy);
	batch_restart(u, registered.through);
}

static void beat_take(struct uplink *u, const struct sense_rpc_message *message)
{
	struct sense_message_beat beat;
	const char *why;
	if (!sense_message_get_beat(message->body, message->body_len, u->storage, &beat, &why)) {
		lost(u, false, "the server's answer cannot be read: %s", why);
		return;
	}
	policy_seen(u, &beat.policy);
	if (beat.commands)
		commands_ask(u);
}

static void renewed_take(struct uplink *u, const struct sense_rpc_message *message)
{
	struct sense_message_renewed renewed;
	const char *why;
	if (sense_message_get_renewed(message->body, message->body_len, u->storage, &renewed, &why))
		tell(u, SENSE_UPLINK_RENEWED, 0, renewed.expires, renewed.certificate.data,
		     renewed.certificate.len);
	else
		tell_text(u, SENSE_UPLINK_DONE, SENSE_UPLINK_RENEW, why);
}

/* An error that a call of a method of the supervisor's was answered with. */
static void refused(struct uplink *u, enum sense_uplink_method method,
                    const struct sense_rpc_message *message)
{
	struct sense_message_error error;
	const char *why;
	char text[512];
	if (!sense_message_get_error(message->error, message->error_len, u->storage, &error, &why)) {
		lost(u, false, "the server's answer cannot be read: %s", why);
		return;
	}
	snprintf(text, sizeof text, "%s: %s", error.code, error.message ? error.message : "");
	bool denied = !strcmp(error.code, "revoked") || !strcmp(error.code, "denied");
	if (denied || method == SENSE_UPLINK_REGISTER)
		lost(u, denied, "the server refuses this agent: %s", text);
	else
		tell_text(u, SENSE_UPLINK_DONE, method, text);
}

static void method_answer(struct uplink *u, enum sense_uplink_method method,
                          const struct sense_rpc_message *message)
{
	if (message->error)
		refused(u, method, message);
	else if (method == SENSE_UPLINK_REGISTER)
		registered_take(u, message);
	else if (method == SENSE_UPLINK_HEARTBEAT)
		beat_take(u, message);
	else if (method == SENSE_UPLINK_RENEW)
		renewed_take(u, message);
	else
		tell(u, SENSE_UPLINK_DONE, method, 0, NULL, 0);
}

static void answer_take(struct uplink *u, const struct sense_rpc_message *message)
{
	for (unsigned i = 0; i < CALLS_MAX; i++) {
		if (!u->calls[i].used || u->calls[i].id != message->id)
			continue;
		struct call call = u->calls[i];
		u->calls[i].used = false;
		if (call.what == CALL_FINDINGS)
			batch_answer(u, &call, message);
		else if (call.what == CALL_POLICIES)
			policy_answer(u, message);
		else if (call.what == CALL_COMMANDS)
			commands_answer(u, message);
		else
			method_answer(u, call.method, message);
		return;
	}
	lost(u, false, "the server answers what was not asked");
}

static void notification_take(struct uplink *u, const struct sense_rpc_message *message)
{
	struct sense_message_policy policy;
	const char *why;
	if (u->phase != PHASE_SESSION)
		return;
	if (sense_wire_is(&message->method, SENSE_NOTIFY_COMMAND))
		commands_ask(u);
	else if (sense_wire_is(&message->method, SENSE_NOTIFY_POLICY) &&
	         sense_message_get_policy(message->body, message->body_len, u->storage, &policy, &why))
		policy_seen(u, &policy);
	/* Others are of a newer server. */
}

static void message_take(struct uplink *u)
{
	struct sense_rpc_message message;
	const char *why;
	if (!sense_rpc_parse(u->in.data, u->in.len, &message, &why))
		lost(u, false, "the server's message cannot be read: %s", why);
	else if (message.kind == SENSE_RPC_RESPONSE)
		answer_take(u, &message);
	else if (message.kind == SENSE_RPC_NOTIFICATION)
		notification_take(u, &message);
	else
		lost(u, false, "the server calls the agent, which it may not");
}

/* Cuts the stream into messages. */
static void data_take(struct uplink *u, const uint8_t *data, size_t len)
{
	while (len && u->ssl) {
		size_t used = 0;
		enum sense_rpc_scan scan = sense_rpc_scan(&u->scanner, data, len, &used);
		if (scan == SENSE_RPC_BROKEN) {
			lost(u, false, "the server's stream is broken: %s", u->scanner.why);
			return;
		}
		if (!bytes_add(&u->in, data, used, IN_MAX)) {
			lost(u, false, "no memory for the server's message");
			return;
		}
		data += used;
		len -= used;
		if (scan != SENSE_RPC_WHOLE)
			return;
		message_take(u);
		bytes_clear(&u->in);
	}
}

/* ---- the loop's end of it ---------------------------------------------------------------------------- */

void session_begin(struct uplink *u)
{
	u->phase = PHASE_REGISTER;
	u->deadline = u->now + u->call_ms;
	u->events = 0;
	sense_rpc_scan_init(&u->scanner, IN_MAX);
	tell(u, SENSE_UPLINK_DUE, SENSE_UPLINK_REGISTER, 0, NULL, 0);
}

void session_event(struct uplink *u)
{
	static uint8_t data[16384];
	for (unsigned i = 0; i < READS_A_TURN && u->ssl; i++) {
		int got = tls_read(u, data, sizeof data);
		if (got <= 0)
			return;
		data_take(u, data, (size_t)got);
	}
}

void session_time(struct uplink *u)
{
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (u->calls[i].used && u->now >= u->calls[i].deadline) {
			lost(u, false, "the server does not answer");
			return;
		}
	if (u->phase != PHASE_SESSION)
		return;
	if (u->now >= u->beat_at) {
		beat_plan(u);
		tell(u, SENSE_UPLINK_DUE, SENSE_UPLINK_HEARTBEAT, 0, NULL, 0);
	}
	batch_pump(u);
}

uint64_t session_wakes(const struct uplink *u)
{
	uint64_t at = u->phase == PHASE_SESSION ? u->beat_at : UINT64_MAX;
	for (unsigned i = 0; i < CALLS_MAX; i++)
		if (u->calls[i].used && u->calls[i].deadline < at)
			at = u->calls[i].deadline;
	uint64_t batch = u->phase == PHASE_SESSION ? batch_wakes(u) : UINT64_MAX;
	return batch < at ? batch : at;
}
