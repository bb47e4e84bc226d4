/*
 * `sense-server token`: enrolment tokens are made, listed and revoked.
 */
#ifndef SENSE_SERVER_CLI_TOKEN_H
#define SENSE_SERVER_CLI_TOKEN_H

#include "server/cli/cli.h"

extern const struct sense_server_command sense_command_token;

#endif
