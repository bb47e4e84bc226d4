/*
 * A worker: one event loop, with the network and all that parts of the server put into it.
 *
 * A part has a `begin`, which is called before connections are taken: it registers methods, routes and
 * questions of /readyz, connects to stores and sets its timers; an `end`, called behind the last connection,
 * in the reverse order.
 */
#ifndef SENSE_SERVER_PROC_WORKER_H
#define SENSE_SERVER_PROC_WORKER_H

#include <ev.h>

#include "server/conf.h"
#include "server/http/http.h"
#include "server/net/revoked.h"
#include "server/net/tls.h"
#include "server/proc/master.h"
#include "server/rpc/calls.h"

#define SENSE_PARTS_MAX 16u

struct sense_server_worker {
	struct ev_loop *loop;
	const struct sense_conf *conf;
	unsigned slot;
	unsigned generation; /* of the configuration */
	sense_calls *calls;
	sense_httpd *http;
	sense_revoked *revoked;                /* the parts keep it up to date */
	struct sense_connection_budget agents; /* what is kept for their connections */
	void *states[SENSE_PARTS_MAX];         /* what each part's begin gave, in their order */
};

struct sense_worker_part {
	const char *name;
	void *self;
	/* *state goes to `end`. A failure ends the worker, which is then started again by and by. */
	enum sense_status (*begin)(void *self, struct sense_server_worker *worker, void **state,
	                           sense_error *err);
	void (*end)(void *state);
};

/* What one worker is made from. */
struct sense_worker_plan {
	const struct sense_conf *conf;
	sense_server_tls *tls;
	const struct sense_worker_part *parts;
	unsigned part_count;
};

/* Runs in the worker's process until it is told to end (SIGTERM) and has. The exit code. */
int sense_worker_run(const struct sense_worker_plan *plan, struct sense_server_process *process);
/* Metrics of all that a worker has of its own. */
enum sense_status sense_worker_metrics(sense_error *err);
/* Which place of the metrics a worker has: another one than that whose successor it is, which may still be
 * ending. */
unsigned sense_worker_place(unsigned slot, unsigned generation);

#endif
