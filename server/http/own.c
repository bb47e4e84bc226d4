/* /healthz, /readyz, /metrics. */
#include <string.h>

#include "lua/cidr.h"
#include "server/http/session.h"
#include "server/metrics.h"

static void text_answer(sense_httpd *http, struct sense_httpd_ref ref, const char *text)
{
	sense_httpd_answer(
	    http, ref,
	    &(struct sense_httpd_answer){200, "text/plain; charset=utf-8", NULL, text, strlen(text)});
}

static void health(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                   const struct sense_httpd_request *request)
{
	(void)self, (void)request;
	text_answer(http, ref, "ok\n");
}

static void ready(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                  const struct sense_httpd_request *request)
{
	(void)self, (void)request;
	for (unsigned i = 0; i < http->ready_count; i++) {
		const char *missing = http->ready[i].ask(http->ready[i].self);
		if (missing) {
			sense_httpd_problem(http, ref, 503, missing, "Retry-After: 1\r\n");
			return;
		}
	}
	text_answer(http, ref, "ready\n");
}

static bool may_read_metrics(const sense_httpd *http, const char *address)
{
	struct sense_cidr asks, network;
	if (!sense_cidr_parse(address, &asks))
		return false;
	for (unsigned i = 0; i < http->metrics_from_count; i++)
		if (sense_cidr_parse(http->metrics_from[i], &network) &&
		    sense_cidr_holds(&network, &asks.addr))
			return true;
	return false;
}

static void tell_metrics(void *self, sense_httpd *http, struct sense_httpd_ref ref,
                         const struct sense_httpd_request *request)
{
	struct sense_buf text;
	(void)self;
	if (!may_read_metrics(http, request->address)) {
		sense_httpd_problem(http, ref, 403, "metrics are for those in server.metrics_from", NULL);
		return;
	}
	sense_buf_init(&text, SENSE_HTTPD_ANSWER_MAX);
	sense_metrics_print(&text);
	if (text.failed)
		sense_httpd_problem(http, ref, 500, "no memory for the metrics", NULL);
	else
		sense_httpd_answer(http, ref,
		                   &(struct sense_httpd_answer){200,
		                                                "text/plain; version=0.0.4; charset=utf-8",
		                                                NULL, text.data, text.len});
	sense_buf_fini(&text);
}

void sense_httpd_metrics_from(sense_httpd *http, const char *const *networks, unsigned count)
{
	http->metrics_from = networks;
	http->metrics_from_count = count;
}

bool sense_httpd_ready_ask(sense_httpd *http, sense_httpd_ready *ask, void *self)
{
	if (http->ready_count == READY_MAX)
		return false;
	http->ready[http->ready_count].ask = ask;
	http->ready[http->ready_count++].self = self;
	return true;
}

bool sense_httpd_routes_own(sense_httpd *http)
{
	return sense_httpd_route(http, &(struct sense_route){"GET", "/healthz", health, NULL}) &&
	       sense_httpd_route(http, &(struct sense_route){"GET", "/readyz", ready, NULL}) &&
	       sense_httpd_route(http, &(struct sense_route){"GET", "/metrics", tell_metrics, NULL});
}
