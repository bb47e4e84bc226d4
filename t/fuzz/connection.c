/*
 * A connection as its other end can make it: the first byte says whether it is an agent's; then steps, each
 * an opcode with an operand: bytes that come, bytes that are taken, time that passes, answers to what is
 * being served, the end. Whatever comes: what is kept stays within its bounds, and once it has ended nothing
 * is served any more.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "proto/rpc.h"
#include "server/http/http.h"
#include "server/rpc/calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELD_MAX 256u

static struct sense_connection_budget budget = {.max = 6000};
static const struct sense_connection_limits limits = {
    .budget = &budget,
    .input_max = 4096,
    .output_max = 16384,
    .output_high = 2048,
    .idle_us = 1000000,
    .message_us = 2000000,
    .send_us = 500000,
};

static struct sense_connection connection;
static struct sense_call_ref calls_held[HELD_MAX];
static struct sense_httpd_ref requests_held[HELD_MAX];
static unsigned held_count, answered_count;

static void check(bool good)
{
	if (!good)
		abort();
}

static void call_hold(void *self, sense_calls *calls, struct sense_call_ref ref,
                      const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	(void)self, (void)calls, (void)peer;
	check(connection.state != SENSE_CONNECTION_ENDED && len && params);
	if (held_count < HELD_MAX)
		calls_held[held_count++] = ref;
}

static void call_echo(void *self, sense_calls *calls, struct sense_call_ref ref,
                      const struct sense_peer *peer, const uint8_t *params, size_t len)
{
	(void)self, (void)peer;
	sense_call_answer(calls, ref, params, len);
}

static void request_hold(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                         const struct sense_httpd_request *request)
{
	(void)self, (void)http;
	check(connection.state != SENSE_CONNECTION_ENDED && request->body_len <= SENSE_HTTPD_BODY_MAX);
	if (held_count < HELD_MAX)
		requests_held[held_count++] = ref;
}

static void request_echo(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                         const struct sense_httpd_request *request)
{
	(void)self;
	sense_httpd_answer(http, ref,
	                   &(struct sense_httpd_answer){200, "x/y", NULL, request->body, request->body_len});
}

static void bounds_check(void)
{
	size_t len;
	sense_connection_out(&connection, &len);
	check(len <= limits.output_max);
	check(budget.held == connection.input.cap && budget.waiting == connection.output.cap);
	check(connection.input.end - connection.input.begin <= limits.input_max + 256 * 64);
	check(connection.state != SENSE_CONNECTION_ENDED || (!connection.input.data && !len));
	check(connection.protocol->serving(connection.self) <= connection.protocol->serving_max);
	if (connection.state == SENSE_CONNECTION_ENDED)
		check(!sense_connection_due(&connection) && !sense_connection_wants(&connection));
}

static void answer(sense_calls *calls, sense_httpd *http)
{
	if (answered_count == held_count)
		return;
	if (calls)
		sense_call_answer(calls, calls_held[answered_count], (const uint8_t *)"\x80", 1);
	else
		sense_httpd_problem(http, requests_held[answered_count], 500, "held", NULL);
	answered_count++;
}

static void steps(const uint8_t *data, size_t size, sense_calls *calls, sense_httpd *http)
{
	uint64_t now = 1000000;
	size_t len;
	while (size >= 2) {
		unsigned what = data[0] & 7, n = data[1];
		data += 2;
		size -= 2;
		if (what < 3) { /* bytes: those that follow, up to 64 times as many as n says */
			size_t count = (size_t)n * (what == 2 ? 64 : 1);
			count = count < size ? count : size;
			sense_connection_in(&connection, data, count, now);
			data += count;
			size -= count;
		} else if (what == 3) {
			sense_connection_out(&connection, &len);
			if (len)
				sense_connection_sent(&connection, len < n + 1u ? len : n + 1u, now);
		} else if (what == 4) {
			now += (uint64_t)n * 10000;
			sense_connection_time(&connection, now);
		} else if (what == 5) {
			answer(calls, http);
		} else if (what == 6 && n > 250) {
			sense_connection_in_end(&connection, now);
		} else if (what == 7 && n > 250) {
			connection.protocol->drain(connection.self);
		}
		bounds_check();
	}
}

static void as_agent(const uint8_t *data, size_t size)
{
	static const struct sense_peer peer = {.agent = "a", .org = "b", .serial = {1}, .serial_len = 1};
	sense_calls *calls = sense_calls_new(1, NULL);
	check(calls != NULL);
	sense_calls_method(calls, &(struct sense_method){"Echo", call_echo, NULL});
	sense_calls_method(calls, &(struct sense_method){"Hold", call_hold, NULL});
	sense_connection_init(&connection, &sense_calls_protocol, NULL, &limits, 1000000);
	sense_rpc_session *session = sense_calls_begin(calls, &connection, &peer);
	connection.self = session;
	steps(data, size, calls, NULL);
	sense_calls_end(session);
	while (answered_count < held_count)
		answer(calls, NULL);
	sense_connection_fini(&connection);
	sense_calls_free(calls);
}

static void as_plain(const uint8_t *data, size_t size)
{
	sense_httpd *http = sense_httpd_new(1);
	check(http && sense_httpd_routes_own(http));
	sense_httpd_metrics_from(http, (const char *const[]){"192.0.2.0/24"}, 1);
	sense_httpd_route(http, &(struct sense_route){"POST", "/echo", request_echo, NULL});
	sense_httpd_route(http, &(struct sense_route){"GET", "/hold", request_hold, NULL});
	sense_connection_init(&connection, &sense_httpd_protocol, NULL, &limits, 1000000);
	sense_httpd_session *session = sense_httpd_begin(http, &connection, "192.0.2.1");
	connection.self = session;
	steps(data, size, NULL, http);
	sense_httpd_end(session);
	while (answered_count < held_count)
		answer(NULL, http);
	sense_connection_fini(&connection);
	sense_httpd_free(http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	sense_log_setup(SENSE_LOG_ERROR, SENSE_LOG_TEXT);
	held_count = answered_count = 0;
	check(!budget.held && !budget.waiting); /* nothing is left of the one before */
	if (data[0] & 1)
		as_agent(data + 1, size - 1);
	else
		as_plain(data + 1, size - 1);
	return 0;
}
