/*
 * The command line of sense-agent: which command, with which options.
 *
 * Usage errors, help and version are dealt with here; main.c runs what remains.
 */
#ifndef SENSE_CLI_CLI_H
#define SENSE_CLI_CLI_H

#include <stdbool.h>

/* Exit codes: stable, scripts rely on them. */
enum { SENSE_EXIT_OK = 0, SENSE_EXIT_FAILED = 1, SENSE_EXIT_USAGE = 2 };

enum sense_cli_command {
	SENSE_CLI_REPLAY,
	SENSE_CLI_CHECK,
	SENSE_CLI_CONFIG,
	SENSE_CLI_STATUS,
	SENSE_CLI_RELOAD,
	SENSE_CLI_TEST,
	SENSE_CLI_BENCH,
	SENSE_CLI_EXPLAIN,
	SENSE_CLI_NEW,
	SENSE_CLI_API,
	SENSE_CLI_FINDINGS,
	SENSE_CLI_RUN,
	SENSE_CLI_SCAN,
	SENSE_CLI_INVENTORY,
	SENSE_CLI_ENROLL
};
enum sense_cli_format { SENSE_FORMAT_PRETTY, SENSE_FORMAT_TAP, SENSE_FORMAT_JUNIT, SENSE_FORMAT_JSON };
enum sense_cli_color { SENSE_COLOR_AUTO, SENSE_COLOR_ALWAYS, SENSE_COLOR_NEVER };

/* Strings point into argv; the lists belong to the struct. */
struct sense_cli {
	enum sense_cli_command command;
	const char *config_file;   /* -c; NULL: the default place */
	const char **sets;         /* --set KEY=VALUE, in order; all contain '=' */
	unsigned set_count;
	const char **policies;     /* --policies DIR, in order; none: the default directory */
	unsigned policy_count;
	bool no_policies;
	bool observed;
	bool json;
	bool flows;
	bool stats;
	bool keep;
	bool rules;
	bool no_progress;
	enum sense_cli_color color;
	bool example;              /* --example: a configuration file to begin with */
	/* of the rule tools */
	const char *name;          /* --name: what a policy on stdin is called */
	enum sense_cli_format format;
	bool coverage;
	bool mutate;
	const char **captures;     /* --on FILE, in order */
	unsigned capture_count;
	const char *rule;          /* --rule ID */
	const char *host;          /* --host NAME */
	unsigned flow;             /* --flow N; 0: all */
	bool all;
	const char *dir;           /* --dir DIR; NULL: the current one */
	const char *event;         /* --event KIND */
	bool reference;
	/* of run */
	const char **interfaces;   /* -i NAME, in order; none: those of the configuration */
	unsigned interface_count;
	bool no_capture;
	/* of enroll */
	const char *server; /* --server URL; NULL: those of the token */
	const char *token;  /* --token TOKEN; "-": on stdin */
	/* of findings */
	bool follow;
	bool ack;
	const char *const *paths;  /* operands: captures of replay, directories of check */
	unsigned path_count;
};

/*
 * Fills *cli. -1: run the command; otherwise the exit code, everything having been said (help and
 * version on stdout, usage errors on stderr). Call sense_cli_fini in every case.
 */
int sense_cli_parse(int argc, char **argv, struct sense_cli *cli);
void sense_cli_fini(struct sense_cli *cli);

#endif
