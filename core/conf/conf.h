/*
 * Configuration: typed keys, each with a default, a range and one line of documentation.
 *
 * Values come, each over the one before, from the default, the configuration files (lua/conf_dir.h),
 * the environment (SENSE_FLOW_MAX for flow.max) and the command line. A value knows where it came
 * from. Everything is set from text, and a value that does not fit is refused with what would.
 *
 * Which keys there are is each program's own: core/conf/agent.h, server/conf.h.
 */
#ifndef SENSE_CONF_CONF_H
#define SENSE_CONF_CONF_H

#include <stdio.h>

#include "core/base/status.h"
#include "core/conf/report.h"

enum sense_conf_type {
	SENSE_CONF_TEXT,
	SENSE_CONF_CHOICE,
	SENSE_CONF_NUMBER,
	SENSE_CONF_BYTES,
	SENSE_CONF_TIME,
	SENSE_CONF_LIST
};

/* One key. */
struct sense_conf_about {
	const char *name; /* "flow.max" */
	enum sense_conf_type type;
	const char *initial; /* the default */
	double low, high;    /* of a number, in its unit: BYTES are bytes, TIME is microseconds */
	const char *words;   /* of a CHOICE, with a space between them */
	const char *doc;     /* one line */
};

/* All keys of one program. Those of one group stand together: they are printed as one table. */
struct sense_conf_spec {
	const char *program; /* for messages */
	const char *file;    /* the main file, when none is given */
	const char *prefix;  /* of its variables in the environment */
	unsigned sample;     /* the key that explanations take as their example */
	char separator;      /* between the items of a LIST in text */
	const struct sense_conf_about *keys;
	unsigned count; /* at most SENSE_CONF_KEYS_MAX */
};

#define SENSE_CONF_KEYS_MAX 128
#define SENSE_CONF_LIST_MAX 64

struct sense_conf_value {
	const char *text; /* as it was written; of a list: joined by the separator */
	uint64_t number;  /* NUMBER, BYTES, TIME (microseconds), CHOICE (index of the word) */
	unsigned count;   /* LIST */
	const char *items[SENSE_CONF_LIST_MAX];
	const char *origin; /* "default", "/etc/sense/agent.lua", "environment SENSE_FLOW_MAX" */
};

struct sense_conf {
	const struct sense_conf_spec *spec;
	struct sense_arena arena;
	struct sense_conf_value values[SENSE_CONF_KEYS_MAX]; /* by key, as many as the spec has */
};

/* The defaults. The spec is kept, not copied. */
enum sense_status sense_conf_init(struct sense_conf *conf, const struct sense_conf_spec *spec, sense_error *err);
void sense_conf_fini(struct sense_conf *conf);

/* Sets one key; an unknown name fails with 'did you mean', and nothing changes on failure. */
enum sense_status sense_conf_set(struct sense_conf *conf, const char *name, const char *text,
				 const char *origin, sense_error *err);
enum sense_status sense_conf_set_list(struct sense_conf *conf, const char *name, unsigned count,
				      const char *const *items, const char *origin, sense_error *err);
/* Whether keys begin with this name and a dot. */
bool sense_conf_is_group(const struct sense_conf *conf, const char *name);
/* Every <PREFIX><KEY> of the environment (a NULL-terminated "NAME=value" list); others are ignored. */
enum sense_status sense_conf_environment(struct sense_conf *conf, char *const *environment,
					 struct sense_report *report, sense_error *err);

const char *sense_conf_text(const struct sense_conf *conf, unsigned key);
uint64_t sense_conf_number(const struct sense_conf *conf, unsigned key);
const char *const *sense_conf_list(const struct sense_conf *conf, unsigned key, unsigned *count);

/* The effective values as a configuration file, each with its documentation and origin. */
void sense_conf_print(const struct sense_conf *conf, FILE *out);
/* A file to begin with: every key with its default, documentation and range, commented out. */
void sense_conf_print_example(const struct sense_conf_spec *spec, FILE *out);

#endif
