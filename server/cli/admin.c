#include "server/cli/admin.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/show/grid.h"
#include "core/show/json.h"
#include "core/show/terminal.h"
#include "core/show/text.h"
#include "proto/hex.h"

/* Types as pg_type.dat numbers them. */
enum { TYPE_BOOL = 16, TYPE_INT8 = 20, TYPE_INT4 = 23 };

int sense_admin_fail(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("sense-server: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	return SENSE_SERVER_FAILED;
}

int sense_admin_usage(const char *command, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("sense-server: ", stderr);
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\nTry 'sense-server %s --help'.\n", command);
	va_end(args);
	return SENSE_SERVER_USAGE;
}

bool sense_admin_name_good(const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return len && len <= 200;
}

const char *sense_admin_heartbeat(const struct sense_admin *admin)
{
	static char seconds[24];
	uint64_t us = sense_conf_number(admin->conf, SENSE_SERVER_KEY_AGENTS_HEARTBEAT);
	snprintf(seconds, sizeof seconds, "%llu", (unsigned long long)(us / 1000000));
	return seconds;
}

const char *sense_admin_actor(void)
{
	static char actor[96];
	const char *sudo = getenv("SUDO_USER");
	if (sudo && *sudo)
		snprintf(actor, sizeof actor, "command line, user %.60s", sudo);
	else
		snprintf(actor, sizeof actor, "command line, uid %u", (unsigned)getuid());
	return actor;
}

/* ---- statements --------------------------------------------------------------------------------------- */

/* libpq's messages are lines. */
static const char *one_line(const char *text)
{
	static char line[512];
	snprintf(line, sizeof line, "%s", text);
	for (char *c = line; *c; c++)
		if (*c == '\n')
			*c = c[1] ? ' ' : '\0';
	return line;
}

bool sense_admin_open(struct sense_admin *admin, const struct sense_conf *conf)
{
	char embedded[PATH_MAX + 64];
	const char *url = sense_conf_text(conf, SENSE_SERVER_KEY_DATABASE_URL);
	*admin = (struct sense_admin){.conf = conf};
	snprintf(embedded, sizeof embedded, "host='%s/run' user=sense dbname=sense",
	         sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR));
	const char *const names[] = {"connect_timeout", "application_name", "dbname", NULL};
	const char *const values[] = {"10", "sense-server", *url ? url : embedded, NULL};
	admin->conn = PQconnectdbParams(names, values, 1);
	if (PQstatus(admin->conn) == CONNECTION_OK)
		return true;
	sense_admin_fail(
	    "the database cannot be reached: %s. %s", one_line(PQerrorMessage(admin->conn)),
	    *url ? "It is the one that database.url names"
		 : "None is configured (database.url), so it is the server's own, which is there while the "
		   "server runs");
	return false;
}

void sense_admin_close(struct sense_admin *admin)
{
	PQclear(admin->result);
	PQfinish(admin->conn);
	*admin = (struct sense_admin){0};
}

