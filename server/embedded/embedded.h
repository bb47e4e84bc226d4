/*
 * The stores of a server that was given none: a private PostgreSQL and a private Redis, real ones, as children of the
 * process that starts them. They live in a folder, speak on unix sockets only, and run as a user without privileges
 * (PostgreSQL refuses to run as root). Who may connect is who may enter the folder of the sockets: the owner of the
 * stores, root, and the group that is given.
 *
 *   DIR/postgres  data of PostgreSQL (checksums on)     DIR/redis  of Redis (append-only file)
 *   DIR/run       sockets                               DIR/log    what both write
 *
 * What was killed recovers at the next start. Both end when their parent does: PostgreSQL by a fast shutdown.
 */
#ifndef SENSE_SERVER_EMBEDDED_EMBEDDED_H
#define SENSE_SERVER_EMBEDDED_EMBEDDED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/status.h"

#define SENSE_EMBEDDED_POSTGRES "/usr/lib/postgresql/15/bin"
#define SENSE_EMBEDDED_REDIS "/usr/bin/redis-server"
#define SENSE_EMBEDDED_PATH_MAX 107u /* of a unix socket: sun_path less its NUL */

/* NULL and 0 mean what stands behind. */
struct sense_embedded_config {
	const char *dir;      /* absolute; made when it is not there */
	const char *postgres; /* folder of its programs: SENSE_EMBEDDED_POSTGRES */
	const char *redis;    /* program: SENSE_EMBEDDED_REDIS */
	const char *user;     /* whom both run as, when this process is root: postgres, else nobody */
	gid_t group;          /* who may connect beside them: the group of this process */
	unsigned connections; /* of PostgreSQL at most: 64 */
	unsigned wait;        /* seconds for each to answer: 60 */
	bool without_redis;
	bool without_fsync; /* for tests: a crash of the machine may destroy the data */
};

struct sense_embedded {
	struct sense_embedded_config config; /* texts are borrowed */
	char dir[SENSE_EMBEDDED_PATH_MAX + 1];
	char conninfo[2 * SENSE_EMBEDDED_PATH_MAX + 64]; /* for libpq, as the owner of the database */
	char redis_path[SENSE_EMBEDDED_PATH_MAX + 1];
	pid_t postgres, redis; /* 0: not running */
	uid_t uid;
	gid_t gid;
	unsigned failures;    /* starts since one that lasted */
	uint64_t again_at_us; /* when what ended may be started anew */
};

/* Returns when both answer, or with neither running. The configuration's texts must stay. */
enum sense_status sense_embedded_start(const struct sense_embedded_config *config,
                                       struct sense_embedded *stores, sense_error *err);
/* Clean: what is committed is on disk. Bounded: after a minute PostgreSQL is told to stop at once, then killed. */
void sense_embedded_stop(struct sense_embedded *stores);

/* Of a child that waitpid gave: true when it was one of the two, and `tend` has something to do. */
bool sense_embedded_exited(struct sense_embedded *stores, pid_t pid, int status);
/* Starts what has ended, with growing pauses; never waits. Called each second or so. */
void sense_embedded_tend(struct sense_embedded *stores);

#endif
