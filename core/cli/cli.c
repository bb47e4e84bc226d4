#include "core/cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/status.h"
#include "core/cli/options.h"

#define OPTIONS_MAX 32

__attribute__((format(printf, 2, 3))) static int usage(const char *command, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("sense-agent: ", stderr);
	vfprintf(stderr, fmt, args);
	va_end(args);
	if (command)
		fprintf(stderr, "\nTry 'sense-agent %s --help'.\n", command);
	else
		fputs("\nTry 'sense-agent --help'.\n", stderr);
	return SENSE_EXIT_USAGE;
}

static int command_find(const char *name)
{
	for (unsigned i = 0; i < SENSE_CLI_COMMAND_COUNT; i++)
		if (!strcmp(name, sense_cli_commands[i].name))
			return (int)i;
	return -1;
}

static int command_unknown(const char *name)
{
	const char *names[SENSE_CLI_COMMAND_COUNT + 1] = {NULL};
	for (unsigned i = 0; i < SENSE_CLI_COMMAND_COUNT; i++)
		names[i] = sense_cli_commands[i].name;
	const char *near = sense_nearest(name, names);
	if (near)
		return usage(NULL, "unknown command '%s'; did you mean '%s'?", name, near);
	return usage(NULL, "unknown command '%s'", name);
}

/* The first command that has this option; NULL: none. */
static const char *command_with(const char *option)
{
	for (const struct sense_cli_option *o = sense_cli_options; o->name; o++)
		if (!strcmp(o->name, option))
			return sense_cli_commands[__builtin_ctz(o->commands)].name;
	return NULL;
}

/* What getopt did not take: a letter or its known option in optopt, else an unknown word. */
static int option_refuse(const struct sense_cli_about *about, unsigned command, const char *argument)
{
	const char *names[OPTIONS_MAX + 1] = {NULL};
	char word[64];
	unsigned count = 0;
	if (optopt >= SENSE_OPTION_POLICIES)
		return usage(about->name, "'%s': this option takes no argument", argument);
	if (optopt)
		return usage(about->name, "unknown option '-%c'", optopt);
	for (const struct sense_cli_option *o = sense_cli_options; o->name && count < OPTIONS_MAX; o++)
		if (o->commands & 1u << command)
			names[count++] = o->name;
	snprintf(word, sizeof word, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	const char *near = sense_nearest(word, names);
	if (near)
		return usage(about->name, "unknown option '--%s'; did you mean '--%s'?", word, near);
	const char *other = command_with(word);
	if (other)
		return usage(about->name, "unknown option '--%s' (%s has it, %s does not)", word, other, about->name);
	return usage(about->name, "unknown option '--%s'", word);
}

static int color_take(struct sense_cli *cli, const char *when)
{
	static const char *const words[] = {"auto", "always", "never", NULL};
	for (unsigned i = 0; words[i]; i++)
		if (!strcmp(when, words[i])) {
			cli->color = (enum sense_cli_color)i;
			return -1;
		}
	return usage(sense_cli_commands[cli->command].name, "--color takes auto, always or never, not '%s'", when);
}

static int set_take(struct sense_cli *cli, const char *command, const char *text)
{
	if (!strchr(text, '=') || *text == '=')
		return usage(command, "--set takes KEY=VALUE, not '%s'", text);
	cli->sets[cli->set_count++] = text;
	return -1;
}

static int format_take(struct sense_cli *cli, const char *word)
{
	static const char *const words[] = {"pretty", "tap", "junit", "json", NULL};
	for (unsigned i = 0; words[i]; i++)
		if (!strcmp(word, words[i])) {
			cli->format = (enum sense_cli_format)i;
			return -1;
		}
	return usage("test", "--format takes pretty, tap, junit or json, not '%s'", word);
}

static int flow_take(struct sense_cli *cli, const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || !number || number > 0xffffffffu)
		return usage("explain", "--flow takes the number of a flow, from 1, not '%s'", text);
	cli->flow = (unsigned)number;
	return -1;
}

