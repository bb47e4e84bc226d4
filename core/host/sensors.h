/*
 * The sensor process: loads sensor plugins, keeps the processes of this host, and tells what happens.
 *
 *   plugin -> sense_host (tell.c) -> roster -> message -> outbox -> worker
 *                                          \-> board   -> worker (which flow is whose), status
 *
 * It runs with what it takes to see the host and without the rest: no rules, no packets, no files written,
 * nothing sent anywhere but to the worker (and to programs on this host that are asked what they speak,
 * where host.probe allows it). Arguments and addresses lose what looks like a secret here, before anything
 * leaves the process.
 *
 * Slow work is paced: host.cpu percent of one core. What comes in at once (processes, sockets) is not.
 */
#ifndef SENSE_HOST_SENSORS_H
#define SENSE_HOST_SENSORS_H

#include "core/conf/agent.h"
#include "core/host/board.h"

#define SENSE_SENSORS_MAX 16u

struct sense_sensors_config {
	const struct sense_conf *conf;
	const char *plugins_dir, *catalogue_dir;
	const char *const *names; /* of the plugins */
	unsigned name_count;
	enum sense_sensor_mode mode;
	struct sense_board *board;
	int out;                 /* to the worker */
	int life;                /* a socket; a byte there asks for all sweeps now, its end for the process's */
};

/* The process's work, from the fork to its end. Returns its exit code. */
int sense_sensors_main(const struct sense_sensors_config *config);

#endif
