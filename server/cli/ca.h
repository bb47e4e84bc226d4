/*
 * `sense-server ca`: makes the CA of a fleet, shows it, and makes the server's certificate anew.
 */
#ifndef SENSE_SERVER_CLI_CA_H
#define SENSE_SERVER_CLI_CA_H

#include "server/cli/cli.h"

extern const struct sense_server_command sense_command_ca;

#endif
