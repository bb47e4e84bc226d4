/*
 * `sense-agent scan` and `inventory`: one pass of the sensors over this host, through the rules, and what came
 * of it on one screen or as JSON (core/cli/scan.h).
 */
#ifndef SENSE_CLI_PASS_H
#define SENSE_CLI_PASS_H

#include "core/cli/run.h"

/* Exit code: 0, also when there are findings; 1 when something failed or could not be looked at at all. */
int sense_pass_run(const struct sense_run *run);

#endif
