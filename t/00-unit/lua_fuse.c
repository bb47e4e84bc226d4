/*
 * Rules asked together: however often, and whatever one of them does, each answers as it would alone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lua/policy.h"
#include "t/tap.h"
#include "t/world.h"

#define RULES 12
#define ROUNDS 3000

static sense_error err;
static sense_lua *lua;
static sense_ruleset *set;
static struct world world;
static union sense_mark mark;

struct told {
	unsigned total, of[RULES];
	sense_error why;
};

static void note(void *context, const struct sense_rule *rule, const sense_error *why)
{
	struct told *told = context;
	told->total++;
	told->of[rule->number]++;
	told->why = *why;
}

/* RULES rules: `when` of number `odd` is the given body, that of all others compares the port. */
static struct sense_script load(unsigned odd, const char *body)
{
	static char text[16384];
	struct sense_report report;
	struct sense_policy_sources sources;
	struct sense_lua_limits limits = {.memory = 8 << 20, .soft_us = 20000, .load_us = 60000000, .mark = &mark};
	size_t used = 0;
	for (unsigned i = 0; i < RULES; i++)
		used += (size_t)snprintf(
		    text + used, sizeof text - used,
		    "rule 'r%u' { title = 't', severity = 'low', on = 'tls', when = function(flow) %s end }\n", i,
		    i == odd ? body : i % 3 ? "return flow.dst_port == 443 and flow.host == 'claude.ai'"
					    : "return flow.dst_port ~= 443");
	sense_policy_sources_init(&sources);
	sense_policy_source_add(&sources, "pol/f.lua", "f", text, strlen(text), &err);
	sense_lua_free(lua);
	sense_ruleset_free(set);
	set = sense_ruleset_new();
	lua = sense_lua_new(&limits, &err);
	sense_report_init(&report);
	enum sense_status status = sense_policy_load(lua, &sources, set, &report, &err);
	ok(!status && !sense_ruleset_compile(set, &err), "%u rules", RULES);
	sense_report_print(&report, stderr);
	sense_report_fini(&report);
	sense_policy_sources_fini(&sources);
	return sense_lua_script(lua);
}

static const uint32_t numbers[RULES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/* How often an answer differs from what each rule would say alone; that of rule `odd` is not judged. */
static unsigned wrong_answers(const struct sense_script *script, unsigned odd, unsigned rounds,
			      struct told *told)
{
	unsigned wrong = 0;
	struct sense_script_ask ask = {.rules = set,
				       .numbers = numbers,
				       .count = RULES,
				       .event = &world.event,
				       .failed = note,
				       .context = told};
	for (unsigned round = 0; round < rounds; round++) {
		bool https = round % 5;
		uint32_t want = 0;
		world.flow.key.port_b = https ? 443 : 80;
		for (unsigned i = 0; i < RULES; i++)
			want |= (uint32_t)(i % 3 ? https : !https) << i;
		uint32_t keep = odd < RULES ? ~(1u << odd) : UINT32_MAX;
		wrong += ((script->when(script->self, &ask) ^ want) & keep) != 0;
		wrong += sense_mark_rule(sense_mark_read(&mark)) != 0;
	}
	return wrong;
}

static void all_answer(void)
{
	struct told told = {0};
	struct sense_script script = load(RULES, "");
	is_num(wrong_answers(&script, RULES, ROUNDS, &told), 0, "%u rounds, each as alone", ROUNDS);
	is_num(told.total, 0, "no failure");
}

/* The failing rule is named each time; those before and after it are not touched. */
static void one_fails(unsigned odd)
{
	struct told told = {0};
	char want[64];
	struct sense_script script = load(odd, "local nothing return nothing.field");
	is_num(wrong_answers(&script, odd, ROUNDS, &told), 0, "rule %u fails, the others answer", odd);
	is_num(told.of[odd], ROUNDS, "rule %u failed each time", odd);
	is_num(told.total, ROUNDS, "and no other");
	snprintf(want, sizeof want, "pol/f.lua:%u: rule \"r%u\": when: ", odd + 1, odd);
	ok(!strncmp(told.why.message, want, strlen(want)), "named: %s", told.why.message);
}

static void one_fails_late(void)
{
	struct told told = {0};
	struct sense_script script =
	    load(4, "if flow.dst_port == 80 then error('not today') end return true");
	is_num(wrong_answers(&script, 4, ROUNDS, &told), 0, "a rule that fails now and then");
	is_num(told.total, ROUNDS / 5, "as often as it did");
	is_num(told.of[4], ROUNDS / 5, "and that one");
}

static void one_is_slow(void)
{
	struct told told = {0};
	struct sense_script script = load(
	    5, "if flow.dst_port == 80 then local s = '' for i = 1, 1e9 do s = ('x'):rep(i % 9) pcall(error) end end");
	is_num(wrong_answers(&script, 5, 500, &told), 0, "a rule over its time limit; the others answer");
	ok(told.of[5] && told.of[5] == told.total, "it alone is blamed, %u times", told.of[5]);
	is_num(told.why.status, SENSE_E_LIMIT, "for its time: %s", told.why.message);
}

/* Many groups: more than there are places, so that they push each other out. */
static void many_groups(void)
{
	struct told told = {0};
	struct sense_script script = load(RULES, "");
	unsigned wrong = 0;
	world.flow.key.port_b = 443;
	for (unsigned round = 0; round < 400000; round++) {
		/* Runs of one group, so that each becomes frequent once. */
		unsigned bits = (round / 200 * 2654435761u) >> 7 & ((1u << RULES) - 1);
		uint32_t some[RULES], want = 0;
		struct sense_script_ask ask = {
		    .rules = set, .numbers = some, .event = &world.event, .failed = note, .context = &told};
		for (unsigned i = 0; i < RULES; i++) {
			if (!(bits >> i & 1))
				continue;
			want |= (uint32_t)(i % 3 != 0) << ask.count;
			some[ask.count++] = i;
		}
		if (ask.count)
			wrong += script.when(script.self, &ask) != want;
	}
	is_num(wrong, 0, "2000 groups in turn");
	is_num(told.total, 0, "no failure");
	struct sense_lua_stats stats;
	sense_lua_stats(lua, &stats);
	ok(stats.held < (size_t)32 << 20, "and what they need stays bounded: %zu KiB", stats.held / 1024);
}

static void no_memory(void)
{
	struct told told = {0};
	struct sense_script script = load(
	    3, "if flow.dst_port == 80 then local t = {} for i = 1, 1e9 do t[i] = {} end end");
	is_num(wrong_answers(&script, 3, 50, &told), 0, "a rule out of memory; the others answer");
	ok(told.of[3] && told.of[3] == told.total, "it alone is blamed: %s", told.why.message);
}

int main(void)
{
	world_init(&world);
	all_answer();
	one_fails(0);
	one_fails(5);
	one_fails(RULES - 1);
	one_fails_late();
	one_is_slow();
	many_groups();
	no_memory();
	sense_lua_free(lua);
	sense_ruleset_free(set);
	world_fini(&world);
	return tap_done();
}
