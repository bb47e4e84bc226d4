/*
 * The network of one worker: it takes connections from its listening sockets, agrees on TLS, and joins each
 * connection with what is spoken on it: calls of agents, or HTTP.
 *
 * Bounds: connections of a worker; of one source address those that no certificate stands for; the time of a
 * handshake; connections taken in one round of the loop, so that a crowd at the door does not keep those
 * inside waiting. What was refused is closed at once and counted.
 */
#ifndef SENSE_SERVER_NET_NET_H
#define SENSE_SERVER_NET_NET_H

#include <ev.h>

#include "server/http/http.h"
#include "server/net/revoked.h"
#include "server/net/tls.h"
#include "server/rpc/calls.h"

typedef struct sense_net sense_net;

struct sense_net_config {
	struct ev_loop *loop;
	sense_server_tls *tls;
	sense_calls *calls;
	sense_httpd *http;
	const sense_revoked *revoked;           /* may be NULL */
	struct sense_connection_budget *agents; /* of all their connections; the caller's */
	const int *fds;                         /* listening sockets, which stay the caller's */
	unsigned fd_count;
	unsigned connections_max, per_source_max;
	size_t input_max; /* bytes of agents' messages that are on their way, all together */
	uint64_t handshake_us, request_us, send_us, idle_us;
	uint64_t heartbeat_us; /* an agent that is silent for three of these is gone */
};

enum sense_status sense_net_metrics(sense_error *err);

sense_net *sense_net_new(const struct sense_net_config *config, sense_error *err);
void sense_net_free(sense_net *net);   /* ends what is still there */
void sense_net_accept(sense_net *net); /* takes connections from now on */
/* Takes no more; those that are there end when what they asked is answered. `done` when the last one is gone.
 */
void sense_net_drain(sense_net *net, void (*done)(void *self), void *self);
unsigned sense_net_connections(const sense_net *net);

#endif
