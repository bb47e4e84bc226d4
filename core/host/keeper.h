/*
 * The supervisor's hold on the sensor process: starts it, starts it again when it dies or hangs, and tells
 * workers of gaps that only the supervisor sees.
 *
 * The socket to the worker and the board are made once and outlive both ends. While no sensor process runs
 * nothing of this host is seen: that is a gap, and told.
 */
#ifndef SENSE_HOST_KEEPER_H
#define SENSE_HOST_KEEPER_H

#include <sys/types.h>

#include "core/host/sensors.h"

struct ev_loop;
typedef struct sense_keeper sense_keeper;

/* What a worker gets of it. */
struct sense_host_link {
	int fd;                    /* events of this host, core/host/message.h, a message each; non-blocking */
	struct sense_board *board;
};

/* config: `board`, `out` and `life` are filled in here; the rest is borrowed and must outlive the keeper. */
sense_keeper *sense_keeper_new(const struct sense_sensors_config *config, sense_error *err);
void sense_keeper_free(sense_keeper *keeper); /* NULL is fine; ends the process */
const struct sense_host_link *sense_keeper_link(const sense_keeper *keeper);

/* Starts the process. Afterwards sense_keeper_look has to be called now and then. */
enum sense_status sense_keeper_start(sense_keeper *keeper, sense_error *err);
/* elapsed_ms: since the last call. */
void sense_keeper_look(sense_keeper *keeper, unsigned elapsed_ms);
void sense_keeper_gap(sense_keeper *keeper, const char *what, const char *where, const char *why, double count);
/* All sweeps are due now, whenever they would have been. False: there is no process to be told. */
bool sense_keeper_sweep(sense_keeper *keeper);
unsigned sense_keeper_restarts(const sense_keeper *keeper);
pid_t sense_keeper_pid(const sense_keeper *keeper); /* 0: none at this moment */

#endif
