/*
 * sense-server: the composition root. Lists the commands, and what a server that runs is put together from.
 */
#include <errno.h>
#include <stdio.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/signals.h"
#include "server/cli/commands.h"
#include "server/serve/serve.h"

static const struct sense_server_command *const commands[] = {
    &sense_command_run,    &sense_command_ca,
    &sense_command_org,    &sense_command_token,
    &sense_command_agent,  &sense_command_group,
    &sense_command_policy, &sense_command_command,
    &sense_command_config, NULL,
};

int main(int argc, char **argv)
{
	sense_signals_begin();
	tzset();
	sense_hash_seed(); /* drawn once, before there are workers: all hash alike */
	sense_log_setup(SENSE_LOG_INFO, SENSE_LOG_AUTO);
	sense_server_assemble(&sense_serve_assembly);
	int code = sense_server_main(argc, argv, commands);
	if (fflush(stdout) && code == SENSE_SERVER_OK && errno != EPIPE)
		code = SENSE_SERVER_FAILED;
	return code;
}
