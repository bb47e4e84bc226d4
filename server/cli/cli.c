#include "server/cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/version.h"

#define COMMANDS_MAX 32u
#define OPTION_COLUMNS 22

enum { OPTION_CONFIG = 256, OPTION_SET, OPTION_HELP, OPTION_OWN };

__attribute__((format(printf, 2, 3))) static int usage(const char *command, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("sense-server: ", stderr);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry 'sense-server %s%s--help'.\n", command ? command : "", command ? " " : "");
	return SENSE_SERVER_USAGE;
}

/* ---- help ------------------------------------------------------------------------------------------- */

static void help(FILE *out, const struct sense_server_command *const *commands)
{
	fputs("Usage: sense-server COMMAND [options]\n\nManagement server of SENSE agents.\n\nCommands:\n",
	      out);
	for (; *commands; commands++)
		fprintf(out, "  %-12s %s\n", (*commands)->name, (*commands)->doc);
	fputs(
	    "\n"
	    "'sense-server COMMAND --help' tells the options of one; 'sense-server --version' the "
	    "version.\n",
	    out);
}

static void option_help(FILE *out, const struct sense_server_option *option, const char *letter)
{
	char left[64];
	snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name, option->argument ? " " : "",
	         option->argument ? option->argument : "");
	fprintf(out, "  %-*s %s\n", OPTION_COLUMNS, left, option->doc);
}

static void command_help(FILE *out, const struct sense_server_command *command)
{
	fprintf(out, "Usage: sense-server %s [options]%s%s\n\n%s\n", command->name,
	        command->operands ? " " : "", command->operands ? command->operands : "", command->doc);
	if (command->more)
		fprintf(out, "\n%s\n", command->more);
	fputs("\nOptions:\n", out);
	for (const struct sense_server_option *option = command->options; option && option->name; option++)
		option_help(out, option, "");
	option_help(out, &(struct sense_server_option){"config", "FILE", "read this configuration file"},
	            "-c, ");
	option_help(
	    out,
	    &(struct sense_server_option){"set", "KEY=VALUE", "set one configuration key; may be repeated"},
	    "");
	option_help(out, &(struct sense_server_option){"help", NULL, "this text"}, "-h, ");
}

/* ---- what was given --------------------------------------------------------------------------------- */

static int command_unknown(const char *name, const struct sense_server_command *const *commands)
{
	const char *names[COMMANDS_MAX + 1] = {NULL};
	for (unsigned i = 0; i < COMMANDS_MAX && commands[i]; i++)
		names[i] = commands[i]->name;
	const char *near = strlen(name) <= 64 ? sense_nearest(name, names) : NULL;
	if (near)
		return usage(NULL, "unknown command '%s'; did you mean '%s'?", name, near);
	return usage(NULL, "unknown command '%.64s'", name);
}

static int option_refuse(const struct sense_server_command *command, int what, const char *argument)
{
	const char *names[SENSE_SERVER_OPTIONS_MAX + 4] = {"config", "set", "help"};
	char word[64];
	unsigned count = 3;
	if (what == ':')
		return usage(command->name, "'%s' takes an argument", argument);
	if (optopt && optopt < OPTION_CONFIG)
		return usage(command->name, "unknown option '-%c'", optopt);
	if (optopt)
		return usage(command->name, "'%s': this option takes no argument", argument);
	for (const struct sense_server_option *o = command->options; o && o->name; o++)
		names[count++] = o->name;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	const char *near = sense_nearest(word, names);
	if (near)
		return usage(command->name, "unknown option '--%s'; did you mean '--%s'?", word, near);
	return usage(command->name, "unknown option '--%s'", word);
}

static int set_take(struct sense_server_cli *cli, const char *set)
{
	if (!strchr(set, '='))
		return usage(cli->command->name, "--set %s: is not KEY=VALUE", set);
	if (cli->settings.set_count == sizeof cli->sets / sizeof *cli->sets)
		return usage(cli->command->name, "more than %zu times --set",
		             sizeof cli->sets / sizeof *cli->sets);
	cli->sets[cli->settings.set_count++] = set;
	return -1;
}

static int own_take(struct sense_server_cli *cli, unsigned option)
{
	if (cli->given_count == sizeof cli->given / sizeof *cli->given)
		return usage(cli->command->name, "more than %u options", cli->given_count);
	cli->values[option] = optarg ? optarg : "";
	cli->given[cli->given_count].option = option;
	cli->given[cli->given_count++].value = cli->values[option];
	return -1;
}

