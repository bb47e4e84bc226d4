/*
 * What rules cost as people write them: loaded from policies, found by the index, their `when` asked.
 *
 * First an event with 0, 200, 2,000 and 10,000 rules loaded, ten of which match it; then one `when` of
 * each of the usual kinds, compiled and in the interpreter. CPU time; the best of many runs counts, since
 * other work on the machine only ever adds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lua/policy.h"
#include "lua/state.h"
#include "t/world.h"

#define EVENTS 1000
#define RUNS 200
#define FILE_RULES 500

struct loaded {
	sense_lua *lua;
	sense_ruleset *set;
	struct sense_script script;
};

static double now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void loaded_free(struct loaded *rules)
{
	sense_lua_free(rules->lua);
	sense_ruleset_free(rules->set);
}

static struct loaded load(const struct sense_policy_sources *sources)
{
	sense_error err = {0};
	struct sense_report report;
	struct sense_lua_limits limits = {.load_us = 5000000, .soft_us = 5000000};
	struct loaded rules = {.lua = sense_lua_new(&limits, &err), .set = sense_ruleset_new()};
	sense_report_init(&report);
	if (!rules.lua || sense_policy_load(rules.lua, sources, rules.set, &report, &err) ||
	    sense_ruleset_compile(rules.set, &err)) {
		sense_report_print(&report, stderr);
		fprintf(stderr, "rules: %s\n", err.message);
		exit(1);
	}
	sense_report_fini(&report);
	rules.script = sense_lua_script(rules.lua);
	return rules;
}

/* ---- many rules ------------------------------------------------------------------------------- */

/* A rule that does not match: number i of the kinds that policies are made of. */
static void write_other(FILE *out, unsigned i)
{
	fprintf(out, "rule 'other.%u' { title = 't', severity = 'low', on = 'flow.classified', match = { ",
	        i);
	switch (i % 8) {
	case 0:
		fprintf(out, "service = { id = 'service-%u' }", i);
		break;
	case 1:
		fprintf(out, "host = { suffix = 'name-%u.example' }", i);
		break;
	case 2:
		fprintf(out, "dst_port = %u", 1000 + i);
		break;
	case 3:
		fprintf(out, "http_path = { prefix = '/name-%u' }", i);
		break;
	case 4:
		fprintf(out, "dst_ip = '20.%u.%u.0/24'", i >> 8 & 255, i & 255);
		break;
	case 5:
		fprintf(out, "service = { category = 'chat' }, bytes_up = { min = %u }", 1000000 + i);
		break;
	case 6:
		fprintf(out,
		        "any = { { user_agent = 'tool-%u' }, { host = 'tool-%u.example', quic = true } }", i,
		        i);
		break;
	default:
		fprintf(out, "ja4 = 'ja4-%u'", i);
		break;
	}
	fputs(" } }\n", out);
}

/* One of the ten that match, and ask. */
static void write_match(FILE *out, unsigned i)
{
	static const char *const match[] = {
	    "service = { category = { 'api', 'chat' }, conclusive = true }",
	    "service = { id = 'claude' }, bytes_up = { min = 10 }",
	    "host = { suffix = 'claude.ai' }, dst_port = 443",
	    "any = { { service = { category = 'chat' } }, { host = { suffix = 'openai.com' } } }",
	    "bytes_down = { min = 1000 }, quic = false",
	};
	fprintf(out,
	        "rule 'match.%u' { title = 't', severity = 'low', on = 'flow.classified', match = { %s },\n"
	        "  when = function(flow) return flow.bytes_up > %u and under(flow.host, 'claude.ai') end }\n",
	        i, match[i % 5], i % 10);
}

static void add_file(struct sense_policy_sources *sources, unsigned first, unsigned last, unsigned total)
{
	char *text, name[32];
	size_t len;
	FILE *out = open_memstream(&text, &len);
	for (unsigned i = first; out && i < last; i++) {
		if (i % (total / 10))
			write_other(out, i);
		else
			write_match(out, i / (total / 10));
	}
	snprintf(name, sizeof(name), "p%u", first);
	if (!out || fclose(out) || sense_policy_source_add(sources, name, name, text, len, NULL))
		exit(1);
	free(text);
}

