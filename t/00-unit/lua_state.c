#include <stdlib.h>
#include <time.h>

#include "lua/policy.h"
#include "t/script.h"
#include "t/tap.h"
#include "t/world.h"

#define SECOND UINT64_C(1000000)
#define START UINT64_C(1700000000000000)

static struct sense_error err;
static sense_lua *lua;
static sense_ruleset *set;
static struct sense_script script;
static struct world world;
static char messages[1024];

/* Policies "a", "b", ... of these texts. */
static bool load(unsigned count, const char *const *texts)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	sense_policy_sources_init(&sources);
	for (unsigned i = 0; i < count; i++) {
		char name[2] = {(char)('a' + i), '\0'}, file[16];
		snprintf(file, sizeof file, "pol/%s.lua", name);
		sense_policy_source_add(&sources, file, name, texts[i], strlen(texts[i]), &err);
	}
	sense_lua_free(lua);
	sense_ruleset_free(set);
	set = sense_ruleset_new();
	lua = sense_lua_new(NULL, &err);
	sense_report_init(&report);
	enum sense_status status = sense_policy_load(lua, &sources, set, &report, &err);
	messages[0] = '\0';
	if (report.count)
		sense_problem_format(&report.items[0], messages, sizeof messages);
	sense_report_fini(&report);
	sense_policy_sources_fini(&sources);
	script = sense_lua_script(lua);
	world.event.ts_us = START;
	return !status;
}

static const char *ask(unsigned rule)
{
	bool holds;
	if (script_when(&script, set, rule, &world.event, &holds, &err))
		return err.message;
	return holds ? "yes" : "no";
}

#define RULE(id, body) \
	"rule '" id "' { title = 't', severity = 'low', on = 'tls', when = function(flow) " body " end }\n"

/* One rule whose `when` is this body, asked n times a second apart; the last answer. */
static const char *when(const char *body, unsigned n)
{
	static char text[4096];
	const char *one = text, *answer = "never asked";
	snprintf(text, sizeof text, RULE("r", "%s"), body);
	if (!load(1, &one))
		return messages;
	for (unsigned i = 0; i < n; i++) {
		answer = ask(0);
		world.event.ts_us += SECOND;
	}
	return answer;
}

static void answers(void)
{
	static const struct {
		unsigned asked;
		const char *body;
	} yes[] = {
	    {1, "return state.sum('k', 2.5, '1h') == 2.5"},
	    {3, "return state.sum('k', 2.5, '1h') == 7.5"},
	    {1, "state.sum('k', 5, '1h') return state.sum('k', -2, '1h') == 3"},
	    {4, "return state.count(flow.src_ip .. '|' .. flow.host, '1h') == 4"},
	    {4, "state.sum('k', 5, '1h') return state.count('k', '1h') == 24"},
	    {9, "return state.count('k', 6) < 9"},
	    {3, "return state.count(7, '1h') == 3 and state.get('7', '1h') == 3"},
	    {3, "return state.count(1.5, '1h') == 3 and state.get('1.5', '1h') == 3"},
	    {2, "state.count('k', '1h') return state.get('k', '1h') == 2 and state.get('k', 3600) == 2"},
	    {2, "state.count('k', '1h') return state.get('k', '60m') == 2 and state.get('k', '2h') == 0"},
	    {5, "return state.distinct('k', flow.ts, '1h') == 5"},
	    {5, "return state.distinct('k', flow.host, '1h') == 1"},
	    {5, "state.distinct('k', flow.ts, '1h') return state.get('k', '1h') == 5"},
	    {1, "return state.first('k', '1d') == true"},
	    {2, "return state.first('k', '1d') == false"},
	    {2, "return state.first('k', '1d') ~= state.first('k', '2d') or true"},
	    {1, "return state.last('k') == nil"},
	    {2, "local before = state.last('k') return before == flow.ts - 1000000"},
	    {1, "state.last('k') return state.last('k') == flow.ts"},
	    {1, "return state.get('never', '1h') == 0"},
	    {1, "local sum = state.sum return sum('', 1, '1h') == 1"},
	    {1, "return state.count(('k'):rep(1000000), '1h') == 1 and state.count('k\\0a', '1h') == 1 and "
	        "state.count('k\\0b', '1h') == 1"},
	    {1, "return type(state) == 'userdata' and next({}) == nil and type(state.sum('k', 1, '1h')) == "
	        "'number'"},
	    {1, "local n = 0 for i = 1, 400 do n = n + state.count('k' .. i, i) end return n == 400"},
	};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		is_str(when(yes[i].body, yes[i].asked), "yes", "%s", yes[i].body);
}

