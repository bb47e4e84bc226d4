/*
 * `sense-agent enroll`: makes this agent one of a fleet (core/link/enrol.h), and tells what came of it.
 */
#ifndef SENSE_CLI_ENROLL_H
#define SENSE_CLI_ENROLL_H

#include "core/cli/cli.h"
#include "core/conf/agent.h"

/* Gives the exit code. */
int sense_enroll_run(const struct sense_cli *cli, const struct sense_conf *conf, const char *plugins_dir);

#endif