bool sense_admin_ask(struct sense_admin *admin, const char *sql, const char *const *values, int count)
{
	PQclear(admin->result);
	admin->result = PQexecParams(admin->conn, sql, count, NULL, values, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(admin->result);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return true;
	const char *state = PQresultErrorField(admin->result, PG_DIAG_SQLSTATE);
	if (state && (!strcmp(state, "42P01") || !strcmp(state, "3F000")))
		sense_admin_fail(
		    "the database holds no tables of sense-server yet: start the server once, "
		    "which makes them");
	else
		sense_admin_fail("the database refuses: %s", one_line(PQerrorMessage(admin->conn)));
	return false;
}

int sense_admin_rows(const struct sense_admin *admin)
{
	return PQntuples(admin->result);
}

const char *sense_admin_value(const struct sense_admin *admin, int column)
{
	return PQntuples(admin->result) ? PQgetvalue(admin->result, 0, column) : "";
}

char *sense_admin_bytea(const uint8_t *bytes, size_t len)
{
	char *text = malloc(2 * len + sizeof "\\x");
	if (!text)
		return NULL;
	memcpy(text, "\\x", 2);
	sense_hex_text(bytes, len, text + 2);
	return text;
}

bool sense_admin_org(struct sense_admin *admin, const char *name, char out[SENSE_UUID_TEXT])
{
	if (!sense_admin_ask(admin, "SELECT id FROM sense.organizations WHERE name = $1", &name, 1))
		return false;
	if (!sense_admin_rows(admin)) {
		sense_admin_fail("there is no organization '%s': see 'sense-server org list'", name);
		return false;
	}
	snprintf(out, SENSE_UUID_TEXT, "%s", sense_admin_value(admin, 0));
	return true;
}

/* ---- rows --------------------------------------------------------------------------------------------- */

static const char *cell(const void *self, unsigned row, unsigned column, char *scratch)
{
	const struct sense_admin *admin = self;
	sense_text_clean(PQgetvalue(admin->result, (int)row, (int)column), scratch, SENSE_GRID_CELL_MAX);
	return scratch;
}

static const char *no_color(const void *self, unsigned row, unsigned column)
{
	(void)self;
	(void)row;
	(void)column;
	return "";
}

static void table_put(const struct sense_admin *admin, struct sense_buf *out)
{
	struct sense_grid_column columns[SENSE_ADMIN_COLUMNS_MAX];
	char titles[SENSE_ADMIN_COLUMNS_MAX][32];
	unsigned count = (unsigned)PQnfields(admin->result);
	if (count > SENSE_ADMIN_COLUMNS_MAX)
		count = SENSE_ADMIN_COLUMNS_MAX;
	for (unsigned i = 0; i < count; i++) {
		Oid type = PQftype(admin->result, (int)i);
		snprintf(titles[i], sizeof titles[i], "%s", PQfname(admin->result, (int)i));
		for (char *c = titles[i]; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		columns[i] = (struct sense_grid_column){.title = titles[i],
		                                        .right = type == TYPE_INT4 || type == TYPE_INT8};
		/* Names may be cut; what is to be copied from here may not. */
		if (!strcmp(titles[i], "host") || !strcmp(titles[i], "note") ||
		    !strcmp(titles[i], "organization"))
			columns[i].least = 8;
	}
	struct sense_grid grid = {columns, count, (unsigned)PQntuples(admin->result), admin, cell, no_color};
	sense_grid_print(&grid, &(struct sense_table_style){.width = sense_terminal_width()}, out);
}

static void json_put(const struct sense_admin *admin, struct sense_buf *out)
{
	for (int r = 0; r < PQntuples(admin->result); r++) {
		struct sense_json json = {.out = out};
		sense_json_open(&json, '{');
		for (int i = 0; i < PQnfields(admin->result); i++) {
			const char *name = PQfname(admin->result, i),
				   *value = PQgetvalue(admin->result, r, i);
			Oid type = PQftype(admin->result, i);
			if (PQgetisnull(admin->result, r, i))
				sense_json_member(&json, name, NULL);
			else if (type == TYPE_BOOL)
				sense_json_member_bool(&json, name, *value == 't');
			else if (type == TYPE_INT4 || type == TYPE_INT8)
				sense_json_member_uint(&json, name, strtoull(value, NULL, 10));
			else
				sense_json_member(&json, name, value);
		}
		sense_json_close(&json, '}');
		sense_buf_addc(out, '\n');
	}
}

int sense_admin_print(const struct sense_admin *admin, bool json)
{
	struct sense_output output = {.subsystem = "cli"};
	if (json)
		json_put(admin, &output.buf);
	else
		table_put(admin, &output.buf);
	sense_output_flush(&output);
	sense_buf_fini(&output.buf);
	return output.failed ? SENSE_SERVER_FAILED : SENSE_SERVER_OK;
}
