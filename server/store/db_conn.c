/* One connection of the pool, in pipeline mode: what was sent, in order, and the results that come back. */
#include <stdio.h>
#include <string.h>

#include "server/store/db_internal.h"

/*
 * Everything up to a sync is one transaction (PostgreSQL, "Pipelining"), so what is set locally holds for the statement
 * behind it and for nothing else, without a BEGIN and a COMMIT.
 */
static const char scope_name[] = "sense_scope";
static const char scope_sql[] =
    "SELECT set_config('role', 'sense_api', true), set_config('sense.org', $1::text, true)";

static bool is_prepared(const struct sense_db_conn *conn, unsigned number)
{
	return conn->prepared[number / 64] >> (number % 64) & 1;
}

static void set_prepared(struct sense_db_conn *conn, unsigned number, bool is)
{
	uint64_t bit = UINT64_C(1) << (number % 64);
	conn->prepared[number / 64] =
	    is ? conn->prepared[number / 64] | bit : conn->prepared[number / 64] & ~bit;
}

bool sense_db_conn_send(struct sense_db_conn *conn, struct sense_db_ask *ask)
{
	PGconn *pg = conn->link.conn;
	const char *org = ask->org;

	ask->prepares = !is_prepared(conn, ask->number);
	ask->results_left = 1 + ask->prepares + ask->has_org;
	bool sent = !ask->has_org || PQsendQueryPrepared(pg, scope_name, 1, &org, NULL, NULL, 0);
	sent = sent && (!ask->prepares || PQsendPrepare(pg, ask->name, ask->sql, 0, NULL));
	sent =
	    sent &&
	    PQsendQueryPrepared(pg, ask->name, (int)ask->count, ask->values, ask->lengths, ask->formats, 0) &&
	    PQpipelineSync(pg);
	if (!sent) {
		sense_link_break(&conn->link, PQerrorMessage(pg));
		return false;
	}
	set_prepared(conn, ask->number, true);
	sense_db_push(&conn->under_way, ask);
	return true;
}

/* The first that fails is what is answered; the rest of the pipeline is skipped by the server. */
static void take(struct sense_db_conn *conn, struct sense_db_ask *ask, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	bool is_last = --ask->results_left == 0;
	bool failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
	bool is_prepare = ask->prepares && ask->results_left == 1;

	if ((failed && is_prepare) ||
	    (failed && is_last && status == PGRES_PIPELINE_ABORTED && ask->prepares))
		set_prepared(conn, ask->number, false);
	if (ask->has_result || (!failed && !is_last)) {
		PQclear(result);
		return;
	}
	ask->has_result = true;
	ask->result = result;
	const char *code = failed ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	snprintf(ask->sqlstate, sizeof(ask->sqlstate), "%s", failed ? code ? code : "XX000" : "");
	/* "Prepared statement does not exist": whoever stands between has given us another session. */
	if (failed && !strcmp(ask->sqlstate, "26000"))
		set_prepared(conn, ask->number, false);
}

/* The whole of a statement is there, and its transaction has ended. */
static void conclude(struct sense_db_conn *conn)
{
	struct sense_db_ask *ask = sense_db_pop(&conn->under_way);

	if (!ask)
		return;
	if (!ask->has_result)
		sense_db_answer(conn->db, ask, SENSE_DB_AWAY, "the database sent no result");
	else if (!ask->sqlstate[0])
		sense_db_answer(conn->db, ask, SENSE_DB_DONE, NULL);
	else if (!strcmp(ask->sqlstate, "57014")) /* statement_timeout, which is ours */
		sense_db_answer(conn->db, ask, SENSE_DB_TIMEOUT, "the statement took too long");
	else if (!strncmp(ask->sqlstate, "57P", 3))
		sense_db_answer(conn->db, ask, SENSE_DB_AWAY, "the database is stopping");
	else
		sense_db_answer(conn->db, ask, SENSE_DB_REFUSED,
		                PQresultErrorField(ask->result, PG_DIAG_MESSAGE_PRIMARY));
}

static void on_ready(void *self)
{
	struct sense_db_conn *conn = self;
	PGconn *pg = conn->link.conn;
	unsigned nulls = 0;

	/* NULL ends a statement's results, and says twice that there are none. */
	while (!PQisBusy(pg) && nulls < 2) {
		PGresult *result = PQgetResult(pg);
		if (!result) {
			nulls++;
			continue;
		}
		nulls = 0;
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			if (!conn->set_up)
				conn->set_up = true;
			else
				conclude(conn);
		} else if (conn->set_up && conn->under_way.first && conn->under_way.first->results_left > 0) {
			take(conn, conn->under_way.first, result);
		} else {
			PQclear(result);
		}
	}
}

/* Its own settings go first, in a pipeline of their own; statements need not wait for the answer. */
static void on_up(void *self)
{
	struct sense_db_conn *conn = self;
	PGconn *pg = conn->link.conn;
	char limit[96];

	memset(conn->prepared, 0, sizeof(conn->prepared));
	conn->set_up = false;
	snprintf(limit, sizeof(limit), "SET statement_timeout = %.0f", conn->db->timeout * 1000);
	if (!PQenterPipelineMode(pg) || !PQsendQueryParams(pg, limit, 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQsendPrepare(pg, scope_name, scope_sql, 0, NULL) || !PQpipelineSync(pg))
		sense_link_break(&conn->link, PQerrorMessage(pg));
	conn->db->stats.connected++;
}

static void on_down(void *self, const char *why)
{
	struct sense_db_conn *conn = self;
	struct sense_db_queue lost = conn->under_way;
	struct sense_db_ask *ask;

	/* A callback may ask again, which must not land among what is being answered. */
	conn->under_way = (struct sense_db_queue){0};
	conn->db->stats.connected--;
	while ((ask = sense_db_pop(&lost))) {
		PQclear(ask->result);
		ask->result = NULL;
		sense_db_answer(conn->db, ask, SENSE_DB_AWAY, why);
	}
}

void sense_db_conn_init(struct sense_db_conn *conn, sense_db *db)
{
	conn->db = db;
	sense_link_init(&conn->link, db->loop, db->conninfo, "sense-server",
	                &(struct sense_link_owner){on_up, on_ready, on_down, conn});
}

void sense_db_conn_fini(struct sense_db_conn *conn)
{
	sense_link_fini(&conn->link);
	struct sense_db_ask *ask;
	while ((ask = sense_db_pop(&conn->under_way)))
		sense_db_answer(conn->db, ask, SENSE_DB_AWAY, "the server is stopping");
}
