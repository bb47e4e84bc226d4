#include "server/store/migrate.h"

#include <ctype.h>
#include <dirent.h>
#include <libpq-fe.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/version.h"
#include "proto/hex.h"

#define SUBSYSTEM "migrate"
#define COUNT_MAX 999u
#define TEXT_MAX ((size_t)4 << 20)
#define WAIT_S 60u
#define LOCK "7302916484" /* no other meaning than to be the same in each server */

/* From the Makefile: those in the program, in the order of their names; the last one is empty. */
struct embedded_text {
	const char *name, *begin, *end;
};
extern const struct embedded_text sense_migrations[];

struct migration {
	unsigned version;
	char name[80];
	char *text;
	char checksum[65];
};

struct plan {
	struct migration *migrations;
	unsigned count;
};

/* ---- what there is to apply --------------------------------------------------------------------------- */

static enum sense_status add(struct plan *plan, const char *name, const char *text, size_t len,
                             sense_error *err)
{
	unsigned char digest[32];
	unsigned size = 0;

	if (plan->count == COUNT_MAX || len > TEXT_MAX)
		return sense_fail(err, SENSE_E_LIMIT, SUBSYSTEM,
		                  "%s: too many migrations, or one that is too large", name);
	struct migration *grown = realloc(plan->migrations, (plan->count + 1) * sizeof(*grown));
	if (!grown)
		return sense_fail(err, SENSE_E_MEMORY, SUBSYSTEM, "no memory for migrations");
	plan->migrations = grown;
	struct migration *one = &grown[plan->count];
	*one = (struct migration){.version = (unsigned)strtoul(name, NULL, 10), .text = strndup(text, len)};
	snprintf(one->name, sizeof(one->name), "%s", name);
	if (!one->text || !EVP_Digest(text, len, digest, &size, EVP_sha256(), NULL)) {
		free(one->text);
		return sense_fail(err, SENSE_E_MEMORY, SUBSYSTEM, "no memory for migrations");
	}
	sense_hex_text(digest, sizeof digest, one->checksum);
	plan->count++;
	if (one->version != plan->count)
		return sense_fail(err, SENSE_E_CONFIG, SUBSYSTEM,
		                  "%s should be number %03u: numbers go up by one", name, plan->count);
	return SENSE_OK;
}

static int is_migration(const struct dirent *entry)
{
	const char *name = entry->d_name, *dot = strrchr(name, '.');
	return isdigit((unsigned char)name[0]) && dot && !strcmp(dot, ".sql");
}

static enum sense_status add_file(struct plan *plan, const char *dir, const char *name, sense_error *err)
{
	struct sense_buf text;
	char path[4096], piece[8192];
	size_t got;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *in = fopen(path, "re");
	if (!in)
		return sense_fail_errno(err, SUBSYSTEM, "%s cannot be read", path);
	sense_buf_init(&text, TEXT_MAX + 1);
	while ((got = fread(piece, 1, sizeof(piece), in)) > 0)
		sense_buf_add(&text, piece, got);
	fclose(in);
	enum sense_status status = add(plan, name, sense_buf_str(&text), text.len, err);
	sense_buf_fini(&text);
	return status;
}

static enum sense_status read_plan(const char *dir, struct plan *plan, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	struct dirent **names;

	if (!dir) {
		for (const struct embedded_text *text = sense_migrations; text->name && !status; text++)
			status = add(plan, text->name, text->begin, (size_t)(text->end - text->begin), err);
		return status;
	}
	int count = scandir(dir, &names, is_migration, alphasort);
	if (count < 0)
		return sense_fail_errno(err, SUBSYSTEM, "%s cannot be read", dir);
	for (int i = 0; i < count; i++) {
		if (!status)
			status = add_file(plan, dir, names[i]->d_name, err);
		free(names[i]);
	}
	free(names);
	return status;
}

/* ---- the database -------------------------------------------------------------------------------------- */

static const char *first_line(PGconn *conn)
{
	static char line[512];
	snprintf(line, sizeof(line), "%s", PQerrorMessage(conn));
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void quiet(void *self, const char *message)
{
	(void)self, (void)message; /* "already exists, skipping" */
}

/* A database that is just starting is waited for. */
static enum sense_status reach(const char *conninfo, uint64_t until, PGconn **out, sense_error *err)
{
	for (;;) {
		*out = PQconnectdb(conninfo);
		if (PQstatus(*out) == CONNECTION_OK)
			break;
		if (sense_clock_us() > until)
			return sense_fail(err, SENSE_E_IO, SUBSYSTEM, "the database cannot be reached: %s",
			                  first_line(*out));
		PQfinish(*out);
		*out = NULL;
		poll(NULL, 0, 250);
	}
	PQsetNoticeProcessor(*out, quiet, NULL);
	return SENSE_OK;
}

static enum sense_status run(PGconn *conn, const char *text, const char *what, sense_error *err)
{
	PGresult *result = PQexec(conn, text);
	ExecStatusType got = PQresultStatus(result);
	enum sense_status status = SENSE_OK;

	if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK) {
		const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
		const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
		status = sense_fail(err, SENSE_E_IO, SUBSYSTEM, "%s: %s%s%s", what,
		                    primary ? primary : first_line(conn), hint ? ": " : "", hint ? hint : "");
	}
	PQclear(result);
	return status;
}

