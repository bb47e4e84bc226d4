/*
 * Commands and options of sense-agent: one description for the parser, the help and 'did you mean'.
 */
#ifndef SENSE_CLI_OPTIONS_H
#define SENSE_CLI_OPTIONS_H

#include <stdio.h>

#include "core/cli/cli.h"

enum sense_cli_option_id {
	SENSE_OPTION_POLICIES = 256, /* beyond the letters */
	SENSE_OPTION_NO_POLICIES,
	SENSE_OPTION_OBSERVED,
	SENSE_OPTION_JSON,
	SENSE_OPTION_FLOWS,
	SENSE_OPTION_STATS,
	SENSE_OPTION_RULES,
	SENSE_OPTION_NO_PROGRESS,
	SENSE_OPTION_COLOR,
	SENSE_OPTION_CONFIG,
	SENSE_OPTION_SET,
	SENSE_OPTION_NAME,
	SENSE_OPTION_FORMAT,
	SENSE_OPTION_COVERAGE,
	SENSE_OPTION_MUTATE,
	SENSE_OPTION_ON,
	SENSE_OPTION_RULE,
	SENSE_OPTION_HOST,
	SENSE_OPTION_FLOW,
	SENSE_OPTION_ALL,
	SENSE_OPTION_DIR,
	SENSE_OPTION_EVENT,
	SENSE_OPTION_REFERENCE,
	SENSE_OPTION_EXAMPLE,
	SENSE_OPTION_FOLLOW,
	SENSE_OPTION_ACK,
	SENSE_OPTION_INTERFACE,
	SENSE_OPTION_NO_CAPTURE,
	SENSE_OPTION_KEEP,
	SENSE_OPTION_SERVER,
	SENSE_OPTION_TOKEN,
	SENSE_OPTION_HELP
};

struct sense_cli_option {
	const char *name;
	char letter;          /* 0: none */
	const char *argument; /* NULL: takes none */
	const char *doc;
	unsigned commands; /* bits 1 << enum sense_cli_command */
	enum sense_cli_option_id id;
};

struct sense_cli_about {
	const char *name;
	const char *operands;
	const char *doc;      /* one line */
	const char *more;     /* a paragraph of the command's own help */
	const char *examples; /* lines */
	bool operands_needed;
	bool operands_taken;
};

extern const struct sense_cli_option sense_cli_options[]; /* ends with name NULL */
extern const struct sense_cli_about sense_cli_commands[]; /* by enum sense_cli_command */
#define SENSE_CLI_COMMAND_COUNT 15u

void sense_cli_help(FILE *out);
void sense_cli_help_command(FILE *out, enum sense_cli_command command);

#endif