#define WHERE "pol/a.lua:1: rule \"r\": when: "

static void refused(void)
{
	static const char *const cases[][2] = {
	    {"return state.sum('k', 1, 'x')", "state.sum: window must be a duration such as \"1h\", not 'x'"},
	    {"state.sum('k', 1, 'x')", "state.sum: window must be a duration such as \"1h\", not 'x'"},
	    {"return state.count('k')", "state.count: window must be a duration such as \"1h\", not nil"},
	    {"return state.count('k', {})",
	     "state.count: window must be a duration such as \"1h\", not a table"},
	    {"return state.get('k', '31d')", "state.get: window must be from 1s to 30d, not '31d'"},
	    {"return state.get('k', 0)", "state.get: window must be from 1s to 30d, not 0"},
	    {"return state.get('k', 0/0)", "state.get: window must be from 1s to 30d, not "},
	    {"return state.first('k', -1)", "state.first: window must be from 1s to 30d, not -1"},
	    {"return state.sum('k', 0/0, '1h')",
	     "state.sum: n must be a finite number of at most 2^53, not "},
	    {"return state.sum('k', 1/0, '1h')",
	     "state.sum: n must be a finite number of at most 2^53, not inf"},
	    {"return state.sum('k', 1e300, '1h')",
	     "state.sum: n must be a finite number of at most 2^53, not 1e"},
	    {"return state.sum('k', '1', '1h')",
	     "state.sum: n must be a finite number of at most 2^53, not '1'"},
	    {"return state.sum('k', nil, '1h')",
	     "state.sum: n must be a finite number of at most 2^53, not nil"},
	    {"return state.count({}, '1h')", "state.count: key must be a text or a number, not a table"},
	    {"return state.count(flow, '1h')", "state.count: key must be a text or a number, not a table"},
	    {"return state.count(flow.user, '1h')", "state.count: key must be a text or a number, not nil"},
	    {"return state.distinct('k', true, '1h')",
	     "state.distinct: value must be a text or a number, not a boolean"},
	    {"return state.last()", "state.last: key must be a text or a number, not nil"},
	    {"return state.cuont('k', '1h')", "state has no 'cuont', did you mean 'count'?"},
	    {"return state[1]", "state has no '1'"},
	    {"state.x = 1", "state is read-only"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *got = when(cases[i][0], 1);
		size_t where = strlen(WHERE);
		ok(!strncmp(got, WHERE, where) && !strncmp(got + where, cases[i][1], strlen(cases[i][1])),
		   "%s: %s", cases[i][0], got);
	}
	is_str(when("local good = pcall(state.count, {}, '1h') return not good", 1), "yes",
	       "an error like others");
	const char *early = "local n = 1\nlocal m = state.count('k', '1h')\n" RULE("r", "return true");
	ok(!load(1, &early), "no event in hand");
	is_str(messages, "pol/a.lua:2: state can be used in when and finding only", "is said, with the line");
	const char *lines = "local function mine(key)\n  return state.count(key, 'x')\nend\n" RULE(
	    "r", "\n\nlocal n = mine('k')\nreturn n");
	load(1, &lines);
	is_str(
	    ask(0),
	    "pol/a.lua:6: rule \"r\": when: state.count: window must be a duration such as \"1h\", not 'x'",
	    "the nearest line that is known is named");
}

static void apart(void)
{
	static const char *const two[] = {
	    RULE("r1", "return state.count('k', '1h') == 3") RULE("r2", "return state.count('k', '1h') == 2"),
	    RULE("r3", "return state.count('k', '1h') == 1"),
	};
	load(2, two);
	ask(0);
	is_str(ask(1), "yes", "rules of one policy count together");
	is_str(ask(2), "yes", "another policy counts by itself");
	is_str(ask(0), "yes", "and disturbs nothing");
}

static void restarts(void)
{
	static const char *const one[] = {RULE("r", "return state.count('k', '1h') == 3")};
	size_t bytes = sense_state_bytes(64), whole = (bytes + 63) / 64 * 64;
	struct sense_state state;
	void *memory = aligned_alloc(64, whole);
	memset(memory, 0, whole);
	for (unsigned i = 1; i <= 3; i++) {
		load(1, one);
		sense_state_attach(&state, memory, bytes, 25, &err);
		sense_lua_remember(lua, &state);
		is_str(ask(0), i == 3 ? "yes" : "no", "a worker goes on where the one before it ended");
	}
	load(1, one);
	ask(0);
	ask(0);
	is_str(ask(0), "yes", "without memory of the caller's there is a small one");
	free(memory);
}

/* Compiled, through traces that are entered, left early and joined: each call counts once. */
static void compiled(void)
{
	static const char *const one[] = {
	    RULE("r1",
	         "local n = state.sum(flow.host, 1, '1h') if n % 7 == 0 then state.count('seven', '1h') end "
	         "return n == 5000"),
	    RULE("r2", "return state.get('seven', '1h') == 714"),
	};
	char both[1024];
	const char *text = both;
	unsigned held = 0;
	snprintf(both, sizeof both, "%s%s", one[0], one[1]);
	load(1, &text);
	for (unsigned i = 0; i < 5000; i++)
		held += !strcmp(ask(0), "yes");
	is_num(held, 1, "5000 calls are counted as 5000");
	is_str(ask(1), "yes", "and each side trace once");
}

static void in_finding(void)
{
	const char *text = "rule 'r' { title = 't', severity = 'low', on = 'tls', finding = function(flow) "
			   "return { details = { n = state.count('k', '1h') } } end }";
	struct sense_finding finding = {.id = "1"};
	struct sense_arena arena;
	sense_arena_init(&arena, 65536);
	load(1, &text);
	for (unsigned i = 0; i < 2; i++) {
		finding.detail_count = 0;
		ok(!script.finding(script.self, sense_ruleset_get(set, 0), &world.event, &arena, &finding,
		                   &err),
		   "finding can count too");
	}
	is_num(finding.details[0].number, 2, "to two");
	sense_arena_fini(&arena);
}

static double time_rule(const char *body, unsigned calls)
{
	struct timespec a, b;
	when(body, 1000);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (unsigned i = 0; i < calls; i++)
		ask(0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / calls;
}

static void bench(void)
{
	static const char *const bodies[] = {
	    "return flow.bytes_up > 1e9",
	    "return flow.host == 'x'",
	    "return state.sum('k', flow.bytes_up, '1h') < 0",
	    "return state.sum(flow.host, flow.bytes_up, '1h') < 0",
	    "return state.count(flow.host, '1h') < 0",
	    "return state.get(flow.host, '1h') < 0",
	    "return state.distinct(flow.src_ip, flow.host, '1h') < 0",
	    "return state.first(flow.host, '1h')",
	    "return (flow.src_ip .. '|' .. flow.host) == 'x'",
	    "return state.sum(flow.src_ip .. '|' .. flow.host, 1, '1h') < 0",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		printf("# %6.1f ns  %s\n", time_rule(bodies[i], 1000000), bodies[i]);
}

int main(int argc, char **argv)
{
	(void)argv;
	world_init(&world);
	if (argc > 1) {
		bench();
	} else {
		answers();
		refused();
		apart();
		restarts();
		compiled();
		in_finding();
	}
	sense_lua_free(lua);
	sense_ruleset_free(set);
	world_fini(&world);
	return argc > 1 ? 0 : tap_done();
}
