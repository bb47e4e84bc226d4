/*
 * The command line of sense-server: `sense-server COMMAND [options] [operands]`.
 *
 * A command is one struct, in a file of its own; server/main.c lists them. Usage errors, help and version are
 * dealt with here, and so is the configuration, which every command is given.
 */
#ifndef SENSE_SERVER_CLI_CLI_H
#define SENSE_SERVER_CLI_CLI_H

#include <stdbool.h>

#include "lua/conf_dir.h"
#include "server/conf.h"

/* Exit codes: stable, scripts rely on them. */
enum { SENSE_SERVER_OK = 0, SENSE_SERVER_FAILED = 1, SENSE_SERVER_USAGE = 2 };

#define SENSE_SERVER_OPTIONS_MAX 16u

struct sense_server_option {
	const char *name;     /* without the dashes */
	const char *argument; /* NULL: takes none */
	const char *doc;
};

/* What was given. Strings point into argv. */
struct sense_server_cli {
	const struct sense_server_command *command;
	struct sense_conf_given settings;
	const char
	    *values[SENSE_SERVER_OPTIONS_MAX]; /* of the command's options, in their order; "": takes none */
	struct {
		unsigned option; /* its place in the command's list */
		const char *value;
	} given[64]; /* each time that one was given, in order */
	unsigned given_count;
	const char *const *operands;
	unsigned operand_count;
	const char *sets[64];
};

struct sense_server_command {
	const char *name;
	const char *operands; /* "ID..."; NULL: takes none */
	unsigned operands_min, operands_max;
	const char *doc;                           /* one line */
	const char *more;                          /* a paragraph of the command's own help; may be NULL */
	const struct sense_server_option *options; /* ends with name NULL; NULL: none of its own */
	const char
	    *without_conf; /* with this option it runs whatever the configuration at hand is: conf is NULL */
	int (*run)(const struct sense_server_cli *cli, struct sense_conf *conf); /* the exit code */
};

/* The value of an option; NULL: it was not given. */
const char *sense_server_option(const struct sense_server_cli *cli, const char *name);
/* The values of an option that may be repeated, one after the other; *at begins at 0. NULL: there is no further one. */
const char *sense_server_option_next(const struct sense_server_cli *cli, const char *name, unsigned *at);
/* Runs the command that argv names. commands ends with NULL. The exit code. */
int sense_server_main(int argc, char **argv, const struct sense_server_command *const *commands);

#endif
