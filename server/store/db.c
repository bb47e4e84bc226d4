#include "server/store/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/hex.h"
#include "server/store/db_internal.h"

#define CLOCK_S 0.1

void sense_db_push(struct sense_db_queue *queue, struct sense_db_ask *ask)
{
	ask->next = NULL;
	if (!queue->first)
		queue->last = &queue->first;
	*queue->last = ask;
	queue->last = &ask->next;
	queue->count++;
}

struct sense_db_ask *sense_db_pop(struct sense_db_queue *queue)
{
	struct sense_db_ask *ask = queue->first;
	if (ask) {
		queue->first = ask->next;
		queue->count--;
	}
	return ask;
}

static void count(sense_db *db, enum sense_db_outcome outcome)
{
	db->stats.refused += outcome == SENSE_DB_REFUSED;
	db->stats.away += outcome == SENSE_DB_AWAY;
	db->stats.timeouts += outcome == SENSE_DB_TIMEOUT;
}

/* What was answered already (it timed out) has no `done` any more. */
static void tell(sense_db *db, struct sense_db_ask *ask, enum sense_db_outcome outcome, const char *message)
{
	struct sense_db_result result = {.outcome = outcome, .message = message ? message : ""};
	sense_db_done *done = ask->done;

	if (!done)
		return;
	ask->done = NULL;
	count(db, outcome);
	snprintf(result.sqlstate, sizeof(result.sqlstate), "%s",
	         outcome == SENSE_DB_REFUSED ? ask->sqlstate : "");
	if (outcome == SENSE_DB_DONE) {
		result.rows = (unsigned)PQntuples(ask->result);
		result.columns = (unsigned)PQnfields(ask->result);
		result.impl = ask->result;
	}
	done(ask->self, &result);
}

void sense_db_answer(sense_db *db, struct sense_db_ask *ask, enum sense_db_outcome outcome,
                     const char *message)
{
	tell(db, ask, outcome, message);
	PQclear(ask->result);
	free(ask);
}

/* ---- what waits ---------------------------------------------------------------------------------------- */

/* The connection with the least under way, so that a slow statement holds up as few as can be. */
static struct sense_db_conn *least_busy(sense_db *db)
{
	struct sense_db_conn *best = NULL;

	for (unsigned i = 0; i < db->conn_count; i++) {
		struct sense_db_conn *conn = &db->conns[i];
		if (conn->link.up && !conn->link.broken && conn->under_way.count < SENSE_DB_DEPTH_MAX &&
		    (!best || conn->under_way.count < best->under_way.count))
			best = conn;
	}
	return best;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	sense_db *db = watcher->data;
	struct sense_db_conn *conn;

	(void)loop, (void)events;
	if (!db->waiting.first)
		return;
	while (db->waiting.first && (conn = least_busy(db))) {
		struct sense_db_ask *ask = db->waiting.first;
		sense_db_pop(&db->waiting);
		if (sense_db_conn_send(conn, ask))
			continue;
		/* It was never sent, so it goes to the next one, in its turn. */
		ask->next = db->waiting.first;
		db->waiting.first = ask;
		if (!ask->next)
			db->waiting.last = &ask->next;
		db->waiting.count++;
	}
	for (unsigned i = 0; i < db->conn_count; i++)
		if (db->conns[i].under_way.count)
			sense_link_flush(&db->conns[i].link);
}

static void expire_waiting(sense_db *db, double now)
{
	struct sense_db_ask *ask;

	/* All have the same patience, so the first in the queue is the first to lose it. */
	while (db->waiting.first && db->waiting.first->deadline <= now) {
		ask = sense_db_pop(&db->waiting);
		sense_db_answer(db, ask, sense_db_is_up(db) ? SENSE_DB_TIMEOUT : SENSE_DB_AWAY,
		                sense_db_is_up(db) ? "all connections are busy"
		                                   : "the database cannot be reached");
	}
}

static void expire_conn(struct sense_db_conn *conn, double now)
{
	struct sense_db_ask *first = conn->under_way.first;

	if (first && first->deadline + SENSE_DB_GRACE_S <= now)
		sense_link_break(&conn->link, "it does not answer any more");
	for (struct sense_db_ask *ask = first, *next; ask && ask->deadline <= now; ask = next) {
		next = ask->next;
		tell(conn->db, ask, SENSE_DB_TIMEOUT, "the statement took too long");
	}
}

static void on_clock(struct ev_loop *loop, ev_timer *timer, int events)
{
	sense_db *db = timer->data;
	double now = ev_now(loop);

	(void)events;
	if (db->timeout <= 0)
		return;
	for (unsigned i = 0; i < db->conn_count; i++)
		expire_conn(&db->conns[i], now);
	expire_waiting(db, now);
}

/* ---- asking ------------------------------------------------------------------------------------------------ */

/* Each name has a number, by which connections remember what they have prepared. */
static bool number_of(sense_db *db, const char *name, unsigned *number)
{
	for (*number = 0; *number < db->name_count; ++*number)
		if (db->names[*number] == name || !strcmp(db->names[*number], name))
			return true;
	if (db->name_count == SENSE_DB_NAMES_MAX)
		return false;
	db->names[db->name_count++] = name;
	return true;
}

