/* Calls of agents over a connection without a network: whole and torn, too many, stale, broken. */
#include "server/rpc/calls.h"

#include <stdlib.h>

#include "proto/rpc.h"
#include "t/tap.h"

#define SECOND UINT64_C(1000000)

static const struct sense_connection_limits limits = {
    .input_max = SENSE_RPC_MESSAGE_MAX + 65536,
    .output_max = 1 << 20,
    .output_high = 65536,
    .idle_us = 90 * SECOND,
    .message_us = 60 * SECOND,
    .send_us = 30 * SECOND,
};
static const struct sense_peer peer = {
    .agent = "22222222-2222-4222-8222-222222222222",
    .org = "11111111-1111-4111-8111-111111111111",
    .serial = {0x0a, 0x0b},
    .serial_len = 2,
    .address = "192.0.2.1",
};

static sense_calls *calls;
static sense_revoked *revoked;
static struct sense_connection connection;
static sense_rpc_session *session;
static unsigned served;
static struct sense_call_ref held[SENSE_RPC_OUTSTANDING_MAX + 8];

static void echo(void *self, sense_calls *of, struct sense_call_ref ref, const struct sense_peer *who,
                 const uint8_t *params, size_t len)
{
	(void)self;
	served += !strcmp(who->agent, peer.agent);
	sense_call_answer(of, ref, params, len);
}

static void hold(void *self, sense_calls *of, struct sense_call_ref ref, const struct sense_peer *who,
                 const uint8_t *params, size_t len)
{
	(void)self, (void)of, (void)who, (void)params, (void)len;
	held[served++] = ref;
}

static void begin(void)
{
	revoked = sense_revoked_new();
	calls = sense_calls_new(4, revoked);
	sense_calls_method(calls, &(struct sense_method){"Echo", echo, NULL});
	sense_calls_method(calls, &(struct sense_method){"Hold", hold, NULL});
	sense_connection_init(&connection, &sense_calls_protocol, NULL, &limits, SECOND);
	session = sense_calls_begin(calls, &connection, &peer);
	connection.self = session;
	served = 0;
}

static void end(void)
{
	sense_calls_end(session);
	sense_connection_fini(&connection);
	sense_calls_free(calls);
	sense_revoked_free(revoked);
}

/* [0, id, method, [{"k": text of n letters}]] */
static size_t request(uint8_t *out, size_t cap, uint32_t id, const char *method, size_t n)
{
	char *text = malloc(n + 1);
	struct sense_wire_writer writer = {.data = out, .cap = cap};
	memset(text, 'x', n);
	text[n] = '\0';
	sense_rpc_put_request(&writer, id, method);
	sense_wire_put_map(&writer, 1);
	sense_wire_put_string(&writer, "k");
	sense_wire_put_string(&writer, text);
	free(text);
	return writer.full ? 0 : writer.len;
}

/* The next message of the output: its kind and id; -1: none. */
static int answer_next(struct sense_rpc_message *message)
{
	static uint8_t copy[1 << 20];
	struct sense_rpc_scanner scanner;
	const char *why;
	size_t len, used;
	const uint8_t *out = sense_connection_out(&connection, &len);
	sense_rpc_scan_init(&scanner, SENSE_RPC_MESSAGE_MAX);
	if (!out || sense_rpc_scan(&scanner, out, len, &used) != SENSE_RPC_WHOLE)
		return -1;
	memcpy(copy, out, used);
	sense_connection_sent(&connection, used, 2 * SECOND);
	return sense_rpc_parse(copy, used, message, &why) ? (int)message->kind : -1;
}

static bool error_is(const struct sense_rpc_message *message, const char *code)
{
	char storage[1024];
	struct sense_message_error error;
	const char *why;
	return message->error && message->error_len + SENSE_MESSAGE_STORAGE_EXTRA < sizeof storage &&
	       sense_message_get_error(message->error, message->error_len, storage, &error, &why) &&
	       !strcmp(error.code, code);
}

