/*
 * One statement for the calls of many agents: those of one kind and one organization that reach a worker within a short
 * time are told the database together. One by one the transaction, and waking a process for it, cost several times
 * what the calls themselves do.
 *
 * When the database refuses some together each is told alone, so that none suffers for another's. Bounded in calls and
 * bytes. One thread.
 */
#ifndef SENSE_SERVER_FLEET_GATHER_H
#define SENSE_SERVER_FLEET_GATHER_H

#include <ev.h>

#include "core/base/buf.h"
#include "server/store/db.h"

struct sense_agents;
struct sense_agents_ask;
struct sense_gathered;

struct sense_gather_kind {
	/* $1: the organization; $2: an array of JSON, what each says. Of each row the first column is the place in that
	 * array, from 1. */
	struct sense_db_statement statement;
	double seconds; /* for which calls gather */
	/* Answers the call, and frees the ask. */
	void (*answer)(struct sense_agents_ask *ask, const struct sense_db_result *result, unsigned row);
	const char *none, *none_message; /* code and text of the error when there is no row for a call */
};

struct sense_gather {
	struct sense_agents *fleet;
	const struct sense_gather_kind *kind;
	struct sense_gathered *first; /* what gathers at present, one an organization */
	ev_timer over;
};

void sense_gather_init(struct sense_gather *gather, struct sense_agents *fleet,
                       const struct sense_gather_kind *kind);
void sense_gather_fini(struct sense_gather *gather); /* what still gathers is not answered */
/* Takes the ask, which is answered whatever happens. said: one JSON value, copied. */
void sense_gather_add(struct sense_gather *gather, struct sense_agents_ask *ask, struct sense_buf *said);

#endif