/* Those of the rule tools and of findings. */
static int tool_option_take(struct sense_cli *cli, int id, const char *argument)
{
	switch (id) {
	case SENSE_OPTION_NAME:
		cli->name = argument;
		break;
	case SENSE_OPTION_FORMAT:
		return format_take(cli, argument);
	case SENSE_OPTION_COVERAGE:
		cli->coverage = true;
		break;
	case SENSE_OPTION_MUTATE:
		cli->mutate = true;
		break;
	case SENSE_OPTION_ON:
		cli->captures[cli->capture_count++] = argument;
		break;
	case SENSE_OPTION_RULE:
		cli->rule = argument;
		break;
	case SENSE_OPTION_HOST:
		cli->host = argument;
		break;
	case SENSE_OPTION_FLOW:
		return flow_take(cli, argument);
	case SENSE_OPTION_ALL:
		cli->all = true;
		break;
	case SENSE_OPTION_DIR:
		cli->dir = argument;
		break;
	case SENSE_OPTION_EVENT:
		cli->event = argument;
		break;
	case SENSE_OPTION_REFERENCE:
		cli->reference = true;
		break;
	case SENSE_OPTION_INTERFACE:
		cli->interfaces[cli->interface_count++] = argument;
		break;
	case SENSE_OPTION_NO_CAPTURE:
		cli->no_capture = true;
		break;
	case SENSE_OPTION_KEEP:
		cli->keep = true;
		break;
	case SENSE_OPTION_FOLLOW:
		cli->follow = true;
		break;
	case SENSE_OPTION_ACK:
		cli->ack = true;
		break;
	case SENSE_OPTION_SERVER:
		cli->server = argument;
		break;
	case SENSE_OPTION_TOKEN:
		cli->token = argument;
		break;
	}
	return -1;
}

/* -1: goes on. */
static int option_take(struct sense_cli *cli, int id, const char *argument)
{
	switch (id) {
	case SENSE_OPTION_POLICIES:
		cli->policies[cli->policy_count++] = argument;
		break;
	case SENSE_OPTION_NO_POLICIES:
		cli->no_policies = true;
		break;
	case SENSE_OPTION_OBSERVED:
		cli->observed = true;
		break;
	case SENSE_OPTION_JSON:
		cli->json = true;
		break;
	case SENSE_OPTION_FLOWS:
		cli->flows = true;
		break;
	case SENSE_OPTION_STATS:
		cli->stats = true;
		break;
	case SENSE_OPTION_RULES:
		cli->rules = true;
		break;
	case SENSE_OPTION_NO_PROGRESS:
		cli->no_progress = true;
		break;
	case SENSE_OPTION_COLOR:
		return color_take(cli, argument);
	case SENSE_OPTION_EXAMPLE:
		cli->example = true;
		break;
	case SENSE_OPTION_CONFIG:
		cli->config_file = argument;
		break;
	case SENSE_OPTION_SET:
		return set_take(cli, sense_cli_commands[cli->command].name, argument);
	case SENSE_OPTION_HELP:
		sense_cli_help_command(stdout, cli->command);
		return SENSE_EXIT_OK;
	default:
		return tool_option_take(cli, id, argument);
	}
	return -1;
}

/* getopt's tables for one command. */
struct grammar {
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 2];
};

static void grammar_make(struct grammar *grammar, unsigned command)
{
	unsigned count = 0;
	size_t letters = 0;
	*grammar = (struct grammar){0};
	grammar->shorts[letters++] = ':'; /* tell a missing argument from an unknown option */
	for (const struct sense_cli_option *o = sense_cli_options; o->name && count < OPTIONS_MAX; o++) {
		if (!(o->commands & 1u << command))
			continue;
		int argument = o->argument ? required_argument : no_argument;
		grammar->longs[count++] = (struct option){o->name, argument, NULL, (int)o->id};
		if (o->letter)
			grammar->shorts[letters++] = o->letter;
		if (o->letter && o->argument)
			grammar->shorts[letters++] = ':';
	}
}

static int letter_id(int found)
{
	for (const struct sense_cli_option *o = sense_cli_options; o->name; o++)
		if (o->letter && o->letter == found)
			return (int)o->id;
	return found;
}

