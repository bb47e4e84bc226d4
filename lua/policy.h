/*
 * Policies: *.lua files with `rule` and `policy` declarations, loaded into a rule set.
 *
 * Two steps, so that a worker can load policies after it has given up the file system: first the
 * files are read into memory, then they are run and validated. All problems of a run are reported
 * at once; with any problem nothing is added to the set.
 */
#ifndef SENSE_LUA_POLICY_H
#define SENSE_LUA_POLICY_H

#include "core/conf/report.h"
#include "core/rules/rule.h"
#include "core/rules/script.h"
#include "lua/sandbox.h"

#define SENSE_POLICY_FILES_MAX 2000
#define SENSE_POLICY_BYTES_MAX (256u << 10) /* one file */
#define SENSE_POLICY_TOTAL_MAX (32u << 20)
#define SENSE_POLICY_DEPTH_MAX 8

struct sense_policy_source {
	const char *file; /* as messages name it */
	const char *name; /* path below its directory without .lua: "ai/chat" */
	const char *text;
	size_t len;
};

struct sense_policy_sources {
	struct sense_arena arena;
	unsigned count, cap;
	bool tests; /* of a directory, take the *_test.lua instead of the policies */
	struct sense_policy_source *items;
	const uint8_t *params; /* settings of rules that came with them (lua/params.c); NULL: none */
	size_t params_len;
};

void sense_policy_sources_init(struct sense_policy_sources *sources);
void sense_policy_sources_fini(struct sense_policy_sources *sources);
/*
 * Reads a directory tree (or one file): *.lua in the order of their paths, without *_test.lua and
 * hidden names; symbolic links to directories are not followed.
 */
enum sense_status sense_policy_read(struct sense_policy_sources *sources, const char *path, sense_error *err);
/* Adds a policy that is already in memory; everything is copied. */
enum sense_status sense_policy_source_add(struct sense_policy_sources *sources, const char *file,
					  const char *name, const char *text, size_t len, sense_error *err);

/* Settings of rules: the map of a manifest (proto/manifest.h), which is copied. They are looked at when it is loaded. */
enum sense_status sense_policy_source_params(struct sense_policy_sources *sources, const void *params, size_t len,
					     sense_error *err);

/*
 * Runs the sources and adds their rules to set, which the caller compiles afterwards. The functions
 * of the rules stay in lua, under the numbers that the set gave: one lua serves one set.
 * SENSE_E_CONFIG: the report says what is wrong.
 */
enum sense_status sense_policy_load(sense_lua *lua, const struct sense_policy_sources *sources,
				    sense_ruleset *set, struct sense_report *report, sense_error *err);

/*
 * The same a file at a time, for who has other things to do in between: begin, step while it says that
 * there is more, finish. All that is pointed to must last until then.
 */
struct sense_policy_steps {
	sense_lua *lua;
	const struct sense_policy_sources *sources;
	sense_ruleset *set;
	struct sense_report *report;
	unsigned next;            /* source */
	unsigned problems_before; /* of the report */
	unsigned params;          /* settings that came with the sources */
};
void sense_policy_begin(struct sense_policy_steps *steps);
bool sense_policy_step(struct sense_policy_steps *steps);
enum sense_status sense_policy_finish(struct sense_policy_steps *steps, sense_error *err);

/* How the engine calls the functions of the rules; valid as long as lua. */
struct sense_script sense_lua_script(sense_lua *lua);

#endif
