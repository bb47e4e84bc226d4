/*
 * `sense-agent replay`: opens the captures, supervises the worker that reads them, and prints what
 * it finds: a table, JSON Lines of findings, or JSON Lines of flows.
 */
#ifndef SENSE_CLI_REPLAY_H
#define SENSE_CLI_REPLAY_H

#include "core/cli/cli.h"
#include "core/conf/conf.h"
#include "core/proc/supervisor.h"

struct sense_replay {
	const struct sense_cli *cli;
	const struct sense_conf *conf;
	struct sense_job job; /* but for its sources and its sink */
};

/* Exit code: 0, 1 when something failed, 130 or 143 after SIGINT or SIGTERM. */
int sense_replay_run(const struct sense_replay *replay);

#endif