static int operands_check(const struct sense_cli *cli)
{
	const struct sense_cli_about *about = &sense_cli_commands[cli->command];
	if (about->operands_needed && !cli->path_count)
		return usage(about->name, "%s needs %s", about->name, about->operands);
	if (!about->operands_taken && cli->path_count)
		return usage(about->name, "%s takes no '%s'", about->name, cli->paths[0]);
	if (cli->no_policies && cli->policy_count)
		return usage(about->name, "--policies and --no-policies exclude each other");
	if (cli->no_capture && cli->interface_count)
		return usage(about->name, "--interface and --no-capture exclude each other");
	bool on_captures = cli->command == SENSE_CLI_BENCH || cli->command == SENSE_CLI_EXPLAIN;
	if (on_captures && !cli->capture_count)
		return usage(about->name, "%s needs --on FILE, a capture", about->name);
	if (cli->command == SENSE_CLI_EXPLAIN && !cli->rule)
		return usage(about->name, "explain needs --rule ID");
	if (cli->command == SENSE_CLI_ENROLL && !cli->token)
		return usage(about->name, "enroll needs --token TOKEN, or --token - to read it from stdin");
	if (cli->command == SENSE_CLI_NEW && cli->path_count > 1)
		return usage(about->name, "new takes one name, not '%s' too", cli->paths[1]);
	return -1;
}

/* argv[0] is the command. */
static int command_parse(struct sense_cli *cli, int argc, char **argv)
{
	const struct sense_cli_about *about = &sense_cli_commands[cli->command];
	struct grammar grammar;
	grammar_make(&grammar, cli->command);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	for (;;) {
		int found = getopt_long(argc, argv, grammar.shorts, grammar.longs, NULL);
		if (found == -1)
			break;
		if (found == ':')
			return usage(about->name, "%s needs an argument", argv[optind - 1]);
		if (found == '?')
			return option_refuse(about, cli->command, argv[optind - 1]);
		int code = option_take(cli, letter_id(found), optarg);
		if (code >= 0)
			return code;
	}
	cli->paths = (const char *const *)(argv + optind);
	cli->path_count = (unsigned)(argc - optind);
	return operands_check(cli);
}

static int help_parse(int argc, char **argv)
{
	int command = argc > 2 ? command_find(argv[2]) : -1;
	if (argc > 2 && command < 0)
		return command_unknown(argv[2]);
	if (command >= 0)
		sense_cli_help_command(stdout, (enum sense_cli_command)command);
	else
		sense_cli_help(stdout);
	return SENSE_EXIT_OK;
}

int sense_cli_parse(int argc, char **argv, struct sense_cli *cli)
{
	*cli = (struct sense_cli){0};
	const char *word = argc > 1 ? argv[1] : NULL;
	if (!word)
		return usage(NULL, "no command was given");
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
		return help_parse(argc, argv);
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		printf("sense-agent %s\n", SENSE_VERSION);
		return SENSE_EXIT_OK;
	}
	if (word[0] == '-')
		return usage(NULL, "a command comes first, not '%s'", word);
	int command = command_find(word);
	if (command < 0)
		return command_unknown(word);
	cli->command = (enum sense_cli_command)command;
	/* No list can be longer than the command line. */
	cli->sets = calloc((size_t)argc, sizeof *cli->sets);
	cli->policies = calloc((size_t)argc, sizeof *cli->policies);
	cli->captures = calloc((size_t)argc, sizeof *cli->captures);
	cli->interfaces = calloc((size_t)argc, sizeof *cli->interfaces);
	if (!cli->sets || !cli->policies || !cli->captures || !cli->interfaces) {
		fputs("sense-agent: no memory\n", stderr);
		return SENSE_EXIT_FAILED;
	}
	return command_parse(cli, argc - 1, argv + 1);
}

void sense_cli_fini(struct sense_cli *cli)
{
	free(cli->sets);
	free(cli->policies);
	free(cli->captures);
	free(cli->interfaces);
	*cli = (struct sense_cli){0};
}
