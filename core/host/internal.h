/*
 * What the files of the sensor process share; nothing outside core/host includes this.
 */
#ifndef SENSE_HOST_INTERNAL_H
#define SENSE_HOST_INTERNAL_H

#include "core/catalogue/programs.h"
#include "core/host/outbox.h"
#include "core/host/roster.h"
#include "core/host/sensors.h"

/* The one of this process: plugins call functions that have no place for it. */
struct sense_telling {
	const struct sense_sensors_config *config;
	sense_programs *programs; /* NULL: no tool is recognised */
	sense_roster *roster;
	struct sense_outbox outbox;
	struct sense_host_message message; /* in hand */
	uint64_t mistakes; /* of plugins: told once */
	uint64_t attributed; /* endpoints */
};
extern struct sense_telling sense_telling;

/* The functions that sensors get. */
const struct sense_host *sense_telling_host(void);
/* Something cannot be seen; why may be NULL. */
void sense_telling_gap(const char *what, const char *where, const char *why, double count);

/* ---- process.c: processes as messages ---- */

/* Fields of a process; `brief`: no more than a record on the board takes. */
void sense_process_put(struct sense_host_message *message, const struct sense_roster_process *process, bool brief);
/* What the catalogue makes of one. Texts of `out` point into the catalogue and into `room`. */
struct sense_process_room {
	char command[1025], markers[129];
};
void sense_process_recognise(const sense_programs *programs, const struct sense_process *process,
                             struct sense_roster_process *out, struct sense_process_room *room);

#endif
