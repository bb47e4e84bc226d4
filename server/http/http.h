/*
 * HTTP/1.1 for the few plain routes (RFC 9110, RFC 9112): enrolment, health, metrics.
 *
 * A request goes through the gate (server/http/gate.h), then through the parser, which must agree with the
 * gate on where it ends; then to the one handler of its path and method. Handlers answer from within the call
 * or any time later, by a reference that goes stale with the connection. Requests that follow on the same
 * connection wait for it, so answers go out in order. HEAD is GET without the body. Errors are problems of
 * RFC 9457.
 *
 * One thread, one of these a worker.
 */
#ifndef SENSE_SERVER_HTTP_HTTP_H
#define SENSE_SERVER_HTTP_HTTP_H

#include "core/base/status.h"
#include "server/http/gate.h"
#include "server/net/connection.h"

#define SENSE_ROUTES_MAX 64u
#define SENSE_HTTPD_ANSWER_MAX ((size_t)4 << 20)

typedef struct sense_httpd sense_httpd;
typedef struct sense_httpd_session sense_httpd_session;

struct sense_httpd_ref {
	uint32_t connection; /* number of its place */
	uint32_t generation; /* of the place */
	uint32_t request;    /* of the connection: 1, 2, ... */
};

struct sense_httpd_span {
	const char *text; /* not NUL-terminated; NULL: not there */
	size_t len;
};

struct sense_httpd_field {
	struct sense_httpd_span name, value;
};

/* Good during the handler's call. */
struct sense_httpd_request {
	const char *method;            /* "GET"; of a HEAD, too, what its route says */
	char path[1024];               /* as it was sent, without the query */
	struct sense_httpd_span query; /* behind the '?' */
	const char *address;           /* who asks */
	unsigned field_count;
	struct sense_httpd_field fields[SENSE_HTTPD_FIELDS_MAX];
	const uint8_t *body;
	size_t body_len;
	bool keep_alive, head, http10;
};

/* NULL: it has none. Names without case. */
const struct sense_httpd_span *sense_httpd_field_of(const struct sense_httpd_request *request,
                                                    const char *name);

struct sense_httpd_answer {
	unsigned status;
	const char *type;   /* media type; NULL: no body */
	const char *fields; /* more fields, each with CR LF; NULL: none */
	const void *body;
	size_t len;
};

typedef void sense_httpd_serve(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                               const struct sense_httpd_request *request);

struct sense_route {
	const char *method; /* "GET" answers HEAD, too */
	const char *path;
	sense_httpd_serve *serve;
	void *self;
};

/* Asked by /readyz: NULL, or in a few words what is missing. */
typedef const char *sense_httpd_ready(void *self);

extern const struct sense_connection_protocol sense_httpd_protocol;

enum sense_status sense_httpd_metrics(sense_error *err);

sense_httpd *sense_httpd_new(uint32_t connections); /* NULL: no memory */
void sense_httpd_free(sense_httpd *http);
/* Copied, the strings kept. False: too many, or there is one for this path and method. */
bool sense_httpd_route(sense_httpd *http, const struct sense_route *route);
/* /healthz, /readyz, /metrics. */
bool sense_httpd_routes_own(sense_httpd *http);
/* Who may read /metrics, as lua/cidr.h has networks; nobody before this is called. Borrowed. */
void sense_httpd_metrics_from(sense_httpd *http, const char *const *networks, unsigned count);
bool sense_httpd_ready_ask(sense_httpd *http, sense_httpd_ready *ready, void *self);

/* Copied; of a stale reference nothing happens. */
void sense_httpd_answer(sense_httpd *http, struct sense_httpd_ref ref,
                        const struct sense_httpd_answer *answer);
/* A problem: detail is a sentence for people. fields: as above. */
void sense_httpd_problem(sense_httpd *http, struct sense_httpd_ref ref, unsigned status, const char *detail,
                         const char *fields);

/* A connection begins; its protocol is sense_httpd_protocol, its `self` what this gives. NULL: no room. */
sense_httpd_session *sense_httpd_begin(sense_httpd *http, struct sense_connection *connection,
                                       const char *address);
void sense_httpd_end(sense_httpd_session *session);

/* ---- the parser (parse.c) ------------------------------------------------------------------------------ */

/*
 * Takes a request apart that came whole through the gate. A body in chunks is put together in place, in
 * `body`, which holds as many bytes as the request. False: the parser does not read it as the gate did;
 * status is what to answer.
 */
bool sense_httpd_parse(const uint8_t *data, size_t len, uint8_t *body, struct sense_httpd_request *out,
                       unsigned *status);

const char *sense_httpd_status_name(unsigned status);

#endif
