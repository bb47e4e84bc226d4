#include "server/net/connection.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 1024u

const char *sense_gone_name(enum sense_gone why)
{
#define NAME(id, name) [SENSE_GONE_##id] = (name),
	static const char *const names[] = {SENSE_GONE_REASONS(NAME)};
#undef NAME
	return names[why];
}

/* ---- queues ------------------------------------------------------------------------------------------- */

static size_t bytes_len(const struct sense_bytes *bytes)
{
	return bytes->end - bytes->begin;
}

static void bytes_free(struct sense_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct sense_bytes){.data = NULL};
}

static void bytes_drop(struct sense_bytes *bytes, size_t len)
{
	bytes->begin += len;
	if (bytes->begin == bytes->end)
		bytes_free(bytes);
}

static bool bytes_add(struct sense_bytes *bytes, const void *data, size_t len)
{
	size_t held = bytes_len(bytes);
	if (!len)
		return true;
	if (bytes->begin && bytes->cap - bytes->end < len) {
		memmove(bytes->data, bytes->data + bytes->begin, held);
		bytes->begin = 0;
		bytes->end = held;
	}
	if (bytes->cap - bytes->end < len) {
		size_t cap = bytes->cap ? bytes->cap : FIRST_CAP;
		while (cap - held < len)
			cap *= 2;
		uint8_t *grown = realloc(bytes->data, cap);
		if (!grown)
			return false;
		bytes->data = grown;
		bytes->cap = cap;
	}
	memcpy(bytes->data + bytes->end, data, len);
	bytes->end += len;
	return true;
}

/* The connection's own, whose memory counts in the budget. */
static void kept_count(struct sense_connection *connection, const struct sense_bytes *bytes, size_t before)
{
	struct sense_connection_budget *budget = connection->limits ? connection->limits->budget : NULL;
	if (budget)
		*(bytes == &connection->input ? &budget->held : &budget->waiting) += bytes->cap - before;
}

static void kept_free(struct sense_connection *connection, struct sense_bytes *bytes)
{
	size_t before = bytes->cap;
	bytes_free(bytes);
	kept_count(connection, bytes, before);
}

static void kept_drop(struct sense_connection *connection, struct sense_bytes *bytes, size_t len)
{
	size_t before = bytes->cap;
	bytes_drop(bytes, len);
	kept_count(connection, bytes, before);
}

static bool kept_add(struct sense_connection *connection, struct sense_bytes *bytes, const void *data,
                     size_t len)
{
	size_t before = bytes->cap;
	bool good = bytes_add(bytes, data, len);
	kept_count(connection, bytes, before);
	return good;
}

