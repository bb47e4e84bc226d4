#include <stdio.h>

#include "server/cli/commands.h"

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	if (sense_server_option(cli, "example"))
		sense_conf_print_example(&sense_server_conf, stdout);
	else
		sense_conf_print(conf, stdout);
	return SENSE_SERVER_OK;
}

static const struct sense_server_option options[] = {
    {"example", NULL, "print a file to begin with, every setting with its default"},
    {NULL, NULL, NULL},
};

const struct sense_server_command sense_command_config = {
    .name = "config",
    .doc = "print the effective configuration and where each value is from",
    .options = options,
    .without_conf = "example",
    .run = run,
};
