/* HTTP over a connection without a network: requests whole and torn, in a row, answered late; and what is
 * refused. */
#include "server/http/http.h"


#include "t/tap.h"

#define SECOND UINT64_C(1000000)

static const struct sense_connection_limits limits = {
    .input_max = SENSE_HTTPD_RAW_MAX + 65536,
    .output_max = SENSE_HTTPD_ANSWER_MAX + 65536,
    .output_high = 65536,
    .idle_us = 60 * SECOND,
    .message_us = 20 * SECOND,
    .send_us = 30 * SECOND,
};
static sense_httpd *http;
static sense_httpd_session *session;
static struct sense_connection connection;
static unsigned served;
static struct sense_httpd_ref held;
static char seen[4096];

/* Answers with what it was asked. */
static void echo(void *self, sense_httpd *of, struct sense_httpd_ref ref,
                 const struct sense_httpd_request *request)
{
	const struct sense_httpd_span *field = sense_httpd_field_of(request, "x-test");
	(void)self;
	served++;
	int len =
	    snprintf(seen, sizeof seen, "%s %s?%.*s %.*s %.*s", request->method, request->path,
	             (int)request->query.len, request->query.text ? request->query.text : "",
	             field ? (int)field->len : 0, field ? field->text : "",
	             request->body_len < 1000 ? (int)request->body_len : 1000, (const char *)request->body);
	sense_httpd_answer(of, ref, &(struct sense_httpd_answer){200, "text/plain", NULL, seen, (size_t)len});
}

static void hold(void *self, sense_httpd *of, struct sense_httpd_ref ref,
                 const struct sense_httpd_request *request)
{
	(void)self, (void)of, (void)request;
	served++;
	held = ref;
}

static void begin(void)
{
	http = sense_httpd_new(4);
	sense_httpd_routes_own(http);
	sense_httpd_route(http, &(struct sense_route){"GET", "/echo", echo, NULL});
	sense_httpd_route(http, &(struct sense_route){"POST", "/echo", echo, NULL});
	sense_httpd_route(http, &(struct sense_route){"GET", "/hold", hold, NULL});
	sense_connection_init(&connection, &sense_httpd_protocol, NULL, &limits, SECOND);
	session = sense_httpd_begin(http, &connection, "192.0.2.1");
	connection.self = session;
	served = 0;
	seen[0] = '\0';
}

static void end(void)
{
	sense_httpd_end(session);
	sense_connection_fini(&connection);
	sense_httpd_free(http);
}

static void in(const void *data, size_t len)
{
	sense_connection_in(&connection, data, len, SECOND);
}

static void in_text(const char *text)
{
	in(text, strlen(text));
}

