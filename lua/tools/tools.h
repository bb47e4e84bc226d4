/*
 * The rule tools: `check`, `test`, `bench`, `explain`, `new` and `api`. All of them load policies and run
 * events as the agent does (lua/station.h), so that what they say holds for it.
 *
 * Each command gives the exit code. What follows them is private to lua/tools/.
 */
#ifndef SENSE_LUA_TOOLS_TOOLS_H
#define SENSE_LUA_TOOLS_TOOLS_H

#include "core/base/buf.h"
#include "core/cli/cli.h"
#include "lua/station.h"

int sense_tool_check(const struct sense_conf *conf, const struct sense_cli *cli);
int sense_tool_test(const struct sense_conf *conf, const struct sense_cli *cli);
int sense_tool_bench(const struct sense_conf *conf, const struct sense_cli *cli);
int sense_tool_explain(const struct sense_conf *conf, const struct sense_cli *cli);
int sense_tool_new(const struct sense_cli *cli);
int sense_tool_api(const struct sense_cli *cli);

/* ---- a station for a tool: kit.c ---- */

/* Zero it, set station.conf, close it. */
struct sense_kit {
	struct sense_station station;
	struct sense_memory_plan plan; /* of what rules remember, empty for each engine */
	void *memory;
	struct sense_memory handles;
};

/* Catalogue and policies, read and run; says on stderr what is wrong with them. False: there was something.
 */
bool sense_kit_open(struct sense_kit *kit, const char *const *dirs, unsigned count,
                    struct sense_policy_sources *sources, union sense_mark *mark);
/* The policies anew, with another Lua state; the catalogue stays. */
enum sense_status sense_kit_rules(struct sense_kit *kit, const struct sense_policy_sources *sources,
                                  union sense_mark *mark, struct sense_report *report, sense_error *err);
/* An engine that has seen nothing, with rules that remember nothing, in place of the one before. */
enum sense_status sense_kit_engine(struct sense_kit *kit, const struct sense_engine_config *how,
                                   sense_error *err);
/* Runs a capture file, but does not end its flows. The plugins were loaded. */
enum sense_status sense_kit_capture(struct sense_kit *kit, const char *path, sense_error *err);
void sense_kit_close(struct sense_kit *kit);

/* The number of the rule of this id; -1, and ", did you mean 'x'?" or "" in near. */
int sense_kit_rule(const sense_ruleset *rules, const char *id, char *near, size_t cap);
/* "flow.update, flow.end": the events that it takes. */
void sense_kit_events(const struct sense_rule *rule, struct sense_buf *out);
/* "sense-agent: message" on stderr; gives SENSE_EXIT_FAILED. */
int sense_tool_fail(const sense_error *err);

/* ---- rules that do not return: guard.c ---- */

/*
 * A tool's work is done by a child process, because a compiled loop can be ended from outside alone.
 * What the child writes to `out` is handed to take as it comes; take may be NULL.
 */
struct sense_guard {
	const struct sense_conf *conf;
	int (*body)(void *context, union sense_mark *mark, int out);
	void *context;
	void (*take)(void *context, const void *data, size_t len);
	unsigned stall_ms; /* of CPU time without any rule being run; 0: as long as it takes */
};

struct sense_guard_end {
	int code;      /* what body returned, when the child ended by itself */
	int signal;    /* that ended it otherwise */
	bool hung;     /* ... because of its limit */
	uint32_t rule; /* number + 1 of the rule that ran then; 0: none */
};

enum sense_status sense_guard_run(const struct sense_guard *guard, struct sense_guard_end *end,
                                  sense_error *err);
/* "ran longer than its limit of 100 ms and was stopped", "ended by SIGSEGV". */
void sense_guard_describe(const struct sense_guard *guard, const struct sense_guard_end *end, char *out,
                          size_t cap);
/* Runs a tool whose child prints for itself; says on stderr which rule of dirs ended it. Gives the exit code.
 */
int sense_tool_guarded(const struct sense_guard *guard, const char *const *dirs, unsigned count);

#endif
