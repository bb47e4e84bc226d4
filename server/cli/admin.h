/*
 * What commands of administrators share: plain statements to the database, one after the other, and their
 * rows as a table or as JSON.
 *
 * They go to the database itself, not through a server that runs: who may do that is who may connect to it as
 * the owner of the schema.
 */
#ifndef SENSE_SERVER_CLI_ADMIN_H
#define SENSE_SERVER_CLI_ADMIN_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "proto/uuid.h"
#include "server/cli/cli.h"

#define SENSE_ADMIN_COLUMNS_MAX 10u

struct sense_admin {
	const struct sense_conf *conf; /* the server's */
	PGconn *conn;
	PGresult *result; /* of the latest statement */
};

/* False: said on stderr. Call sense_admin_close always. */
bool sense_admin_open(struct sense_admin *admin, const struct sense_conf *conf);
void sense_admin_close(struct sense_admin *admin);
/* One statement; values are text, NULL is NULL. False: said on stderr. */
bool sense_admin_ask(struct sense_admin *admin, const char *sql, const char *const *values, int count);
int sense_admin_rows(const struct sense_admin *admin);
/* Of the first row; "" for NULL, and when there is no row. */
const char *sense_admin_value(const struct sense_admin *admin, int column);

/* All rows: a table with the columns' names as titles, or one JSON object a line. The exit code. */
int sense_admin_print(const struct sense_admin *admin, bool json);
/* "sense-server: ..." on stderr; the exit code for a failure. */
int sense_admin_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Likewise, for what was given wrongly. */
int sense_admin_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bytes as a value of type bytea; free it. NULL: no memory. */
char *sense_admin_bytea(const uint8_t *bytes, size_t len);
/* The id of an organization by its name, into out. False: said on stderr. */
bool sense_admin_org(struct sense_admin *admin, const char *name, char out[SENSE_UUID_TEXT]);
/* Of an organization or a group: 1 to 200 bytes, on one line. */
bool sense_admin_name_good(const char *name);
/* Seconds between two heartbeats of an agent, as text. In static memory. */
const char *sense_admin_heartbeat(const struct sense_admin *admin);
/* Who does it, as the audit log has it. In static memory. */
const char *sense_admin_actor(void);

#endif