/* One server applies, the others wait. The lock goes with the session. */
static enum sense_status take_turn(PGconn *conn, uint64_t until, sense_error *err)
{
	for (;;) {
		PGresult *result = PQexec(conn, "SELECT pg_try_advisory_lock(" LOCK ")");
		bool answered = PQresultStatus(result) == PGRES_TUPLES_OK;
		bool mine = answered && !strcmp(PQgetvalue(result, 0, 0), "t");
		PQclear(result);
		if (mine)
			return SENSE_OK;
		if (!answered)
			return sense_fail(err, SENSE_E_IO, SUBSYSTEM, "the database went away: %s",
			                  first_line(conn));
		if (sense_clock_us() > until)
			return sense_fail(
			    err, SENSE_E_IO, SUBSYSTEM,
			    "another server is still changing the database: look at its log, then start again");
		poll(NULL, 0, 100);
	}
}

static enum sense_status compare_one(const struct plan *plan, unsigned version, const char *name,
                                     const char *checksum, sense_error *err)
{
	if (version > plan->count)
		return sense_fail(
		    err, SENSE_E_VERSION, SUBSYSTEM,
		    "the database has migration %03u (%s), this program (%s) knows only %u: it is older than the "
		    "one that changed the database last, run that one or a later one",
		    version, name, sense_version(), plan->count);
	const struct migration *mine = &plan->migrations[version - 1];
	if (strcmp(mine->checksum, checksum) != 0)
		return sense_fail(
		    err, SENSE_E_VERSION, SUBSYSTEM,
		    "migration %s was changed after it was applied (SHA-256 %.12s, in the database %.12s): put "
		    "back the text that was applied, and make the change a migration of its own",
		    mine->name, mine->checksum, checksum);
	return SENSE_OK;
}

/* What is applied must be a beginning of the plan. */
static enum sense_status compare(PGconn *conn, const struct plan *plan, unsigned *applied, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	PGresult *result =
	    PQexec(conn, "SELECT version, name, checksum FROM sense.schema_migrations ORDER BY version DESC");

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		status = sense_fail(err, SENSE_E_IO, SUBSYSTEM, "which migrations are applied: %s",
		                    first_line(conn));
	int count = status ? 0 : PQntuples(result);
	for (int row = 0; row < count && !status; row++) {
		unsigned version = (unsigned)strtoul(PQgetvalue(result, row, 0), NULL, 10);
		if (version != (unsigned)(count - row))
			status =
			    sense_fail(err, SENSE_E_VERSION, SUBSYSTEM,
			               "migration %03u is recorded in the database, one before it is not: "
			               "sense.schema_migrations was changed by hand",
			               version);
		else
			status = compare_one(plan, version, PQgetvalue(result, row, 1),
			                     PQgetvalue(result, row, 2), err);
	}
	*applied = (unsigned)count;
	PQclear(result);
	return status;
}

static enum sense_status apply(PGconn *conn, const struct migration *migration, sense_error *err)
{
	char version[16];
	const char *values[] = {version, migration->name, migration->checksum, sense_version()};

	sense_log(SENSE_LOG_INFO, SUBSYSTEM, "applying %s", migration->name);
	enum sense_status status = run(conn, "BEGIN", migration->name, err);
	if (!status)
		status = run(conn, migration->text, migration->name, err);
	snprintf(version, sizeof(version), "%u", migration->version);
	if (!status) {
		PGresult *result =
		    PQexecParams(conn,
		                 "INSERT INTO sense.schema_migrations (version, name, checksum, program) "
		                 "VALUES ($1, $2, $3, $4)",
		                 4, NULL, values, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			status = sense_fail(err, SENSE_E_IO, SUBSYSTEM, "%s: %s", migration->name,
			                    first_line(conn));
		PQclear(result);
	}
	if (!status)
		status = run(conn, "COMMIT", migration->name, err);
	else
		PQclear(PQexec(conn, "ROLLBACK"));
	return status;
}

enum sense_status sense_migrate(const struct sense_migrate_config *config,
                                struct sense_migrate_report *report, sense_error *err)
{
	uint64_t until = sense_clock_us() + (uint64_t)(config->wait ? config->wait : WAIT_S) * 1000000;
	struct plan plan = {0};
	PGconn *conn = NULL;
	unsigned applied = 0;

	*report = (struct sense_migrate_report){0};
	enum sense_status status = read_plan(config->dir, &plan, err);
	if (!status)
		status = reach(config->conninfo, until, &conn, err);
	if (!status)
		status = take_turn(conn, until, err);
	if (!status)
		status = run(
		    conn,
		    "CREATE SCHEMA IF NOT EXISTS sense; CREATE TABLE IF NOT EXISTS sense.schema_migrations "
		    "(version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
		    "program text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
		    "the schema 'sense' cannot be made", err);
	if (!status)
		status = compare(conn, &plan, &applied, err);
	for (unsigned i = applied; i < plan.count && !status; i++) {
		status = apply(conn, &plan.migrations[i], err);
		report->applied += !status;
	}
	report->version = applied + report->applied;
	PQfinish(conn);
	for (unsigned i = 0; i < plan.count; i++)
		free(plan.migrations[i].text);
	free(plan.migrations);
	return status;
}