static size_t size_of(const struct sense_db_param *param)
{
	return !param->value ? 0 : param->binary ? param->len : strlen(param->value) + 1;
}

bool sense_db_ask(sense_db *db, const char *org, const struct sense_db_statement *statement,
                  const struct sense_db_param *params, unsigned param_count, sense_db_done *done, void *self)
{
	size_t size = 0, at = 0;
	unsigned number;

	if (db->waiting.count >= SENSE_DB_WAITING_MAX || param_count > SENSE_DB_PARAMS_MAX ||
	    !number_of(db, statement->name, &number))
		return false;
	for (unsigned i = 0; i < param_count; i++)
		size += size_of(&params[i]);
	struct sense_db_ask *ask = malloc(sizeof(*ask) + size);
	if (!ask)
		return false;
	*ask = (struct sense_db_ask){.done = done,
	                             .self = self,
	                             .name = statement->name,
	                             .sql = statement->sql,
	                             .number = number,
	                             .count = param_count,
	                             .has_org = org != NULL,
	                             .deadline = db->timeout > 0 ? ev_now(db->loop) + db->timeout : 0};
	snprintf(ask->org, sizeof(ask->org), "%s", org ? org : "");
	for (unsigned i = 0; i < param_count; i++) {
		size_t len = size_of(&params[i]);
		if (!params[i].value)
			continue;
		ask->values[i] = memcpy(ask->data + at, params[i].value, len);
		ask->lengths[i] = (int)len;
		ask->formats[i] = params[i].binary;
		at += len;
	}
	db->stats.asked++;
	sense_db_push(&db->waiting, ask);
	return true;
}

sense_db *sense_db_new(struct ev_loop *loop, const struct sense_db_config *config, sense_error *err)
{
	unsigned connections = config->connections ? config->connections : 1;
	sense_db *db = calloc(1, sizeof(*db) + connections * sizeof(*db->conns));
	char *conninfo = strdup(config->conninfo);

	if (!db || !conninfo) {
		free(db);
		free(conninfo);
		sense_fail(err, SENSE_E_MEMORY, "store", "no memory for connections to the database");
		return NULL;
	}
	db->loop = loop;
	db->conninfo = conninfo;
	db->timeout = (double)config->timeout_us / 1e6;
	db->conn_count = connections;
	ev_timer_init(&db->clock, on_clock, CLOCK_S, CLOCK_S);
	ev_prepare_init(&db->sender, on_prepare);
	db->clock.data = db->sender.data = db;
	ev_timer_start(loop, &db->clock);
	ev_prepare_start(loop, &db->sender);
	for (unsigned i = 0; i < connections; i++)
		sense_db_conn_init(&db->conns[i], db);
	return db;
}

void sense_db_free(sense_db *db)
{
	struct sense_db_ask *ask;

	if (!db)
		return;
	ev_timer_stop(db->loop, &db->clock);
	ev_prepare_stop(db->loop, &db->sender);
	for (unsigned i = 0; i < db->conn_count; i++)
		sense_db_conn_fini(&db->conns[i]);
	while ((ask = sense_db_pop(&db->waiting)))
		sense_db_answer(db, ask, SENSE_DB_AWAY, "the server is stopping");
	sense_db_listen_fini(db);
	free(db->conninfo);
	free(db);
}

void sense_db_stats(const sense_db *db, struct sense_db_stats *out)
{
	*out = db->stats;
	out->waiting = db->waiting.count;
	for (unsigned i = 0; i < db->conn_count; i++)
		out->under_way += db->conns[i].under_way.count;
}

bool sense_db_is_up(const sense_db *db)
{
	return db->stats.connected > 0;
}

/* ---- values -------------------------------------------------------------------------------------------------- */

const char *sense_db_value(const struct sense_db_result *result, unsigned row, unsigned column)
{
	if (row >= result->rows || column >= result->columns ||
	    PQgetisnull(result->impl, (int)row, (int)column))
		return NULL;
	return PQgetvalue(result->impl, (int)row, (int)column);
}

size_t sense_db_len(const struct sense_db_result *result, unsigned row, unsigned column)
{
	return sense_db_value(result, row, column) ? (size_t)PQgetlength(result->impl, (int)row, (int)column)
	                                           : 0;
}

uint64_t sense_db_uint(const struct sense_db_result *result, unsigned row, unsigned column)
{
	const char *value = sense_db_value(result, row, column);
	return value ? strtoull(value, NULL, 10) : 0;
}

bool sense_db_bool(const struct sense_db_result *result, unsigned row, unsigned column)
{
	const char *value = sense_db_value(result, row, column);
	return value && *value == 't';
}

size_t sense_db_bytes(const struct sense_db_result *result, unsigned row, unsigned column, uint8_t *out,
                      size_t cap)
{
	const char *value = sense_db_value(result, row, column);
	size_t len = sense_db_len(result, row, column);

	if (!value || len < 2 || value[0] != '\\' || value[1] != 'x')
		return 0;
	size_t bytes = (len - 2) / 2;
	return sense_hex_bytes(value + 2, out, bytes < cap ? bytes : cap) ? bytes : 0;
}
