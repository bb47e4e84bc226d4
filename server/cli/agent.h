/*
 * `sense-server agent` and `sense-server org`: who is in the fleet, and who is not any more.
 */
#ifndef SENSE_SERVER_CLI_AGENT_H
#define SENSE_SERVER_CLI_AGENT_H

#include "server/cli/cli.h"

extern const struct sense_server_command sense_command_agent;
extern const struct sense_server_command sense_command_org;

#endif
