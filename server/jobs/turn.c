#include "server/jobs/turn.h"

#include <stdlib.h>

#include "server/store/link.h"

enum { EVERY_S = 2 };

struct sense_turn {
	struct sense_turn_config config;
	struct sense_link link;
	ev_timer timer;
	bool ours, asked;
};

static void ask(sense_turn *turn)
{
	const char *params[] = {turn->config.name};
	if (turn->ours || turn->asked || !turn->link.up)
		return;
	turn->asked =
	    PQsendQueryParams(turn->link.conn, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", 1,
	                      NULL, params, NULL, NULL, 0);
	if (turn->asked)
		sense_link_flush(&turn->link);
	else
		sense_link_break(&turn->link, PQerrorMessage(turn->link.conn));
}

static void on_up(void *self)
{
	ask(self);
}

static void on_ready(void *self)
{
	sense_turn *turn = self;
	while (turn->link.conn && !PQisBusy(turn->link.conn)) {
		PGresult *result = PQgetResult(turn->link.conn);
		if (!result) {
			turn->asked = false;
			return;
		}
		bool taken = PQresultStatus(result) == PGRES_TUPLES_OK && *PQgetvalue(result, 0, 0) == 't';
		PQclear(result);
		if (taken && !turn->ours) {
			turn->ours = true;
			turn->config.gained(turn->config.self);
		}
	}
}

static void on_down(void *self, const char *why)
{
	sense_turn *turn = self;
	(void)why;
	turn->asked = false;
	if (turn->ours)
		turn->config.lost(turn->config.self);
	turn->ours = false;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	ask(timer->data);
}

sense_turn *sense_turn_new(struct ev_loop *loop, const struct sense_turn_config *config, sense_error *err)
{
	sense_turn *turn = calloc(1, sizeof *turn);
	if (!turn) {
		sense_fail(err, SENSE_E_MEMORY, "jobs", "no memory");
		return NULL;
	}
	const struct sense_link_owner owner = {.up = on_up, .ready = on_ready, .down = on_down, .self = turn};
	turn->config = *config;
	sense_link_init(&turn->link, loop, config->conninfo, config->name, &owner);
	ev_timer_init(&turn->timer, on_timer, EVERY_S, EVERY_S);
	turn->timer.data = turn;
	ev_timer_start(loop, &turn->timer);
	return turn;
}

void sense_turn_free(sense_turn *turn)
{
	if (!turn)
		return;
	if (turn->ours)
		turn->config.lost(turn->config.self);
	ev_timer_stop(turn->link.loop, &turn->timer);
	sense_link_fini(&turn->link);
	free(turn);
}