static void whole_and_torn(void)
{
	uint8_t data[4096];
	struct sense_rpc_message message;
	size_t one = request(data, sizeof data, 1, "Echo", 40);
	size_t len = one + request(data + one, sizeof data - one, 2, "Echo", 700);
	unsigned wrong = 0;
	begin();
	sense_connection_in(&connection, data, len, SECOND);
	is_num(served, 2, "two messages in one piece");
	is_num(answer_next(&message), SENSE_RPC_RESPONSE, "are answered");
	ok(message.id == 1 && message.body && message.body_len == one - 9,
	   "the first first, with what was sent");
	answer_next(&message);
	is_num(message.id, 2, "then the second");
	end();
	for (size_t cut = 1; cut < len; cut++) {
		begin();
		sense_connection_in(&connection, data, cut, SECOND);
		sense_connection_in(&connection, data + cut, len - cut, SECOND);
		wrong += served != 2 || answer_next(&message) != SENSE_RPC_RESPONSE || message.id != 1 ||
		         answer_next(&message) != SENSE_RPC_RESPONSE || message.id != 2 ||
		         connection.input.data;
		end();
	}
	is_num(wrong, 0, "torn at every byte");
	begin();
	for (size_t i = 0; i < len; i++)
		sense_connection_in(&connection, data + i, 1, SECOND);
	is_num(served, 2, "byte by byte");
	ok(!connection.input.data, "and no memory is kept for input");
	end();
}

static void unknown(void)
{
	uint8_t data[256];
	struct sense_rpc_message message;
	begin();
	sense_connection_in(&connection, data, request(data, sizeof data, 9, "Nothing", 1), SECOND);
	is_num(answer_next(&message), SENSE_RPC_RESPONSE, "an unknown method is answered");
	ok(message.id == 9 && error_is(&message, "unknown_method"), "with that error");
	is_num(connection.state, SENSE_CONNECTION_OPEN, "and the connection goes on");
	end();
}

static void too_many(void)
{
	static uint8_t data[16384];
	struct sense_rpc_message message;
	size_t len = 0;
	const unsigned sent = SENSE_RPC_OUTSTANDING_MAX + 3;
	begin();
	for (unsigned i = 0; i < sent; i++)
		len += request(data + len, sizeof data - len, i, "Hold", 1);
	sense_connection_in(&connection, data, len, SECOND);
	is_num(served, SENSE_RPC_OUTSTANDING_MAX, "as many calls are served as may be");
	ok(!sense_connection_wants(&connection), "and no more input is wanted");
	sense_connection_time(&connection, SECOND + limits.message_us + limits.idle_us);
	is_num(connection.state, SENSE_CONNECTION_OPEN, "those that wait do not count as slow");
	sense_call_answer(calls, held[5], (const uint8_t *)"\x80", 1);
	is_num(served, SENSE_RPC_OUTSTANDING_MAX + 1, "an answer lets the next one in");
	sense_call_answer(calls, held[5], (const uint8_t *)"\x80", 1);
	is_num(served, SENSE_RPC_OUTSTANDING_MAX + 1, "an answer given twice counts once");
	for (unsigned i = 0; i < SENSE_RPC_OUTSTANDING_MAX; i++)
		sense_call_answer(calls, held[i], (const uint8_t *)"\x80", 1);
	is_num(served, sent, "all are served in the end");
	for (unsigned i = SENSE_RPC_OUTSTANDING_MAX; i < sent; i++)
		sense_call_answer(calls, held[i], (const uint8_t *)"\x80", 1);
	unsigned answers = 0;
	while (answer_next(&message) == SENSE_RPC_RESPONSE)
		answers++;
	is_num(answers, sent, "and answered, each once");
	end();
}

static void stale(void)
{
	uint8_t data[256];
	size_t len;
	begin();
	sense_connection_in(&connection, data, request(data, sizeof data, 1, "Hold", 1), SECOND);
	sense_calls_end(session);
	sense_connection_fini(&connection);
	sense_connection_init(&connection, &sense_calls_protocol, NULL, &limits, SECOND);
	session = sense_calls_begin(calls, &connection, &peer);
	connection.self = session;
	sense_connection_in(&connection, data, request(data, sizeof data, 1, "Hold", 1), SECOND);
	is_num(held[0].connection, held[1].connection, "another connection in the same place");
	sense_call_answer(calls, held[0], (const uint8_t *)"\x80", 1);
	ok(!sense_connection_out(&connection, &len), "an answer to the one before goes nowhere");
	sense_call_answer(calls, held[1], (const uint8_t *)"\x80", 1);
	ok(sense_connection_out(&connection, &len), "its own is sent");
	end();
}