static double ask(const struct loaded *rules, const struct sense_event *event, bool script, unsigned *held)
{
	double start = now_ns();
	for (unsigned i = 0; i < EVENTS; i++) {
		const uint32_t *numbers;
		unsigned count = sense_ruleset_match(rules->set, event, &numbers);
		struct sense_script_ask what = {
		    .rules = rules->set, .numbers = numbers, .count = count, .event = event};
		*held = script && count
		          ? (unsigned)__builtin_popcount(rules->script.when(rules->script.self, &what))
		          : count;
	}
	return (now_ns() - start) / EVENTS;
}

static void many(unsigned total)
{
	struct sense_policy_sources sources;
	struct world w;
	unsigned found = 0, held = 0;
	double index = INFINITY, both = INFINITY;

	sense_policy_sources_init(&sources);
	for (unsigned i = 0; i < total; i += FILE_RULES)
		add_file(&sources, i, i + FILE_RULES < total ? i + FILE_RULES : total, total);
	double start = now_ns();
	struct loaded rules = load(&sources);
	double loading = now_ns() - start;
	world_init(&w);
	for (unsigned run = 0; run < RUNS; run++) {
		index = fmin(index, ask(&rules, &w.event, false, &found));
		both = fmin(both, ask(&rules, &w.event, true, &held));
	}
	printf("| %6u | %2u | %7.0f | %7.0f | %2u | %6.0f |\n", total, found, index, both, held,
	       loading / 1e6);
	world_fini(&w);
	sense_policy_sources_fini(&sources);
	loaded_free(&rules);
}

/* ---- one when --------------------------------------------------------------------------------- */

/* Each holds for the event of t/world.h. */
static const struct {
	const char *what, *local, *expression;
} whens[] = {
    {"nothing", "", "true"},
    {"a comparison", "", "flow.bytes_up > 100"},
    {"a set", "local known = set { 'claude', 'chatgpt' }", "known[flow.service.id]"},
    {"`under`", "", "under(flow.host, 'claude.ai')"},
    {"`domain`", "", "domain(flow.host) == 'claude.ai'"},
    {"`cidr`", "local inside = cidr { '10.0.0.0/8', '192.168.0.0/16' }", "inside(flow.src_ip)"},
    {"`starts`", "", "starts(flow.host, 'claude')"},
    {"`contains`, one word", "", "contains(flow.host, '.ai')"},
    {"`contains`, a list of 3", "local list = { 'openai', 'gemini', 'claude' }", "contains(flow.host, list)"},
    {"`words`, 100 of them",
     "local t = {} for i = 1, 99 do t[i] = 'word' .. i end t[100] = '.ai' local any = words(t)",
     "any(flow.host)"},
    {"`entropy`", "", "entropy(flow.host) > 1"},
    {"`labels`", "", "labels(flow.host)[1] == 'claude'"},
    {"`date`", "", "date(flow.ts).year > 1900"},
    {"`redact`", "", "redact(flow.host)"},
};

static double when_ns(const struct loaded *rules, const struct sense_event *event, bool compiled)
{
	unsigned held = 0;
	double best = INFINITY;
	sense_lua_compiled(rules->lua, compiled);
	for (unsigned run = 0; run < RUNS; run++)
		best = fmin(best, ask(rules, event, true, &held));
	if (held != 1) {
		fprintf(stderr, "rules: a `when` that should hold does not\n");
		exit(1);
	}
	return best;
}

static void one(unsigned i)
{
	char text[512];
	struct sense_policy_sources sources;
	struct world w;

	snprintf(text, sizeof(text),
	         "%s\nrule 'r' { title = 't', severity = 'low', on = 'flow.classified',\n"
	         "  when = function(flow) return %s end }",
	         whens[i].local, whens[i].expression);
	sense_policy_sources_init(&sources);
	if (sense_policy_source_add(&sources, "p", "p", text, strlen(text), NULL))
		exit(1);
	struct loaded rules = load(&sources);
	world_init(&w);
	double interpreted = when_ns(&rules, &w.event, false), compiled = when_ns(&rules, &w.event, true);
	printf("| %-24s | %5.0f | %5.0f |\n", whens[i].what, compiled, interpreted);
	world_fini(&w);
	sense_policy_sources_fini(&sources);
	loaded_free(&rules);
}

int main(void)
{
	static const unsigned sizes[] = {0, 200, 2000, 10000};

	printf("| rules | match | index, ns | with `when`, ns | hold | loaded in ms "
	       "|\n|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		many(sizes[i]);
	printf("\n| `when` | compiled, ns | interpreted, ns |\n|---|---|---|\n");
	for (unsigned i = 0; i < sizeof(whens) / sizeof(*whens); i++)
		one(i);
	return 0;
}
