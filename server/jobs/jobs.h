/*
 * What is due now and then in the database, whoever does it: partitions made ahead and dropped, counts rolled up,
 * rollouts that go on, commands that expire. Each is one transaction under an advisory lock of its own
 * (PostgreSQL, 13.3.5): of any number of servers one does it, the others pass.
 */
#ifndef SENSE_SERVER_JOBS_JOBS_H
#define SENSE_SERVER_JOBS_JOBS_H

#include <ev.h>

#include "server/store/db.h"

typedef struct sense_jobs sense_jobs;

/* retention: days. Begins at once; `db` must stay until it is freed, and answers before that. */
sense_jobs *sense_jobs_new(struct ev_loop *loop, sense_db *db, unsigned retention, sense_error *err);
void sense_jobs_free(sense_jobs *jobs); /* after db */

#endif