/* One agent makes more connections than it may have, while another has one. */
static void replaced(void)
{
	enum { MORE = SENSE_RPC_SESSIONS_MAX + 2 };
	static struct sense_connection many[MORE], other;
	sense_rpc_session *sessions[MORE];
	struct sense_peer second = peer;
	unsigned open = 0;
	calls = sense_calls_new(MORE + 1, NULL);
	snprintf(second.agent, sizeof second.agent, "33333333-3333-4333-8333-333333333333");
	sense_connection_init(&other, &sense_calls_protocol, NULL, &limits, SECOND);
	sense_rpc_session *bystander = sense_calls_begin(calls, &other, &second);
	for (unsigned i = 0; i < MORE; i++) {
		sense_connection_init(&many[i], &sense_calls_protocol, NULL, &limits, SECOND);
		sessions[i] = sense_calls_begin(calls, &many[i], &peer);
		many[i].self = sessions[i];
	}
	for (unsigned i = 0; i < MORE; i++)
		open += many[i].state == SENSE_CONNECTION_OPEN;
	is_num(open, SENSE_RPC_SESSIONS_MAX, "an agent has no more connections than it may");
	ok(many[0].gone == SENSE_GONE_REPLACED && many[1].gone == SENSE_GONE_REPLACED, "the oldest went");
	is_num(other.state, SENSE_CONNECTION_OPEN, "another agent's stays");
	for (unsigned i = 0; i < MORE; i++) {
		sense_calls_end(sessions[i]);
		sense_connection_fini(&many[i]);
	}
	sense_calls_end(bystander);
	sense_connection_fini(&other);
	sense_calls_free(calls);
}

static void waiting(void)
{
	uint8_t data[256];
	size_t len;
	begin();
	sense_connection_in(&connection, data, request(data, sizeof data, 1, "Hold", 1), SECOND);
	ok(!sense_call_waits(calls, held[0]), "nothing waits to be sent");
	sense_connection_in(&connection, data, request(data, sizeof data, 2, "Echo", 1), SECOND);
	ok(sense_call_waits(calls, held[0]), "the answer to another call does");
	sense_connection_out(&connection, &len);
	sense_connection_sent(&connection, len, SECOND);
	ok(!sense_call_waits(calls, held[0]), "until it is sent");
	ok(!sense_call_waits(calls, (struct sense_call_ref){9, 9, 9}), "nor for one that is gone");
	end();
}

static void hung_up(const char *what, const void *bytes, size_t len, enum sense_gone gone)
{
	begin();
	sense_connection_in(&connection, bytes, len, SECOND);
	ok(connection.state == SENSE_CONNECTION_ENDED && connection.gone == gone, "%s: hung up, %s", what,
	   sense_gone_name(gone));
	end();
}

static void broken(void)
{
	uint8_t data[256];
	size_t len = request(data, sizeof data, 1, "Hold", 1);
	hung_up("a byte that nothing begins with", "\xc1", 1, SENSE_GONE_MALFORMED);
	hung_up("a map", "\x80", 1, SENSE_GONE_MALFORMED);
	hung_up("an answer to nothing", "\x94\x01\x01\xc0\x80", 5, SENSE_GONE_MALFORMED);
	hung_up("two parameters", "\x94\x00\x01\xa1x\x92\x80\x80", 8, SENSE_GONE_MALFORMED);
	hung_up("more than a message may hold", "\x94\x00\x01\xa1x\x91\x81\xa1k\xc6\x00\x50\x00\x00", 14,
	        SENSE_GONE_MALFORMED);
	begin();
	sense_connection_in(&connection, data, len, SECOND);
	sense_connection_in(&connection, data, len, SECOND);
	is_num(connection.state, SENSE_CONNECTION_ENDED, "an id that is in use: hung up");
	sense_call_answer(calls, held[0], (const uint8_t *)"\x80", 1);
	end();
}

static void revocation(void)
{
	static const uint8_t serial[] = {0, 0x0a, 0x0b};
	uint8_t data[256];
	begin();
	sense_connection_in(&connection, data, request(data, sizeof data, 1, "Echo", 1), SECOND);
	sense_revoked_add(revoked, serial, sizeof serial);
	sense_connection_in(&connection, data, request(data, sizeof data, 2, "Echo", 1), SECOND);
	is_num(served, 1, "revoked: nothing of the next message is served");
	is_num(connection.gone, SENSE_GONE_REVOKED, "and the connection is over");
	end();
	begin();
	is_num(sense_call_hang_up(calls, "33333333-3333-4333-8333-333333333333"), 0,
	       "another agent's connections");
	is_num(sense_call_hang_up(calls, peer.agent), 1, "this agent's connections are ended");
	is_num(connection.state, SENSE_CONNECTION_ENDED, "at once");
	end();
}

