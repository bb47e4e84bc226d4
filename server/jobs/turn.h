/*
 * Whose turn it is: among all servers of a database one holds a lock, on a connection of its own (session-level
 * advisory lock; PostgreSQL, 13.3.5). Who loses the connection loses the turn, and another one gets it.
 *
 * For work that is more than one transaction. What it has begun when the turn is lost may be begun by another at the
 * same moment: it must bear that.
 */
#ifndef SENSE_SERVER_JOBS_TURN_H
#define SENSE_SERVER_JOBS_TURN_H

#include <ev.h>

#include "core/base/status.h"

typedef struct sense_turn sense_turn;

struct sense_turn_config {
	const char *conninfo; /* borrowed */
	const char *name;     /* of the work: all that use the same take turns */
	void (*gained)(void *self);
	void (*lost)(void *self);
	void *self;
};

sense_turn *sense_turn_new(struct ev_loop *loop, const struct sense_turn_config *config, sense_error *err);
void sense_turn_free(sense_turn *turn); /* `lost` comes first, if it is its turn */

#endif