/* All that waits to be sent, as a text; it is sent then. */
static const char *out(void)
{
	static char text[65536];
	size_t len;
	const uint8_t *data = sense_connection_out(&connection, &len);
	len = len < sizeof text ? len : sizeof text - 1;
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	if (len)
		sense_connection_sent(&connection, len, SECOND);
	return text;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* ---- good requests ------------------------------------------------------------------------------------ */

static void requests(void)
{
	begin();
	in_text("GET /echo?a=b HTTP/1.1\r\nHost: x\r\nX-Test:  one two\t\r\n\r\n");
	const char *text = out();
	ok(has(text, "HTTP/1.1 200 OK\r\n"), "a request is answered");
	ok(has(text, "\r\nContent-Length: 22\r\n") && has(text, "\r\n\r\nGET /echo?a=b one two "),
	   "by its handler");
	ok(has(text, "\r\nDate: ") && !has(text, "Connection:"), "with a date, and the connection stays");
	in_text("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	text = out();
	ok(has(text, "\r\nContent-Length: 12\r\n") && !strcmp(text + strlen(text) - 4, "\r\n\r\n"),
	   "HEAD: the same without a body");
	in_text("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	ok(has(out(), "POST /echo?  hello"), "a body");
	in_text("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n00A\r\nlo, "
	        "world.\r\n0\r\n\r\n");
	ok(has(out(), "POST /echo?  hello, world."), "a body in chunks");
	in_text("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	ok(has(out(), "HTTP/1.1 403 "), "metrics are for nobody who was not named");
	in_text("GET https://x/echo HTTP/1.1\r\nHost: x\r\n\r\n");
	ok(has(out(), "GET /echo?"), "the absolute form");
	in_text("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
	text = out();
	ok(has(text, "HTTP/1.1 404 Not Found") && has(text, "application/problem+json") &&
	       has(text, "\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404"),
	   "nothing there: a problem (RFC 9457)");
	in_text("DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	text = out();
	ok(has(text, "HTTP/1.1 405") && has(text, "\r\nAllow: GET, HEAD, POST\r\n"),
	   "another method: those that are taken");
	is_num(connection.state, SENSE_CONNECTION_OPEN, "none of this ended the connection");
	in_text("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ok(has(out(), "\r\nConnection: close\r\n"), "asked to close");
	is_num(connection.state, SENSE_CONNECTION_ENDED, "it is closed");
	end();
	begin();
	in_text("GET /echo HTTP/1.0\r\n\r\n");
	ok(has(out(), "\r\nConnection: close\r\n"), "HTTP/1.0 closes by itself");
	end();
	begin();
	in_text("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(has(out(), "\r\nConnection: keep-alive\r\n"), "unless it asks to stay");
	end();
}

static void own_routes(void)
{
	begin();
	in_text("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
	const char *text = out();
	ok(has(text, "\r\n\r\nok\n") && has(text, "\r\n\r\nready\n"), "health and readiness");
	end();
}

static const char *missing(void *self)
{
	return *(const bool *)self ? "no \"database\"" : NULL;
}

static void readiness(void)
{
	bool is_missing = true;
	begin();
	sense_httpd_ready_ask(http, missing, &is_missing);
	in_text("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
	const char *text = out();
	ok(has(text, "HTTP/1.1 503") && has(text, "\"detail\":\"no \\\"database\\\"\""),
	   "not ready: what is missing");
	is_missing = false;
	in_text("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
	ok(has(out(), "HTTP/1.1 200"), "ready again");
	end();
}

static void torn(void)
{
	static const char text[] =
	    "POST /echo HTTP/1.1\r\nHost: x\r\nX-Test: t\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
	unsigned wrong = 0;
	for (size_t cut = 1; cut < sizeof text - 1; cut++) {
		begin();
		in(text, cut);
		in(text + cut, sizeof text - 1 - cut);
		const char *answer = out();
		wrong +=
		    served != 2 || !has(answer, "POST /echo? t hello") || !has(answer, "POST /echo?  abc");
		end();
	}
	is_num(wrong, 0, "two requests, torn at every byte");
	begin();
	for (size_t i = 0; i < sizeof text - 1; i++)
		in(text + i, 1);
	is_num(served, 2, "byte by byte");
	ok(!connection.input.data, "no memory is kept for input");
	end();
}

static void late(void)
{
	begin();
	in_text("GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /echo?second HTTP/1.1\r\nHost: x\r\n\r\n");
	is_num(served, 1, "while one is being served the next waits");
	ok(!sense_connection_wants(&connection), "and no more is read");
	struct sense_httpd_ref first = held;
	sense_httpd_problem(http,
	                    (struct sense_httpd_ref){held.connection, held.generation, held.request + 1}, 500,
	                    "x", NULL);
	is_str(out(), "", "an answer to what was not asked goes nowhere");
	sense_httpd_answer(http, first, &(struct sense_httpd_answer){204, NULL, NULL, NULL, 0});
	const char *text = out();
	ok(has(text, "HTTP/1.1 204 No Content\r\n") && !has(strstr(text, "204"), "Content-Length: 0"),
	   "answered late");
	ok(has(text, "GET /echo?second"), "then the second, behind it");
	sense_httpd_answer(http, first, &(struct sense_httpd_answer){204, NULL, NULL, NULL, 0});
	is_str(out(), "", "an answer given twice goes nowhere");
	in_text("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	connection.protocol->drain(connection.self);
	sense_httpd_answer(http, held, &(struct sense_httpd_answer){200, NULL, NULL, NULL, 0});
	ok(has(out(), "Connection: close") && connection.state == SENSE_CONNECTION_ENDED,
	   "a worker that ends says so");
	end();
	begin();
	in_text("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	sense_httpd_end(session);
	sense_connection_fini(&connection);
	sense_connection_init(&connection, &sense_httpd_protocol, NULL, &limits, SECOND);
	session = sense_httpd_begin(http, &connection, "192.0.2.2");
	connection.self = session;
	struct sense_httpd_ref before = held;
	in_text("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
	sense_httpd_answer(http, before, &(struct sense_httpd_answer){200, NULL, NULL, NULL, 0});
	is_str(out(), "", "an answer to a connection that is gone goes nowhere");
	end();
}

static void continuing(void)
{
	begin();
	in_text("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	is_str(out(), "HTTP/1.1 100 Continue\r\n\r\n", "who waits to be asked for the body is");
	in_text("a");
	is_str(out(), "", "once");
	in_text("b");
	ok(has(out(), "POST /echo?  ab"), "and then answered");
	end();
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

#define HOST "Host: x\r\n"
#define POST "POST /echo HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct {
	const char *what, *text;
	unsigned status;
} corpus[] = {
    {"space before a colon", "GET /echo HTTP/1.1\r\nHost : x\r\n\r\n", 400},
    {"tab before a colon", POST "Content-Length\t: 5\r\n\r\nhello", 400},
    {"a folded field", "GET /echo HTTP/1.1\r\n" HOST "X-Test: a\r\n b\r\n\r\n", 400},
    {"a folded first field", "GET /echo HTTP/1.1\r\n " HOST "\r\n", 400},
    {"a LF by itself behind the request line", "GET /echo HTTP/1.1\nHost: x\r\n\r\n", 400},
    {"a LF by itself behind a field", "GET /echo HTTP/1.1\r\nHost: x\n\r\n", 400},
    {"a LF by itself as the empty line", "GET /echo HTTP/1.1\r\n" HOST "\n", 400},
    {"a CR by itself", "GET /echo HTTP/1.1\r\nHost: x\rX-Test: y\r\n\r\n", 400},
    {"two CR", "GET /echo HTTP/1.1\r\r\nHost: x\r\n\r\n", 400},
    {"a control character", "GET /echo HTTP/1.1\r\nHost: x\r\nX-Test: a\x01\r\n\r\n", 400},
    {"DEL", "GET /echo HTTP/1.1\r\nHost: x\r\nX-Test: a\x7f\r\n\r\n", 400},
    {"an empty line before the request", "\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a second Host", "GET /echo HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"no Host", "GET /echo HTTP/1.1\r\n\r\n", 400},
    {"an empty Host", "GET /echo HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"a Host with a path", "GET /echo HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
    {"a Host with a user", "GET /echo HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
    {"two Hosts in one", "GET /echo HTTP/1.1\r\nHost: x, y\r\n\r\n", 400},
    {"Content-Length twice, different", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
    {"Content-Length twice, alike", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
    {"Content-Length as a list", POST "Content-Length: 5, 5\r\n\r\nhello", 400},
    {"Content-Length with a sign", POST "Content-Length: +5\r\n\r\nhello", 400},
    {"Content-Length below zero", POST "Content-Length: -5\r\n\r\nhello", 400},
    {"Content-Length in hexadecimal", POST "Content-Length: 0x5\r\n\r\nhello", 400},
    {"Content-Length without a number", POST "Content-Length:\r\n\r\nhello", 400},
    {"a Content-Length of 2^64 + 5", POST "Content-Length: 18446744073709551621\r\n\r\nhello", 413},
    {"a body that is too large", POST "Content-Length: 1048577\r\n\r\n", 413},
    {"both lengths", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"both lengths, the other way", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
     400},
    {"Transfer-Encoding twice",
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"Transfer-Encoding: identity", POST "Transfer-Encoding: identity\r\n\r\n", 501},
    {"Transfer-Encoding: a list", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {"Transfer-Encoding: xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
    {"Transfer-Encoding: in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 501},
    {"Transfer-Encoding in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400},
    {"a chunk's size with a sign", CHUNKED "+3\r\nhel\r\n0\r\n\r\n", 400},
    {"a chunk's size with 0x", CHUNKED "0x3\r\nhel\r\n0\r\n\r\n", 400},
    {"a chunk's size with a space", CHUNKED "3 \r\nhel\r\n0\r\n\r\n", 400},
    {"a chunk's size with a space before", CHUNKED " 3\r\nhel\r\n0\r\n\r\n", 400},
    {"no chunk's size", CHUNKED "\r\nhel\r\n0\r\n\r\n", 400},
    {"a chunk's size that overflows", CHUNKED "100000000000000003\r\nhel\r\n0\r\n\r\n", 400},
    {"a chunk that is too large", CHUNKED "100001\r\n", 413},
    {"a chunk extension", CHUNKED "3;a=b\r\nhel\r\n0\r\n\r\n", 400},
    {"a LF by itself behind a chunk's size", CHUNKED "3\nhel\r\n0\r\n\r\n", 400},
    {"a LF by itself behind a chunk", CHUNKED "3\r\nhel\n0\r\n\r\n", 400},
    {"a chunk that is longer than it says", CHUNKED "3\r\nhello\r\n0\r\n\r\n", 400},
    {"a chunk that is shorter than it says", CHUNKED "5\r\nhel\r\n0\r\n\r\n", 400},
    {"a trailer", CHUNKED "0\r\nHost: y\r\n\r\n", 400},
    {"a LF by itself at the end of chunks", CHUNKED "0\r\n\n", 400},
    {"a field without a name", "GET /echo HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400},
    {"a field without a colon", "GET /echo HTTP/1.1\r\n" HOST "Nothing\r\n\r\n", 400},
    {"a space within a name", "GET /echo HTTP/1.1\r\n" HOST "X Test: y\r\n\r\n", 400},
    {"a name beyond ASCII", "GET /echo HTTP/1.1\r\n" HOST "X-T\xe4st: y\r\n\r\n", 400},
    {"two spaces in the request line", "GET  /echo HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a space in the target", "GET /echo x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a tab in the request line", "GET\t/echo\tHTTP/1.1\r\n" HOST "\r\n", 400},
    {"a target beyond ASCII", "GET /\xe4 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a target without a slash", "GET echo HTTP/1.1\r\n" HOST "\r\n", 400},
    {"HTTP/0.9", "GET /echo\r\n" HOST "\r\n", 400},
    {"HTTP/2.0", "GET /echo HTTP/2.0\r\n" HOST "\r\n", 505},
    {"HTTP/1.2", "GET /echo HTTP/1.2\r\n" HOST "\r\n", 505},
    {"http/1.1", "GET /echo http/1.1\r\n" HOST "\r\n", 400},
    {"a method in small letters", "get /echo HTTP/1.1\r\n" HOST "\r\n", 400},
    {"a method that nobody knows", "FETCH /echo HTTP/1.1\r\n" HOST "\r\n", 501},
    {"CONNECT", "CONNECT x:443 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"an expectation", POST "Expect: a-miracle\r\n\r\n", 417},
    {"TLS", "\x16\x03\x01\x02\x01", 400},
};

static bool refused(const void *data, size_t len, unsigned status)
{
	char line[32];
	begin();
	in(data, len);
	/* Something smuggled behind it must not be served either. */
	in_text("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	const char *text = out();
	snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
	bool good = !strncmp(text, line, strlen(line)) && has(text, "\r\nConnection: close\r\n") &&
	            has(text, "application/problem+json") && !served &&
	            connection.state == SENSE_CONNECTION_ENDED && connection.gone == SENSE_GONE_DONE &&
	            !has(text + 9, "HTTP/1.1 2");
	if (!good)
		fprintf(stderr, "# %.200s\n", text);
	end();
	return good;
}

static void smuggling(void)
{
	for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++)
		ok(refused(corpus[i].text, strlen(corpus[i].text), corpus[i].status), "%s: %u",
		   corpus[i].what, corpus[i].status);
	static const char nul[] = "GET /echo HTTP/1.1\r\nHost: x\0y\r\n\r\n";
	ok(refused(nul, sizeof nul - 1, 400), "NUL: 400");
}

static void bounds(void)
{
	static char text[SENSE_HTTPD_RAW_MAX + 100000];
	size_t len = (size_t)snprintf(text, sizeof text, "GET /echo HTTP/1.1\r\nHost: x\r\n");
	for (unsigned i = 0; i < SENSE_HTTPD_FIELDS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "A: %u\r\n", i);
	ok(refused(text, len, 431), "more than 100 fields: 431");
	len = (size_t)snprintf(text, sizeof text, "GET /echo HTTP/1.1\r\nHost: x\r\nA: ");
	memset(text + len, 'a', SENSE_HTTPD_REQUEST_HEAD_MAX);
	ok(refused(text, len + SENSE_HTTPD_REQUEST_HEAD_MAX, 431), "a head larger than 16 KiB: 431");
	memset(text, 'G', 20000);
	ok(refused(text, 20000, 431), "without a line: 431");
	len = (size_t)snprintf(text, sizeof text, CHUNKED);
	while (len < SENSE_HTTPD_RAW_MAX + 1000)
		len += (size_t)snprintf(text + len, sizeof text - len, "1\r\na\r\n");
	ok(refused(text, len, 413), "chunks of one byte without end: 413");
	len = (size_t)snprintf(text, sizeof text, POST "Content-Length: %zu\r\n\r\n", SENSE_HTTPD_BODY_MAX);
	memset(text + len, 'b', SENSE_HTTPD_BODY_MAX);
	begin();
	in(text, len + SENSE_HTTPD_BODY_MAX);
	ok(has(out(), "HTTP/1.1 200"), "a body of 1 MiB is taken");
	end();
	begin();
	in_text("GET /echo HTTP/1.1\r\nHost: x\r\n");
	sense_connection_time(&connection, SECOND + limits.message_us);
	ok(connection.state == SENSE_CONNECTION_ENDED && connection.gone == SENSE_GONE_SLOW_SENDER,
	   "a head that never ends: hung up on");
	end();
}

/* Two connections that each begin to send much: the one that asks for too much goes, the other is served. */
static void budget(void)
{
	static char text[70000] = POST "Content-Length: 69000\r\n\r\n";
	struct sense_connection_budget shared = {.max = 150000};
	struct sense_connection_limits with = limits;
	struct sense_connection other;
	size_t head = strlen(text);
	memset(text + head, 'b', 69000);
	with.budget = &shared;
	begin();
	connection.limits = &with;
	sense_connection_init(&other, &sense_httpd_protocol, NULL, &with, SECOND);
	sense_httpd_session *second = sense_httpd_begin(http, &other, "192.0.2.2");
	other.self = second;
	in(text, 60000);
	ok(shared.held >= 60000 && connection.state == SENSE_CONNECTION_OPEN, "what is kept is counted");
	sense_connection_in(&other, (const uint8_t *)text, 60000, SECOND);
	sense_connection_in(&other, (const uint8_t *)text + 60000, head + 9000, SECOND);
	ok(other.state == SENSE_CONNECTION_ENDED && other.gone == SENSE_GONE_MEMORY,
	   "more than there is for all: hung up on");
	in(text + 60000, head + 9000);
	ok(has(out(), "HTTP/1.1 200"), "the one before it is served");
	is_num(shared.held, 0, "nothing is kept");
	sense_httpd_end(second);
	sense_connection_fini(&other);
	end();
}

int main(void)
{
	requests();
	own_routes();
	readiness();
	torn();
	late();
	continuing();
	smuggling();
	bounds();
	budget();
	return tap_done();
}
