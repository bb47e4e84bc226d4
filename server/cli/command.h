/* `sense-server command`: what agents can be told to do, from a fixed list; and `sense-server group`. */
#ifndef SENSE_SERVER_CLI_COMMAND_H
#define SENSE_SERVER_CLI_COMMAND_H

#include "server/cli/cli.h"

extern const struct sense_server_command sense_command_command;
extern const struct sense_server_command sense_command_group; /* group.c */

#endif