static bool input_add(struct sense_connection *connection, const uint8_t *data, size_t len)
{
	const struct sense_connection_budget *budget = connection->limits->budget;
	size_t before = connection->input.cap;
	bool good = kept_add(connection, &connection->input, data, len);
	/* Who asks for more is the one that goes, not those whose messages are on their way. */
	return good && (!budget || budget->held <= budget->max || connection->input.cap == before);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

void sense_connection_init(struct sense_connection *connection,
                           const struct sense_connection_protocol *protocol, void *self,
                           const struct sense_connection_limits *limits, uint64_t now_us)
{
	*connection = (struct sense_connection){
	    .protocol = protocol, .self = self, .limits = limits, .now_us = now_us, .heard_us = now_us};
}

void sense_connection_fini(struct sense_connection *connection)
{
	kept_free(connection, &connection->input);
	kept_free(connection, &connection->output);
}

static unsigned serving(const struct sense_connection *connection)
{
	return connection->protocol->serving(connection->self);
}

static void changed(struct sense_connection *connection)
{
	if (connection->changed)
		connection->changed(connection->owner);
}

void sense_connection_hang_up(struct sense_connection *connection, enum sense_gone why)
{
	if (connection->state == SENSE_CONNECTION_ENDED)
		return;
	/* What it was closing for is why it went, unless it went badly while it did. */
	connection->gone = why;
	connection->state = SENSE_CONNECTION_ENDED;
	kept_free(connection, &connection->output);
	if (!connection->taking)
		kept_free(connection, &connection->input);
	changed(connection);
}

static void closing_look(struct sense_connection *connection)
{
	if (connection->state == SENSE_CONNECTION_CLOSING && !connection->taking && !serving(connection) &&
	    !bytes_len(&connection->output))
		sense_connection_hang_up(connection, connection->gone);
}

void sense_connection_close(struct sense_connection *connection, enum sense_gone why)
{
	if (connection->state != SENSE_CONNECTION_OPEN)
		return;
	connection->state = SENSE_CONNECTION_CLOSING;
	connection->gone = why;
	connection->partial_us = 0;
	if (!connection->taking)
		kept_free(connection, &connection->input);
	closing_look(connection);
	changed(connection);
}

/* ---- in ------------------------------------------------------------------------------------------------ */

static bool is_full(const struct sense_connection *connection)
{
	return serving(connection) >= connection->protocol->serving_max ||
	       bytes_len(&connection->output) > connection->limits->output_high;
}

bool sense_connection_wants(const struct sense_connection *connection)
{
	return connection->state == SENSE_CONNECTION_OPEN && !is_full(connection);
}

/* Hands over messages as long as there are whole ones: how many bytes those were. */
static size_t take_all(struct sense_connection *connection, const uint8_t *data, size_t len)
{
	size_t used = 0;
	connection->taking = true;
	while (used < len && sense_connection_wants(connection)) {
		size_t one = connection->protocol->take(connection->self, data + used, len - used);
		if (!one)
			break;
		used += one;
		connection->partial_us = 0;
	}
	connection->taking = false;
	return used;
}

/* After messages were taken: what is left begins one, or waits for room. */
static void rest_look(struct sense_connection *connection)
{
	if (connection->state != SENSE_CONNECTION_OPEN) {
		kept_free(connection, &connection->input);
		closing_look(connection);
		return;
	}
	if (bytes_len(&connection->input) > connection->limits->input_max)
		sense_connection_hang_up(connection, SENSE_GONE_TOO_LARGE);
	else if (!bytes_len(&connection->input) || is_full(connection))
		connection->partial_us = 0; /* where we are full, it is not they who are slow */
	else if (!connection->partial_us)
		connection->partial_us = connection->now_us;
}

void sense_connection_resume(struct sense_connection *connection)
{
	struct sense_bytes *input = &connection->input;
	if (connection->taking)
		return; /* goes on by itself */
	if (bytes_len(input) && sense_connection_wants(connection)) {
		size_t used = take_all(connection, input->data + input->begin, bytes_len(input));
		kept_drop(connection, &connection->input, used);
	}
	rest_look(connection);
	changed(connection);
}

void sense_connection_in(struct sense_connection *connection, const uint8_t *data, size_t len,
                         uint64_t now_us)
{
	struct sense_bytes *input = &connection->input;
	connection->now_us = connection->heard_us = now_us;
	if (connection->state != SENSE_CONNECTION_OPEN)
		return;
	/* Most of the time a message comes whole, and is never copied. */
	size_t used = bytes_len(input) ? 0 : take_all(connection, data, len);
	if (connection->state == SENSE_CONNECTION_OPEN && !input_add(connection, data + used, len - used)) {
		sense_connection_hang_up(connection, SENSE_GONE_MEMORY);
		return;
	}
	if (!used && bytes_len(input) && sense_connection_wants(connection)) {
		used = take_all(connection, input->data + input->begin, bytes_len(input));
		kept_drop(connection, &connection->input, used);
	}
	rest_look(connection);
}

void sense_connection_in_end(struct sense_connection *connection, uint64_t now_us)
{
	connection->now_us = now_us;
	sense_connection_close(connection, SENSE_GONE_PEER);
}

/* ---- out ----------------------------------------------------------------------------------------------- */

void sense_connection_put(struct sense_connection *connection, const void *data, size_t len)
{
	if (connection->state == SENSE_CONNECTION_ENDED)
		return;
	size_t waiting = bytes_len(&connection->output);
	if (len > connection->limits->output_max || waiting > connection->limits->output_max - len) {
		sense_connection_hang_up(connection, SENSE_GONE_SLOW_READER);
		return;
	}
	if (!waiting)
		connection->sent_us = connection->now_us;
	if (!kept_add(connection, &connection->output, data, len))
		sense_connection_hang_up(connection, SENSE_GONE_MEMORY);
	else
		changed(connection);
}

const uint8_t *sense_connection_out(const struct sense_connection *connection, size_t *len)
{
	*len = bytes_len(&connection->output);
	return *len ? connection->output.data + connection->output.begin : NULL;
}

void sense_connection_sent(struct sense_connection *connection, size_t len, uint64_t now_us)
{
	connection->now_us = connection->sent_us = now_us;
	bool was_full = bytes_len(&connection->output) > connection->limits->output_high;
	kept_drop(connection, &connection->output, len);
	if (was_full)
		sense_connection_resume(connection);
	closing_look(connection);
}

/* ---- time ---------------------------------------------------------------------------------------------- */

/* The next deadline, and what it means to miss it. */
static uint64_t deadline(const struct sense_connection *connection, enum sense_gone *missed)
{
	const struct sense_connection_limits *limits = connection->limits;
	uint64_t due = 0;
	if (connection->state == SENSE_CONNECTION_ENDED)
		return 0;
	if (bytes_len(&connection->output)) {
		*missed = SENSE_GONE_SLOW_READER;
		due = connection->sent_us + limits->send_us;
	}
	if (connection->partial_us && (!due || connection->partial_us + limits->message_us < due)) {
		*missed = SENSE_GONE_SLOW_SENDER;
		due = connection->partial_us + limits->message_us;
	}
	/* What closes waits for its answers, but not for ever. */
	if (!due && (connection->state == SENSE_CONNECTION_CLOSING || !serving(connection))) {
		*missed = SENSE_GONE_IDLE;
		due = connection->heard_us + limits->idle_us;
	}
	return due;
}

uint64_t sense_connection_due(const struct sense_connection *connection)
{
	enum sense_gone missed;
	return deadline(connection, &missed);
}

void sense_connection_time(struct sense_connection *connection, uint64_t now_us)
{
	enum sense_gone missed = SENSE_GONE_IDLE;
	uint64_t due = deadline(connection, &missed);
	connection->now_us = now_us;
	if (due && due <= now_us)
		sense_connection_hang_up(connection, missed);
}
