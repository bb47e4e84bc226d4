/*
 * Private to `test`: from a test file to results.
 *
 *   plan   (test_plan.c)   what a test function wrote down, in C
 *   run    (test_run.c)    carries it out through an engine that has seen nothing
 *   judge  (test_judge.c)  compares findings with what was expected, and says what differs
 *   child  (test_child.c)  does these for the tests of a file, in a process that may hang or die
 *   report (test_report.c) prints what came of it
 */
#ifndef SENSE_LUA_TOOLS_TEST_H
#define SENSE_LUA_TOOLS_TEST_H

#include "core/base/buf.h"
#include "lua/tools/tools.h"

/* ---- plan ---- */

enum sense_test_op {
	SENSE_TEST_EVENT,
	SENSE_TEST_CAPTURE,
	SENSE_TEST_EXPECT, /* forbid is one that expects none */
	SENSE_TEST_NOTHING
};

struct sense_test_value {
	enum sense_field field;
	struct sense_value value;
};

struct sense_test_key {
	const char *name; /* of a member of findings; "details.x" */
	bool like;        /* it has to contain the text, no more */
	struct sense_value value;
};

struct sense_test_step {
	enum sense_test_op op;
	int line;
	enum sense_event_kind kind; /* EVENT */
	uint64_t ts_us;
	unsigned value_count;
	struct sense_test_value *values;
	const char *path; /* CAPTURE */
	const char *rule; /* EXPECT */
	unsigned times;
	unsigned key_count;
	struct sense_test_key *keys;
};

struct sense_test_param {
	const char *rule;
	const char *text; /* Lua: ["rule.id"] = { ... } */
	int line;
};

/* Strings and arrays lie in the arena. */
struct sense_test_plan {
	struct sense_arena arena;
	const char *error; /* of the test function; NULL: it returned */
	unsigned step_count;
	struct sense_test_step *steps;
	unsigned param_count;
	struct sense_test_param *params;
	int only_line; /* of t:only(); 0: it was not said */
};

/* Runs the test file in a state of its own. -1: err says why; else how many tests it has. */
int sense_test_load(sense_lua *lua, const struct sense_policy_source *file, sense_error *err);
/* Name (borrowed until the next call into lua) and line of a test. */
enum sense_status sense_test_about(sense_lua *lua, int number, char *name, size_t cap, int *line);
enum sense_status sense_test_record(sense_lua *lua, int number, struct sense_test_plan *plan,
                                    sense_error *err);
void sense_test_plan_fini(struct sense_test_plan *plan);
/* As sense_station.prepare; context is a struct sense_test_plan. */
enum sense_status sense_test_params(sense_lua *lua, const void *plan, sense_error *err);

/* ---- run ---- */

#define SENSE_TEST_FINDINGS_MAX 20000u

/* What is wrong with a test, as bits: a finding too few, one too many, anything else. */
enum { SENSE_TEST_MISSING = 1, SENSE_TEST_EXTRA = 2, SENSE_TEST_BROKEN = 4 };

struct sense_test_finding {
	struct sense_finding finding; /* strings in the run's arena */
	bool named;                   /* by an expectation */
};

/* How near a rule that is expected came to firing. */
struct sense_test_near {
	const struct sense_rule *rule;
	unsigned failed; /* conditions, on the event below */
	struct sense_buf why;
};

struct sense_test_run {
	struct sense_kit *kit;
	const struct sense_policy_sources *sources; /* policies */
	const struct sense_policy_source *file;     /* the test's own */
	const struct sense_test_plan *plan;
	union sense_mark *mark;
	struct sense_mutant mutant;
	void (*failed)(void *context, unsigned kind, const char *text);
	void *context;
	/* ---- since it began ---- */
	struct sense_arena arena;
	unsigned count, cap, lost;
	struct sense_test_finding *findings;
	unsigned near_count;
	struct sense_test_near *near;
};

/* Carries the plan out; `failed` is told what is wrong. The findings stay until _fini. */
void sense_test_run(struct sense_test_run *run);
void sense_test_run_fini(struct sense_test_run *run);
__attribute__((format(printf, 4, 5))) void sense_test_fail(struct sense_test_run *run, unsigned kind,
                                                           int line, const char *fmt, ...);

/* ---- judge ---- */

void sense_test_judge(struct sense_test_run *run, const struct sense_test_step *step);
void sense_test_judge_only(struct sense_test_run *run);

/* ---- child ---- */

enum sense_test_record_type {
	SENSE_TEST_RECORD_BEGIN, /* number: the test's; line; text: its name */
	SENSE_TEST_RECORD_FAIL,  /* number: bits of what is wrong; text: what */
	SENSE_TEST_RECORD_FIRED, /* number: a rule's */
	SENSE_TEST_RECORD_NAMED, /* likewise: an expectation is about it */
	SENSE_TEST_RECORD_END,   /* number: microseconds that it took */
	SENSE_TEST_RECORD_FILE   /* the file as a whole is not as it should be; text */
};

#define SENSE_TEST_RECORD_TEXT_MAX 65535u

struct sense_test_record {
	uint32_t type;
	uint32_t number;
	uint32_t line;
	uint32_t len; /* of the text that follows */
};

/* The tests of one file. */
struct sense_test_job {
	const struct sense_conf *conf;
	const sense_catalogue *catalogue;
	const struct sense_policy_sources *sources;
	const struct sense_policy_source *file;
	int first;       /* test to begin with */
	struct sense_mutant mutant;
	unsigned enough; /* bits: a test with such a failure ends the job */
};

/* As sense_guard.body: context is the job, out takes records. */
int sense_test_child(const struct sense_test_job *job, union sense_mark *mark, int out);

/* ---- report ---- */

struct sense_test_result {
	const char *file;
	char *name;
	int line;
	unsigned failed; /* bits */
	struct sense_buf text;
	double seconds;
};

struct sense_test_summary {
	enum sense_cli_format format;
	unsigned count;
	const struct sense_test_result *results;
	const sense_ruleset *rules;
	const uint8_t *fired;  /* by rule number */
	bool coverage;         /* rules that never fired are a failure */
	unsigned mutants;      /* --mutate: how many were tried */
	const char *survivors; /* a line each */
};

void sense_test_report(const struct sense_test_summary *summary, struct sense_buf *out);

#endif
