#include "server/http/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/show/json.h"
#include "server/metrics.h"

#define HEAD_MAX 2048u

static struct sense_metric metrics[] = {
    SENSE_COUNTER("sense_http_answers_total", "class=\"2xx\"",
                  "Answers to HTTP requests, by class of status."),
    SENSE_COUNTER("sense_http_answers_total", "class=\"3xx\"", ""),
    SENSE_COUNTER("sense_http_answers_total", "class=\"4xx\"", ""),
    SENSE_COUNTER("sense_http_answers_total", "class=\"5xx\"", ""),
    SENSE_COUNTER("sense_http_refused_total", NULL, "HTTP requests that the gate refused."),
    {.name = "sense_http_seconds",
     .help = "Time from a whole HTTP request to its answer.",
     .kind = SENSE_METRIC_HISTOGRAM,
     .bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}},
};
enum { ANSWERS, REFUSED = 4, SECONDS };

enum sense_status sense_httpd_metrics(sense_error *err)
{
	return sense_metrics_register(metrics, sizeof metrics / sizeof *metrics, err);
}

/* ---- routes ------------------------------------------------------------------------------------------- */

sense_httpd *sense_httpd_new(uint32_t connections)
{
	sense_httpd *http = calloc(1, sizeof *http);
	if (http && sense_places_init(&http->places, connections))
		return http;
	free(http);
	return NULL;
}

void sense_httpd_free(sense_httpd *http)
{
	if (http)
		sense_places_fini(&http->places);
	free(http);
}

bool sense_httpd_route(sense_httpd *http, const struct sense_route *route)
{
	for (unsigned i = 0; i < http->route_count; i++)
		if (!strcmp(http->routes[i].path, route->path) &&
		    !strcmp(http->routes[i].method, route->method))
			return false;
	if (http->route_count == SENSE_ROUTES_MAX)
		return false;
	http->routes[http->route_count++] = *route;
	return true;
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* IMF-fixdate (RFC 9110, 5.6.7), without the locale. */
static const char *date(void)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	static char text[64];
	static time_t last;
	time_t now = time(NULL);
	struct tm tm;
	if (now == last || !gmtime_r(&now, &tm))
		return text;
	last = now;
	snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
	         months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return text;
}

