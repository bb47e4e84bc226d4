/*
 * The insides of HTTP, between session.c and own.c.
 */
#ifndef SENSE_SERVER_HTTP_SESSION_H
#define SENSE_SERVER_HTTP_SESSION_H

#include "server/http/http.h"
#include "server/net/places.h"

#define READY_MAX 16u

struct sense_httpd {
	struct sense_places places;
	struct sense_route routes[SENSE_ROUTES_MAX];
	unsigned route_count;
	struct {
		sense_httpd_ready *ask;
		void *self;
	} ready[READY_MAX];
	unsigned ready_count;
	const char *const *metrics_from;
	unsigned metrics_from_count;
};

struct sense_httpd_session {
	sense_httpd *http;
	struct sense_connection *connection;
	char address[48];
	uint32_t number, generation;
	uint32_t request; /* the latest */
	uint64_t began_us;
	struct sense_gate gate;
	bool serving, keep_alive, head, http10;
	bool continued; /* 100 (Continue) was sent */
	bool draining;
};

#endif
