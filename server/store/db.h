/*
 * PostgreSQL on the event loop: a pool of connections of one process, over which statements are sent and answered
 * in pipelines (libpq, PQenterPipelineMode), never blocking.
 *
 * A statement is prepared on a connection when it is first used there. Every statement about an organization's rows
 * runs with that organization set (`sense.org`, which row-level security asks for) *and* names it in its text.
 * Connections that break are made again with jittered, growing pauses; what was under way is answered with an error
 * that says so, what waits goes to the next connection. Nothing here is retried by itself: who asks knows whether to
 * ask twice is safe.
 *
 * One thread. Callbacks come from the loop, never from within the call that asked.
 */
#ifndef SENSE_SERVER_STORE_DB_H
#define SENSE_SERVER_STORE_DB_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define SENSE_DB_PARAMS_MAX 16u
#define SENSE_DB_WAITING_MAX 4096u /* statements that wait for a connection */

typedef struct sense_db sense_db;

struct sense_db_config {
	const char *conninfo; /* libpq connection string */
	unsigned connections; /* at most */
	uint64_t timeout_us;  /* of one statement, waiting included; 0: none */
};

/* Connects by and by; NULL only when memory is short. */
sense_db *sense_db_new(struct ev_loop *loop, const struct sense_db_config *config, sense_error *err);
void sense_db_free(sense_db *db); /* open statements are answered first, with an error */

struct sense_db_statement {
	const char *name; /* unique in the program */
	const char *sql;
};

/* Of a parameter: text form, or binary. NULL: SQL NULL. */
struct sense_db_param {
	const void *value;
	size_t len; /* binary only */
	bool binary;
};
#define SENSE_DB_TEXT(text) ((struct sense_db_param){(text), 0, false})
#define SENSE_DB_BYTES(data, size) ((struct sense_db_param){(data), (size), true})

enum sense_db_outcome {
	SENSE_DB_DONE,
	SENSE_DB_AWAY,    /* no connection, or it broke: whether the statement took effect is not known */
	SENSE_DB_TIMEOUT, /* the same */
	SENSE_DB_REFUSED  /* by the database: sqlstate and message */
};

/* Good during the callback. Values are in text form, NUL-terminated, unless the statement asks for binary. */
struct sense_db_result {
	enum sense_db_outcome outcome;
	char sqlstate[6]; /* PostgreSQL, appendix A; "" unless refused */
	const char *message;
	unsigned rows, columns;
	const void *impl;
};

const char *sense_db_value(const struct sense_db_result *result, unsigned row,
                           unsigned column); /* NULL: NULL */
size_t sense_db_len(const struct sense_db_result *result, unsigned row, unsigned column);
uint64_t sense_db_uint(const struct sense_db_result *result, unsigned row, unsigned column); /* 0: NULL */
bool sense_db_bool(const struct sense_db_result *result, unsigned row, unsigned column);
/* Of a bytea in text form ("\x..."): as many bytes as fit, returns how many there are. */
size_t sense_db_bytes(const struct sense_db_result *result, unsigned row, unsigned column, uint8_t *out,
                      size_t cap);

typedef void sense_db_done(void *self, const struct sense_db_result *result);

/*
 * org: a UUID's text, whose rows the statement may see; NULL: one about no organization's rows (enrolment, jobs).
 * params are copied. False: too many wait already, `done` will not be called.
 */
bool sense_db_ask(sense_db *db, const char *org, const struct sense_db_statement *statement,
                  const struct sense_db_param *params, unsigned count, sense_db_done *done, void *self);

/* A channel of NOTIFY on a connection of its own, kept up; `heard` also once (payload "") after each reconnection. */
typedef void sense_db_heard(void *self, const char *channel, const char *payload);
bool sense_db_listen(sense_db *db, const char *channel, sense_db_heard *heard, void *self);

struct sense_db_stats {
	unsigned connected, waiting, under_way;
	uint64_t asked, refused, away, timeouts;
};
void sense_db_stats(const sense_db *db, struct sense_db_stats *out);
bool sense_db_is_up(const sense_db *db);

#endif