static void answer_write(sense_httpd_session *session, const struct sense_httpd_answer *answer)
{
	char head[HEAD_MAX];
	bool bare = answer->status < 200 || answer->status == 204 || answer->status == 304;
	const char *connection = !session->keep_alive ? "Connection: close\r\n"
	                       : session->http10      ? "Connection: keep-alive\r\n"
	                                              : "";
	int len =
	    snprintf(head, sizeof head, "HTTP/1.1 %u %s\r\nDate: %s\r\n%s%s%s%s", answer->status,
	             sense_httpd_status_name(answer->status), date(), answer->type ? "Content-Type: " : "",
	             answer->type ? answer->type : "", answer->type ? "\r\n" : "",
	             "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
	if (!bare)
		len +=
		    snprintf(head + len, sizeof head - (size_t)len, "Content-Length: %zu\r\n", answer->len);
	len += snprintf(head + len, sizeof head - (size_t)len, "%s%s\r\n", connection,
	                answer->fields ? answer->fields : "");
	if ((size_t)len >= sizeof head) { /* more fields than a handler of ours ever gives */
		sense_connection_hang_up(session->connection, SENSE_GONE_TOO_LARGE);
		return;
	}
	sense_connection_put(session->connection, head, (size_t)len);
	if (!session->head && !bare)
		sense_connection_put(session->connection, answer->body, answer->len);
}

static void answered(sense_httpd_session *session, unsigned status)
{
	if (status >= 200 && status < 600)
		sense_metric_add(&metrics[ANSWERS + status / 100 - 2], 1);
	sense_metric_observe(&metrics[SECONDS], sense_clock_monotonic_us() - session->began_us);
	session->serving = false;
	if (!session->keep_alive)
		sense_connection_close(session->connection,
		                       session->draining ? SENSE_GONE_DRAINED : SENSE_GONE_DONE);
	sense_connection_resume(session->connection);
}

void sense_httpd_answer(sense_httpd *http, struct sense_httpd_ref ref,
                        const struct sense_httpd_answer *answer)
{
	sense_httpd_session *session = sense_places_find(&http->places, ref.connection, ref.generation);
	if (!session || !session->serving || session->request != ref.request)
		return;
	if (session->draining)
		session->keep_alive = false;
	answer_write(session, answer);
	answered(session, answer->status);
}

/* RFC 9457: type about:blank, which says no more than the status. */
static void problem_text(struct sense_buf *out, unsigned status, const char *detail)
{
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	sense_json_member(&json, "type", "about:blank");
	sense_json_member(&json, "title", sense_httpd_status_name(status));
	sense_json_member_uint(&json, "status", status);
	if (detail)
		sense_json_member(&json, "detail", detail);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}

void sense_httpd_problem(sense_httpd *http, struct sense_httpd_ref ref, unsigned status, const char *detail,
                         const char *fields)
{
	struct sense_buf text;
	sense_buf_init(&text, 16384);
	problem_text(&text, status, detail);
	sense_httpd_answer(http, ref,
	                   &(struct sense_httpd_answer){status, "application/problem+json", fields, text.data,
	                                                text.failed ? 0 : text.len});
	sense_buf_fini(&text);
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static struct sense_httpd_ref ref_of(sense_httpd_session *session)
{
	return (struct sense_httpd_ref){session->number, session->generation, session->request};
}

static void serve_begin(sense_httpd_session *session)
{
	session->request++;
	session->serving = true;
	session->began_us = sense_clock_monotonic_us();
}

/* Behind what is no request nothing can be found: the connection ends with the answer. */
static void refuse(sense_httpd_session *session, unsigned status, const char *why)
{
	sense_metric_add(&metrics[REFUSED], 1);
	serve_begin(session);
	session->keep_alive = session->head = false;
	sense_httpd_problem(session->http, ref_of(session), status, why, NULL);
}

/* No route takes this method: those that take another. */
static void no_route(sense_httpd_session *session, const struct sense_httpd_request *request)
{
	char allow[256] = "";
	size_t len = 0;
	for (unsigned i = 0; i < session->http->route_count; i++) {
		const struct sense_route *route = &session->http->routes[i];
		if (strcmp(route->path, request->path) || len + 64 > sizeof allow)
			continue;
		len += (size_t)snprintf(allow + len, sizeof allow - len, "%s%s%s",
		                        len ? ", " : "Allow: ", route->method,
		                        strcmp(route->method, "GET") ? "" : ", HEAD");
	}
	if (len)
		snprintf(allow + len, sizeof allow - len, "\r\n");
	sense_httpd_problem(session->http, ref_of(session), len ? 405 : 404,
	                    len ? "this path takes other methods" : "there is nothing at this path", allow);
}

static void request_serve(sense_httpd_session *session, const uint8_t *data, size_t len)
{
	sense_httpd *http = session->http;
	unsigned status;
	/* One of its own: a handler may end what another connection waits for, whose next request comes up
	 * then. */
	struct sense_httpd_request *request = malloc(sizeof *request + len);
	if (!request) {
		refuse(session, 503, "no memory");
		return;
	}
	if (!sense_httpd_parse(data, len, (uint8_t *)(request + 1), request, &status)) {
		refuse(session, status,
		       status == 501 ? "this method is not known" : "the request cannot be read");
		free(request);
		return;
	}
	serve_begin(session);
	request->address = session->address;
	session->keep_alive = request->keep_alive;
	session->head = request->head;
	session->http10 = request->http10;
	const struct sense_route *route = NULL;
	for (unsigned i = 0; i < http->route_count && !route; i++)
		if (!strcmp(http->routes[i].path, request->path) &&
		    !strcmp(http->routes[i].method, request->method))
			route = &http->routes[i];
	if (route)
		route->serve(route->self, http, ref_of(session), request);
	else
		no_route(session, request);
	free(request);
}

static void continue_tell(sense_httpd_session *session)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (!session->gate.head_len || !session->gate.wants_continue || session->continued)
		return;
	session->continued = true;
	sense_connection_put(session->connection, text, sizeof text - 1);
}

static size_t take(void *self, const uint8_t *data, size_t len)
{
	sense_httpd_session *session = self;
	struct sense_gate *gate = &session->gate;
	enum sense_gate_result result = sense_gate_scan(gate, data, len);
	if (result == SENSE_GATE_MORE) {
		continue_tell(session);
		return 0;
	}
	size_t whole = gate->at;
	if (result == SENSE_GATE_REFUSED)
		refuse(session, gate->status, gate->why);
	else
		request_serve(session, data, whole);
	sense_gate_init(gate);
	session->continued = false;
	return session->connection->state == SENSE_CONNECTION_ENDED ? 0 : whole;
}

static unsigned serving(const void *self)
{
	return ((const sense_httpd_session *)self)->serving;
}

/* One that has just come has not asked yet: its first request is still answered, as is one that is half here.
 */
static void drain(void *self)
{
	sense_httpd_session *session = self;
	session->draining = true;
	if (!session->serving && session->request && !session->gate.at)
		sense_connection_close(session->connection, SENSE_GONE_DRAINED);
}

const struct sense_connection_protocol sense_httpd_protocol = {
    .take = take,
    .serving = serving,
    .serving_max = 1,
    .drain = drain,
};

sense_httpd_session *sense_httpd_begin(sense_httpd *http, struct sense_connection *connection,
                                       const char *address)
{
	sense_httpd_session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	*session = (sense_httpd_session){.http = http, .connection = connection};
	snprintf(session->address, sizeof session->address, "%s", address);
	sense_gate_init(&session->gate);
	if (sense_places_take(&http->places, session, &session->number, &session->generation))
		return session;
	free(session);
	return NULL;
}

void sense_httpd_end(sense_httpd_session *session)
{
	sense_places_give(&session->http->places, session->number);
	free(session);
}
