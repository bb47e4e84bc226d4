/*
 * `sense-agent run`: the agent as a service. Captures live, looks at this host, keeps what it finds in the
 * spool, and answers at the control socket, until it is told to stop.
 */
#ifndef SENSE_CLI_RUN_H
#define SENSE_CLI_RUN_H

#include "core/cli/cli.h"
#include "core/conf/agent.h"
#include "core/proc/supervisor.h"

struct sense_run {
	const struct sense_conf *conf;
	const struct sense_cli *cli;
	const char *plugins_dir, *catalogue_dir;
	/* Filled in but for sources, host and sink. */
	struct sense_job job;
};

int sense_run_run(const struct sense_run *run);

#endif
