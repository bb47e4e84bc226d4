#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "lua/policy.h"
#include "t/script.h"
#include "t/tap.h"
#include "t/world.h"

static struct sense_error err;
static sense_lua *lua;
static sense_ruleset *set;
static struct sense_script script;
static struct world world;

static bool load(const char *text)
{
	static struct sense_report report;
	struct sense_policy_sources sources;
	sense_policy_sources_init(&sources);
	sense_policy_source_add(&sources, "pol/e.lua", "e", text, strlen(text), &err);
	sense_lua_free(lua);
	sense_ruleset_free(set);
	set = sense_ruleset_new();
	lua = sense_lua_new(NULL, &err);
	sense_report_init(&report);
	enum sense_status status = sense_policy_load(lua, &sources, set, &report, &err);
	sense_report_print(&report, stderr);
	sense_report_fini(&report);
	sense_policy_sources_fini(&sources);
	script = sense_lua_script(lua);
	return !status;
}

/* One rule whose `when` is this body; "yes", "no", or the message. */
static const char *when(const char *body)
{
	static char text[4096];
	bool holds;
	snprintf(text, sizeof text,
		 "rule 'r' { title = 't', severity = 'low', on = 'tls', params = { ok = set { 'claude' }, "
		 "list = { 7, 8 }, deep = { a = 1 } }, when = function(flow, p) %s end }",
		 body);
	if (!load(text))
		return "does not load";
	if (script_when(&script, set, 0, &world.event, &holds, &err))
		return err.message;
	return holds ? "yes" : "no";
}

static void fields(void)
{
	static const char *const yes[] = {
	    "return flow.host == 'claude.ai'",
	    "return flow.src_ip == '10.1.2.3' and flow.dst_ip == '160.79.104.10'",
	    "return flow.src_port == 40000 and flow.dst_port == 443 and flow.l4 == 6",
	    "return flow.bytes_up == 5000 and flow.bytes_down == 90000 and flow.packets_down == 34",
	    "return flow.first_ts == 1700000000000000 and type(flow.first_ts) == 'number'",
	    "return flow.duration == 1.5",
	    "return flow.service.id == 'claude' and flow.service.category == 'chat'",
	    "return flow.service.conclusive == true and flow.service.shared == false",
	    "return flow.user_agent == nil and flow.dns.name == nil and flow.user == nil",
	    "return flow.tls_version == 'TLSv1.3' and flow.host_source == 'sni'",
	    "return flow.ja4:sub(1, 3) == 't13'",
	    "return type(flow.src_ip) == 'string' and type(flow.quic) ~= 'cdata'",
	    "local s = flow.service return s.id .. s.name == 'claudeClaude'",
	    "return p.ok[flow.service.id]",
	    "return not p.ok[flow.user]",
	    "return #p.list == 2 and p.list[2] == 8 and p.deep.a == 1",
	    "local n = 0 for _, v in ipairs(p.list) do n = n + v end return n == 15",
	    "local n = 0 for k in pairs(p) do n = n + 1 end return n == 3",
	    "return bytes(flow.bytes_down) == '87.9 KiB'",
	};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		is_str(when(yes[i]), "yes", "%s", yes[i]);
	is_str(when("return flow.host == 'x'"), "no", "false");
	is_str(when(""), "no", "nothing returned");
}

static void refused(void)
{
	static const char *const cases[][2] = {
	    {"return flow.hots", "an event has no field 'hots', did you mean 'host'?"},
	    {"return flow.service.catgory",
	     "an event has no field 'service.catgory', did you mean 'category'?"},
	    {"return flow.servce.id", "an event has no field 'servce', did you mean 'service'?"},
	    {"return flow[1]", "an event has no field '1'"},
	    {"return flow[nil]", "an event has no field 'nil'"},
	    {"return flow[{}]", "an event has no field 'table"},
	    {"flow.host = 'x'", "an event is read-only"},
	    {"flow.service.id = 'x'", "an event is read-only"},
	    {"flow.service = 'x'", "an event is read-only"},
	    {"p.ok = 1", "params is read-only"},
	    {"p.deep.a = 2", "params is read-only"},
	    {"p.ok.more = true", "is read-only"},
	    {"for k in pairs(flow) do end", "cannot be iterated"},
	    {"next(flow)", "cannot be iterated"},
	    {"flow.x.y = 1", "an event has no field 'x'"},
	    {"error('mine')", "pol/e.lua:1: rule \"r\": when: mine"},
	    {"local t = {} ; t[flow.user] = 1", "index is nil"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *got = when(cases[i][0]);
		if (!ok(strstr(got, cases[i][1]) != NULL, "refused: %s", cases[i][0]))
			fprintf(stderr, "#   %s\n", got);
	}
}

static void stale(void)
{
	static const char *const kept[] = {
	    "local old rule 'r' { title = 't', severity = 'low', on = 'tls', when = function(flow) "
	    "if old then return old.host end old = flow return true end }",
	    "local old rule 'r' { title = 't', severity = 'low', on = 'tls', when = function(flow) "
	    "if old then return old.id end old = flow.service return old.id end }",
	    "local old rule 'r' { title = 't', severity = 'low', on = 'tls', when = function(flow) "
	    "if old then return flow.host and old() end old = function() return flow.host end return true "
	    "end }",
	};
	bool holds;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		load(kept[i]);
		ok(!script_when(&script, set, 0, &world.event, &holds, &err) && holds,
		   "a handle works in its call");
		ok(script_when(&script, set, 0, &world.event, &holds, &err) == SENSE_E_SCRIPT &&
		       strstr(err.message, "this event is over"),
		   "and not in a later one: %s", err.message);
		ok(!holds, "a failure is not a match");
	}
	/* The same when the code is compiled and handles live in registers only. */
	load("local old, n = nil, 0 rule 'r' { title = 't', severity = 'low', on = 'tls', when = "
	     "function(flow) "
	     "n = n + 1 if n == 300 then old = flow end if n == 400 then return old.host end return "
	     "flow.host == 'claude.ai' end }");
	unsigned held = 0, failed = 0;
	for (unsigned i = 0; i < 500; i++) {
		bool failure = script_when(&script, set, 0, &world.event, &holds, &err);
		failed += failure;
		held += holds;
	}
	is_num(failed, 1, "a hot rule: the stale use fails");
	is_num(held, 499, "and all others hold");
}

