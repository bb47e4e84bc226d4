/*
 * One connection to PostgreSQL on the event loop, kept up: made without blocking, with a limit of time, and made again
 * after growing, jittered pauses. What travels over it is its owner's affair (db.c, ingest/writer.c).
 *
 * The owner calls sense_link_flush after it has queued something, and is called when the connection is there (`up`),
 * when something has come (`ready`: PQisBusy, PQgetResult, PQnotifies) and when it has broken (`down`).
 */
#ifndef SENSE_SERVER_STORE_LINK_H
#define SENSE_SERVER_STORE_LINK_H

#include <ev.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct sense_link;

struct sense_link_owner {
	void (*up)(void *self);
	void (*ready)(void *self);
	void (*down)(void *self, const char *why); /* only after `up` */
	void *self;
};

struct sense_link {
	struct ev_loop *loop;
	const char *conninfo; /* borrowed */
	const char *name;     /* for pg_stat_activity, borrowed */
	struct sense_link_owner owner;
	PGconn *conn; /* NULL: none, a pause */
	bool up;
	bool broken; /* noticed within a call of the owner; `down` comes from the loop */
	unsigned attempts;
	int fd;
	ev_io io;
	ev_timer timer; /* the pause, or the limit of connecting */
	char why[256];  /* of the last failure */
};

void sense_link_init(struct sense_link *link, struct ev_loop *loop, const char *conninfo, const char *name,
                     const struct sense_link_owner *owner);
void sense_link_fini(struct sense_link *link); /* without `down` */
void sense_link_flush(struct sense_link *link);
/* The owner has seen that it is of no use any more. `down` is called from the loop, never from within this. */
void sense_link_break(struct sense_link *link, const char *why);

#endif
