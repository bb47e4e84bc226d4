/*
 * The scripts of t/hostile that cost no worker, all in one Lua state, asked over and over: memory holds,
 * no call outlasts its limits by far, and an innocent rule between them always answers.
 *
 * SENSE_HOSTILE_RUNS: rounds (60). Scripts that the soft limit ends are asked in some rounds only.
 */
#include <glob.h>
#include <luajit.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lua/policy.h"
#include "lua/state.h"
#include "t/tap.h"
#include "t/world.h"

#ifdef __SANITIZE_ADDRESS__
#define SOFT_US 100000 /* all code is slow then, the collector's too */
#else
#define SOFT_US 5000
#endif
#define TEXT_MAX 262144
#define RULES_MAX 512
#define HARD_MS 100.0

static sense_error err;
static struct world world;
static char text[TEXT_MAX];
static bool slow[RULES_MAX]; /* by rule number: ended by the soft limit */
static unsigned failures[RULES_MAX];

static const char innocent[] = "rule 'test.innocent' { title = 't', severity = 'low', on = 'tls',\n"
			       "  when = function(flow) return ('%s'):format(flow.dst_port) == '443' end }\n";

static double cpu_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static size_t resident_kib(void)
{
	unsigned long size = 0, resident = 0;
	FILE *in = fopen("/proc/self/statm", "r");
	if (in && fscanf(in, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (in)
		fclose(in);
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static size_t read_file(const char *path)
{
	FILE *in = fopen(path, "rb");
	size_t len = in ? fread(text, 1, sizeof text - 1, in) : 0;
	if (in)
		fclose(in);
	text[len] = '\0';
	return len;
}

/* What the second line expects; the message is cut off. */
static bool expects(const char *kind)
{
	char line[128];
	const char *at = strstr(text, "-- expect: ");
	if (!at)
		return false;
	snprintf(line, sizeof line, "%.*s", (int)strcspn(at + 11, ":\n"), at + 11);
	return strstr(line, kind) != NULL;
}

static bool loads(const char *path, size_t len)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	sense_policy_source_add(&sources, path, path, text, len, &err);
	sense_ruleset *set = sense_ruleset_new();
	sense_lua *lua = sense_lua_new(NULL, &err);
	bool good = lua && set && !sense_policy_load(lua, &sources, set, &report, &err);
	sense_lua_free(lua);
	sense_ruleset_free(set);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return good;
}

/* All that load and neither need a watchdog nor are meant to fill the memory for good. */
static unsigned gather(struct sense_policy_sources *sources)
{
	glob_t files;
	unsigned rules = 1;
	sense_policy_source_add(sources, "innocent.lua", "innocent", innocent, strlen(innocent), &err);
	if (glob("t/hostile/*.lua", 0, NULL, &files))
		return rules;
	for (size_t i = 0; i < files.gl_pathc && rules < RULES_MAX; i++) {
		size_t len = read_file(files.gl_pathv[i]);
		if (expects("hard") || expects("refused") || expects("memory") || !loads(files.gl_pathv[i], len))
			continue;
		slow[rules++] = expects("soft");
		sense_policy_source_add(sources, files.gl_pathv[i], files.gl_pathv[i], text, len, &err);
	}
	globfree(&files);
	return rules;
}

static void failed(void *context, const struct sense_rule *rule, const sense_error *why)
{
	(void)context;
	(void)why;
	failures[rule->number]++;
}

struct trial {
	const sense_ruleset *set;
	struct sense_script script;
	double longest_ms;
	unsigned longest_rule;
	unsigned silent; /* times the innocent rule did not hold */
};

static void ask(struct trial *trial, uint32_t number)
{
	const struct sense_rule *rule = sense_ruleset_get(trial->set, number);
	struct sense_script_ask question = {.rules = trial->set,
					    .numbers = &number,
					    .count = 1,
					    .event = &world.event,
					    .failed = failed};
	double begun = cpu_ms();
	uint32_t holds = rule->has_when ? trial->script.when(trial->script.self, &question) : 1;
	if (rule->has_finding) {
		struct sense_arena arena;
		struct sense_finding finding = {.rule = rule->id};
		sense_arena_init(&arena, (size_t)1 << 20);
		if (trial->script.finding(trial->script.self, rule, &world.event, &arena, &finding, &err))
			failures[number]++;
		sense_arena_fini(&arena);
	}
	double took = cpu_ms() - begun;
	if (took > trial->longest_ms) {
		trial->longest_ms = took;
		trial->longest_rule = number;
	}
	trial->silent += number == 0 && holds != 1;
}

static void rounds(struct trial *trial, unsigned from, unsigned to, unsigned all)
{
	unsigned count = sense_ruleset_count(trial->set);
	for (unsigned round = from; round < to; round++)
		for (unsigned i = 0; i < count; i++) {
			if (slow[i] && round % (1 + all / 10))
				continue;
			ask(trial, i);
			ask(trial, 0);
		}
}

static size_t held_after_sweep(sense_lua *lua)
{
	struct sense_lua_stats stats;
	/* Compiled code is thrown away by itself when there is too much: not what is asked for here. */
	luaJIT_setmode(lua->L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_FLUSH);
	for (unsigned i = 0; i < 8; i++)
		sense_lua_sweep(lua); /* the table of texts halves once each time */
	sense_lua_stats(lua, &stats);
	return stats.held;
}

int main(void)
{
	const char *wanted = getenv("SENSE_HOSTILE_RUNS");
	unsigned all = wanted && atoi(wanted) > 8 ? (unsigned)atoi(wanted) : 60;
	struct sense_report report;
	struct sense_policy_sources sources;
	struct trial trial = {.set = NULL};
	struct sense_lua_limits limits = {.load_us = 60000000, .soft_us = SOFT_US};
	world_init(&world);
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	unsigned wanted_rules = gather(&sources);
	ok(wanted_rules > 60, "%u scripts that cost no worker", wanted_rules - 1);
	sense_lua *lua = sense_lua_new(&limits, &err);
	sense_ruleset *set = sense_ruleset_new();
	if (!ok(!sense_policy_load(lua, &sources, set, &report, &err) && !sense_ruleset_compile(set, &err),
		"all in one state"))
		return sense_report_print(&report, stderr), tap_done();
	is_num(sense_ruleset_count(set), wanted_rules, "a rule of each");
	trial.set = set;
	trial.script = sense_lua_script(lua);
	rounds(&trial, 0, all / 4, all);
	size_t held = held_after_sweep(lua), resident = resident_kib();
	rounds(&trial, all / 4, all, all);
	size_t held_then = held_after_sweep(lua), resident_then = resident_kib();
	ok(held_then < held + held / 10 + 65536, "memory of Lua: %zu KiB, after %u rounds %zu KiB", held / 1024,
	   all, held_then / 1024);
#ifndef __SANITIZE_ADDRESS__ /* it keeps freed memory for a while */
	ok(resident_then < resident + resident / 2 + 16384, "of the process: %zu KiB, then %zu KiB", resident,
	   resident_then);
#endif
	is_num(trial.silent, 0, "the innocent rule always held");
	is_num(failures[0], 0, "and never failed");
	ok(trial.longest_ms < 20 * HARD_MS, "the longest call took %.1f ms of CPU time: %s", trial.longest_ms,
	   sense_ruleset_get(set, trial.longest_rule)->id);
	sense_lua_free(lua);
	sense_ruleset_free(set);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return tap_done();
}