static const char *finding(const char *body, struct sense_arena *arena, struct sense_finding *out)
{
	static char text[4096];
	snprintf(text, sizeof text,
		 "rule 'r' { title = 't', severity = 'low', on = 'tls', finding = function(flow) %s end }",
		 body);
	memset(out, 0, sizeof *out);
	out->summary = "before";
	if (!load(text))
		return "does not load";
	if (script.finding(script.self, sense_ruleset_get(set, 0), &world.event, arena, out, &err))
		return err.message;
	return "good";
}

static void findings(void)
{
	static const char *const bad[][2] = {
	    {"return { sumary = 'x' }", "unknown key 'sumary', did you mean 'summary'?"},
	    {"return { summary = 5 }", "summary takes a text, not a number"},
	    {"return { summary = 'x', severity = 'bad' }", "severity is one of"},
	    {"return { confidence = 101 }", "confidence takes a number from 0 to 100"},
	    {"return { confidence = 0/0 }", "confidence takes a number from 0 to 100"},
	    {"return { evidence = { 1 } }", "evidence takes a text"},
	    {"local e = {} for i = 1, 9 do e[i] = 'x' end return { evidence = e }", "at most 8"},
	    {"return { details = { a = {} } }", "details.a takes a text, a number or a boolean"},
	    {"return { details = { 'x' } }", "named by texts"},
	    {"return { details = { a = 1/0 } }", "not a finite number"},
	    {"local d = {} for i = 1, 25 do d['k' .. i] = i end return { details = d }", "at most 24"},
	    {"return 5", "returned a number, not a table"},
	    {"return flow", "unknown key"},
	    {"while true do local f = function() end end", "ran longer than its limit of 5 ms"},
	};
	struct sense_arena arena;
	struct sense_finding out;
	sense_arena_init(&arena, 1 << 20);
	is_str(
	    finding("return { summary = flow.host .. '\\255\\0z', severity = 'critical', confidence = 41.6, "
		    "details = { z = 1, a = 'x', m = true }, evidence = { 'one', 'two' } }",
		    &arena, &out),
	    "good", "a full answer");
	is_str(out.summary, "claude.ai\xef\xbf\xbd\xef\xbf\xbdz", "bytes that are not UTF-8 are replaced");
	is_str(out.severity, "critical", "severity");
	is_num(out.confidence, 42, "confidence");
	ok(out.detail_count == 3 && !strcmp(out.details[0].key, "a") && !strcmp(out.details[2].key, "z"),
	   "details in the order of their keys");
	ok(out.details[1].type == SENSE_DETAIL_BOOL && out.details[1].boolean && out.details[2].number == 1,
	   "values");
	ok(out.evidence_count == 2 && !strcmp(out.evidence[1], "two"), "evidence");
	is_str(finding("return nil", &arena, &out), "good", "nothing to add");
	is_str(out.summary, "before", "keeps what was there");
	is_str(finding("return { summary = ('\\195\\164'):rep(1000) }", &arena, &out), "good", "a long text");
	ok(strlen(out.summary) <= 515 && !strcmp(out.summary + strlen(out.summary) - 5, "\xc3\xa4..."),
	   "is cut at a character");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *got = finding(bad[i][0], &arena, &out);
		if (!ok(strstr(got, bad[i][1]) != NULL, "refused: %s", bad[i][0]))
			fprintf(stderr, "#   %s\n", got);
		if (strcmp(out.summary, "before"))
			ok(false, "a failure changes nothing");
	}
	sense_arena_fini(&arena);
	sense_arena_init(&arena, 64);
	ok(strstr(finding("return { summary = ('x'):rep(300) }", &arena, &out), "no memory"),
	   "a full arena is an error");
	sense_arena_fini(&arena);
}

/* A rule of each kind many times over, so that compiled code is what runs; also the bench. */
static double time_rule(const char *body, unsigned calls)
{
	struct timespec a, b;
	bool holds;
	when(body);
	for (unsigned i = 0; i < 1000; i++)
		script_when(&script, set, 0, &world.event, &holds, &err);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (unsigned i = 0; i < calls; i++)
		script_when(&script, set, 0, &world.event, &holds, &err);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / calls;
}

static void bench(void)
{
	static const char *const bodies[] = {
	    "return false",
	    "return flow.bytes_up > 1000",
	    "return flow.host == 'x'",
	    "return flow.host ~= 'x' and not p.ok[flow.service.id]",
	    "return under(flow.host, 'openai.com')",
	    "return flow.src_ip == '1.2.3.4'",
	    "return flow.host:find('claude', 1, true) == 1",
	    "return flow.host:match('^(%w+)%.') == 'x'",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		printf("# %6.1f ns  %s\n", time_rule(bodies[i], 2000000), bodies[i]);
}

int main(int argc, char **argv)
{
	(void)argv;
	world_init(&world);
	if (argc > 1) {
		bench();
	} else {
		fields();
		refused();
		stale();
		findings();
	}
	sense_lua_free(lua);
	sense_ruleset_free(set);
	world_fini(&world);
	return argc > 1 ? 0 : tap_done();
}
