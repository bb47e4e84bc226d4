/*
 * The commands of sense-server that belong to no other part.
 */
#ifndef SENSE_SERVER_CLI_COMMANDS_H
#define SENSE_SERVER_CLI_COMMANDS_H

#include "server/cli/cli.h"

extern const struct sense_server_command sense_command_run;    /* run.c */
extern const struct sense_server_command sense_command_config; /* config.c */

#endif