static void notifications(void)
{
	struct sense_rpc_message message;
	begin();
	is_num(sense_call_notify(calls, "33333333-3333-4333-8333-333333333333", "PolicyChanged",
	                         (const uint8_t *)"\x80", 1),
	       0, "nobody of that name is here");
	is_num(sense_call_notify(calls, peer.agent, "PolicyChanged", (const uint8_t *)"\x80", 1), 1,
	       "an agent is told");
	is_num(answer_next(&message), SENSE_RPC_NOTIFICATION, "by a notification");
	ok(sense_wire_is(&message.method, "PolicyChanged"), "of that method");
	unsigned told = 0;
	static uint8_t large[200000];
	memset(large, 0xc0, sizeof large);
	while (connection.state == SENSE_CONNECTION_OPEN && told < 100)
		told += sense_call_notify(calls, peer.agent, "PolicyChanged", large, sizeof large);
	ok(connection.state == SENSE_CONNECTION_ENDED && connection.gone == SENSE_GONE_SLOW_READER,
	   "one that does not read is hung up on");
	ok(!connection.output.data, "and what waited for it is given back");
	end();
}

static void times(void)
{
	uint8_t data[256];
	size_t len = request(data, sizeof data, 1, "Echo", 10), waits;
	begin();
	sense_connection_in(&connection, data, len - 1, SECOND);
	sense_connection_time(&connection, limits.message_us);
	is_num(connection.state, SENSE_CONNECTION_OPEN, "a message may take its time");
	sense_connection_in(&connection, data, 0, limits.message_us);
	sense_connection_time(&connection, SECOND + limits.message_us);
	is_num(connection.gone, SENSE_GONE_SLOW_SENDER, "but not more");
	end();
	begin();
	sense_connection_time(&connection, limits.idle_us);
	is_num(connection.state, SENSE_CONNECTION_OPEN, "silence may last");
	sense_connection_time(&connection, SECOND + limits.idle_us);
	is_num(connection.gone, SENSE_GONE_IDLE, "but not for ever");
	end();
	begin();
	sense_connection_in(&connection, data, len, SECOND);
	ok(sense_connection_out(&connection, &waits) &&
	       sense_connection_due(&connection) == SECOND + limits.send_us,
	   "an answer that waits to be taken has its time");
	sense_connection_time(&connection, SECOND + limits.send_us);
	is_num(connection.gone, SENSE_GONE_SLOW_READER, "and no more");
	end();
}

static void draining(void)
{
	uint8_t data[512];
	struct sense_rpc_message message;
	begin();
	sense_connection_in(&connection, data, request(data, sizeof data, 1, "Hold", 1), SECOND);
	connection.protocol->drain(connection.self);
	is_num(connection.state, SENSE_CONNECTION_CLOSING,
	       "a worker that ends: what is served is waited for");
	sense_connection_in(&connection, data, request(data, sizeof data, 2, "Hold", 1), SECOND);
	is_num(served, 1, "nothing new is taken");
	sense_call_answer(calls, held[0], (const uint8_t *)"\x80", 1);
	is_num(answer_next(&message), SENSE_RPC_RESPONSE, "it is answered");
	is_num(connection.state, SENSE_CONNECTION_ENDED, "then it ends");
	end();
}

/* Far more calls than any agent has reason for. */
static void too_fast(void)
{
	enum { SENT = 20000 };
	uint8_t data[256];
	struct sense_rpc_message message;
	unsigned busy = 0, answered = 0;
	begin();
	for (unsigned i = 0; i < SENT; i++) {
		sense_connection_in(&connection, data, request(data, sizeof data, i, "Echo", 1), SECOND);
		if (answer_next(&message) != SENSE_RPC_RESPONSE)
			continue;
		answered++;
		busy += error_is(&message, "busy");
	}
	is_num(answered, SENT, "each call is answered, however fast they come");
	ok(busy > SENT / 2 && served >= 2000 && served + busy == SENT,
	   "most that they come too fast (%u of them)", busy);
	is_num(connection.state, SENSE_CONNECTION_OPEN, "and the connection goes on");
	end();
}

int main(void)
{
	whole_and_torn();
	unknown();
	too_many();
	too_fast();
	stale();
	replaced();
	waiting();
	broken();
	revocation();
	notifications();
	times();
	draining();
	return tap_done();
}