static int option_take(struct sense_server_cli *cli, int what, const char *argument)
{
	switch (what) {
	case 'c':
	case OPTION_CONFIG:
		cli->settings.file = optarg;
		return -1;
	case OPTION_SET:
		return set_take(cli, optarg);
	case 'h':
	case OPTION_HELP:
		command_help(stdout, cli->command);
		return SENSE_SERVER_OK;
	case '?':
	case ':':
		return option_refuse(cli->command, what, argument);
	default:
		return own_take(cli, (unsigned)(what - OPTION_OWN));
	}
}

static int operands_take(struct sense_server_cli *cli, int argc, char **argv)
{
	const struct sense_server_command *command = cli->command;
	cli->operands = (const char *const *)argv;
	cli->operand_count = (unsigned)argc;
	if (cli->operand_count < command->operands_min)
		return usage(command->name, "%s takes %s", command->name, command->operands);
	if (cli->operand_count > command->operands_max)
		return usage(command->name, "'%s' is one argument too many", argv[command->operands_max]);
	return -1;
}

/* -1: run it; otherwise the exit code. argv begins with the command's name. */
static int parse(struct sense_server_cli *cli, int argc, char **argv)
{
	struct option longs[SENSE_SERVER_OPTIONS_MAX + 4] = {
	    {"config", required_argument, NULL, OPTION_CONFIG},
	    {"set", required_argument, NULL, OPTION_SET},
	    {"help", no_argument, NULL, OPTION_HELP}};
	const struct sense_server_option *own = cli->command->options;
	for (int i = 0; own && own[i].name && i < (int)SENSE_SERVER_OPTIONS_MAX; i++)
		longs[3 + i] = (struct option){own[i].name, own[i].argument ? required_argument : no_argument,
		                               NULL, OPTION_OWN + i};
	cli->settings.sets = cli->sets;
	opterr = 0;
	optind = 1;
	for (;;) {
		int at = optind, what = getopt_long(argc, argv, ":c:h", longs, NULL);
		if (what < 0)
			break;
		int code = option_take(cli, what, argv[at < argc ? at : argc - 1]);
		if (code >= 0)
			return code;
	}
	return operands_take(cli, argc - optind, argv + optind);
}

const char *sense_server_option(const struct sense_server_cli *cli, const char *name)
{
	const struct sense_server_option *own = cli->command->options;
	for (unsigned i = 0; own && own[i].name && i < SENSE_SERVER_OPTIONS_MAX; i++)
		if (!strcmp(own[i].name, name))
			return cli->values[i];
	return NULL;
}

const char *sense_server_option_next(const struct sense_server_cli *cli, const char *name, unsigned *at)
{
	while (*at < cli->given_count) {
		unsigned i = (*at)++;
		if (!strcmp(cli->command->options[cli->given[i].option].name, name))
			return cli->given[i].value;
	}
	return NULL;
}

/* ---- running it ------------------------------------------------------------------------------------- */

static int with_conf(const struct sense_server_cli *cli)
{
	sense_error err;
	static struct sense_conf conf;
	static struct sense_report report;
	sense_report_init(&report);
	int code = SENSE_SERVER_FAILED;
	if (sense_conf_load(&conf, &sense_server_conf, &cli->settings, &report, &err)) {
		sense_report_print(&report, stderr);
		if (!report.count)
			fprintf(stderr, "sense-server: %s\n", err.message);
		goto out;
	}
	sense_log_setup((enum sense_log_level)sense_conf_number(&conf, SENSE_SERVER_KEY_LOG_LEVEL),
	                (enum sense_log_format)sense_conf_number(&conf, SENSE_SERVER_KEY_LOG_FORMAT));
	code = cli->command->run(cli, &conf);
out:
	sense_conf_fini(&conf);
	sense_report_fini(&report);
	return code;
}

int sense_server_main(int argc, char **argv, const struct sense_server_command *const *commands)
{
	struct sense_server_cli cli = {.command = NULL};
	const char *name = argc > 1 ? argv[1] : "";
	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		help(stdout, commands);
		return SENSE_SERVER_OK;
	}
	if (!strcmp(name, "--version")) {
		printf("sense-server %s\n", sense_version());
		return SENSE_SERVER_OK;
	}
	if (!*name)
		return usage(NULL, "no command given");
	for (unsigned i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			cli.command = commands[i];
	if (!cli.command)
		return command_unknown(name, commands);
	int code = parse(&cli, argc - 1, argv + 1);
	if (code >= 0)
		return code;
	const char *without = cli.command->without_conf;
	return without && sense_server_option(&cli, without) ? cli.command->run(&cli, NULL) : with_conf(&cli);
}
