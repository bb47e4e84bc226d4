/*
 * The commands of sense-server, each in the file of its name.
 */
#ifndef SENSE_SERVER_CLI_COMMANDS_H
#define SENSE_SERVER_CLI_COMMANDS_H

#include "server/cli/cli.h"

extern const struct sense_server_command sense_command_run;     /* serves */
extern const struct sense_server_command sense_command_ca;      /* makes and shows the CA */
extern const struct sense_server_command sense_command_org;     /* organizations */
extern const struct sense_server_command sense_command_token;   /* enrolment tokens */
extern const struct sense_server_command sense_command_agent;   /* who is in the fleet */
extern const struct sense_server_command sense_command_group;   /* of agents */
extern const struct sense_server_command sense_command_policy;  /* bundles of policies and their rollouts */
extern const struct sense_server_command sense_command_command; /* what agents can be told to do */
extern const struct sense_server_command sense_command_config;  /* prints the configuration */

#endif
