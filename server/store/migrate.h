/*
 * The database's schema, forwards only: server/migrations/NNN_name.sql, which are part of the program.
 *
 * Each is applied once, in a transaction of its own, and is recorded in sense.schema_migrations with the SHA-256 of
 * its text. A text that has changed since, one that is missing in between, or a database that knows more of them than
 * this program is refused: nothing is done then. Servers that start at once take turns by an advisory lock.
 *
 * Blocks; a server calls it before it has an event loop.
 */
#ifndef SENSE_SERVER_STORE_MIGRATE_H
#define SENSE_SERVER_STORE_MIGRATE_H

#include "core/base/status.h"

struct sense_migrate_config {
	const char *conninfo; /* as whom owns the schema */
	const char *dir;      /* of the files instead of those in the program; NULL: those */
	unsigned wait;        /* seconds for the database to answer and for another server; 0: 60 */
};

struct sense_migrate_report {
	unsigned applied; /* by this call */
	unsigned version; /* the last one's number */
};

enum sense_status sense_migrate(const struct sense_migrate_config *config,
                                struct sense_migrate_report *report, sense_error *err);

#endif
