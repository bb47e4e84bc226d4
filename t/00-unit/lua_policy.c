#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/version.h"
#include "lua/policy.h"
#include "t/script.h"
#include "t/tap.h"

static struct sense_report report;
static struct sense_error err;
static sense_lua *lua;
static sense_ruleset *set;

/* Loads texts as files p1.lua, p2.lua, ... into a fresh set. */
static enum sense_status load(unsigned count, const char *const *texts)
{
	struct sense_policy_sources sources;
	sense_policy_sources_init(&sources);
	for (unsigned i = 0; i < count; i++) {
		char file[32], name[32];
		snprintf(file, sizeof file, "pol/p%u.lua", i + 1);
		snprintf(name, sizeof name, "p%u", i + 1);
		sense_policy_source_add(&sources, file, name, texts[i], strlen(texts[i]), &err);
	}
	sense_lua_free(lua);
	sense_ruleset_free(set);
	sense_report_fini(&report);
	sense_report_init(&report);
	set = sense_ruleset_new();
	lua = sense_lua_new(NULL, &err);
	enum sense_status status = sense_policy_load(lua, &sources, set, &report, &err);
	sense_policy_sources_fini(&sources);
	return status;
}

static const char full[] =
    "policy { title = 'Uploads', version = '1.0' }\n"
    "local kinds = { 'chat', 'api' }\n"
    "\n"
    "rule 'ai.upload.large' {\n"
    "  title = 'Large upload', severity = 'high', confidence = 70, type = 'transfer',\n"
    "  on = { 'flow.update', 'flow.end' },\n"
    "  match = {\n"
    "    service = { category = kinds, shared = false, id = { none = set { 'copilot' } } },\n"
    "    bytes_up = { min = '1MiB' }, duration = { max = '10m' }, dst_port = { 443, 8443 },\n"
    "    src_ip = { cidr = { '10.0.0.0/8', 'fd00::/8' } }, dst_ip = '1.1.1.1',\n"
    "    host = { suffix = { '*.OpenAI.com', 'claude.ai' }, set = true }, http_path = { prefix = '/v1' },\n"
    "  },\n"
    "  params = { sanctioned = set { 'copilot' }, list = { 1, 2, 3 } },\n"
    "  when = function(flow, p) return not p.sanctioned[flow.service.id] end,\n"
    "  finding = function(flow) return { summary = flow.host } end,\n"
    "  throttle = { by = { 'user', 'service' }, every = '10m' },\n"
    "  action = 'observe', tags = { 'atlas:AML.T0024' },\n"
    "}\n"
    "rule('ai.small', { title = 'x', severity = 'info', on = 'tls' })\n";

static const struct sense_condition *condition(const struct sense_rule *rule, enum sense_field field,
					       enum sense_op op)
{
	static const struct sense_condition none;
	for (unsigned i = 0; i < rule->condition_count; i++) {
		if (rule->conditions[i].field == field && rule->conditions[i].op == op)
			return &rule->conditions[i];
	}
	return &none;
}

static void good(void)
{
	const char *texts[] = {full};
	is_num(load(1, texts), SENSE_OK, "a full policy loads");
	sense_report_print(&report, stderr);
	is_num(sense_ruleset_count(set), 2, "two rules");
	if (sense_ruleset_count(set) != 2)
		return;
	const struct sense_rule *r = sense_ruleset_get(set, 0);
	is_str(r->id, "ai.upload.large", "id");
	is_str(r->policy, "p1", "policy");
	is_str(r->file, "pol/p1.lua", "file");
	is_num(r->line, 4, "line");
	is_str(r->type, "transfer", "type");
	is_num(r->severity, SENSE_HIGH, "severity");
	is_num(r->confidence, 70, "confidence");
	is_str(r->action, "observe", "action");
	is_num(r->events, 1 << SENSE_EVENT_FLOW_UPDATE | 1 << SENSE_EVENT_FLOW_END, "events");
	is_num(r->throttle_us, 600000000, "throttle period");
	ok(r->throttle_by_count == 2 && r->throttle_by[0] == SENSE_FIELD_USER &&
	       r->throttle_by[1] == SENSE_FIELD_SERVICE_ID,
	   "throttle key: a group stands for its first field");
	ok(r->tag_count == 1 && !strcmp(r->tags[0], "atlas:AML.T0024"), "tags");
	ok(r->has_when && r->has_finding, "functions");
	is_num(r->condition_count, 11, "conditions");
	const struct sense_condition *c = condition(r, SENSE_FIELD_SERVICE_CATEGORY, SENSE_OP_IN);
	ok(c->count == 2 && !c->negate, "nested list");
	c = condition(r, SENSE_FIELD_SERVICE_ID, SENSE_OP_IN);
	ok(c->count == 1 && c->negate && !strcmp(c->strings[0], "copilot"), "none of a set");
	c = condition(r, SENSE_FIELD_SERVICE_SHARED, SENSE_OP_IN);
	ok(c->field == SENSE_FIELD_SERVICE_SHARED && !c->boolean, "boolean");
	c = condition(r, SENSE_FIELD_BYTES_UP, SENSE_OP_RANGE);
	ok(c->min == 1048576 && isinf(c->max), "min as a size");
	c = condition(r, SENSE_FIELD_DURATION, SENSE_OP_RANGE);
	ok(c->max == 600 && isinf(c->min), "max as a duration, in seconds");
	c = condition(r, SENSE_FIELD_DST_PORT, SENSE_OP_IN);
	ok(c->count == 2 && c->numbers[1] == 8443, "numbers");
	c = condition(r, SENSE_FIELD_SRC_IP, SENSE_OP_CIDR);
	ok(c->count == 2 && c->cidrs[0].bits == 104 && c->cidrs[1].bits == 8, "networks");
	c = condition(r, SENSE_FIELD_DST_IP, SENSE_OP_CIDR);
	ok(c->count == 1 && c->cidrs[0].bits == 128, "a bare address");
	c = condition(r, SENSE_FIELD_HOST, SENSE_OP_SUFFIX);
	ok(c->count == 2 && (!strcmp(c->strings[0], "openai.com") || !strcmp(c->strings[1], "openai.com")),
	   "suffix in lower case, without the star");
	c = condition(r, SENSE_FIELD_HOST, SENSE_OP_SET);
	ok(c->boolean, "set, beside another condition on the field");
	is_num(condition(r, SENSE_FIELD_HTTP_PATH, SENSE_OP_PREFIX)->count, 1, "prefix");
	r = sense_ruleset_get(set, 1);
	ok(!r->has_when && !r->has_finding && !r->condition_count && !r->throttle_us, "the rest is optional");
	is_num(r->confidence, 80, "default confidence");
	is_str(r->action, "alert", "default action");
	is_num(r->line, 19, "line of the other form");
	is_num(sense_ruleset_compile(set, &err), SENSE_OK, "and the set compiles");
}

#define RULE(body) "rule 'r' { title = 't', severity = 'low', on = 'tls', " body "\n}"

static const struct {
	const char *text, *want;
} bad[] = {
    {"rule 'r' {\n titel = 't', severity = 'low', on = 'tls' }",
     "pol/p1.lua:2: rule \"r\": titel: unknown key, did you mean 'title'?"},
    {"rule 'r' { severity = 'low', on = 'tls' }",
     "pol/p1.lua:1: rule \"r\": title: is missing: one line: what was seen"},
    {"rule 'r' { title = 't', severity = 'hihg', on = 'tls' }",
     "pol/p1.lua:1: rule \"r\": severity: 'hihg' is not one of info, low, medium, high, critical, did you "
     "mean 'high'?"},
    {"rule 'r' { title = 't', severity = 'low', on = 'flow.updat' }",
     "pol/p1.lua:1: rule \"r\": on: 'flow.updat' is not an event, did you mean 'flow.update'? (events: "
     "flow.new, flow.classified, flow.update, flow.end, dns, tls, http, process.start, process.exit, listen, "
     "file, mcp, inventory, gap, timer, activity)"},
    {RULE("match = {\n hots = 'x' }"),
     "pol/p1.lua:2: rule \"r\": match.hots: unknown field, did you mean 'host'?"},
    {RULE("match = {\n service = { categroy = 'x' } }"),
     "pol/p1.lua:2: rule \"r\": match.service.categroy: unknown field, did you mean 'category'?"},
    {RULE("match = { service = 'claude' }"), "pol/p1.lua:1: rule \"r\": match.service: takes a table of its "
                                             "fields (id, name, vendor, category, risk, grade, "
                                             "shared, conclusive)"},
    {RULE("match = { bytes_up = { mn = 1 } }"), "pol/p1.lua:1: rule \"r\": match.bytes_up.mn: is not a "
                                                "condition on bytes_up, did you mean 'min'? (it takes: any, "
                                                "one_of, none, min, max, set)"},
    {RULE("match = { bytes_up = { min = '1XB' } }"),
     "pol/p1.lua:1: rule \"r\": match.bytes_up.min: is not a number such as 443 or \"1MiB\""},
    {RULE("match = { bytes_up = { min = 5, max = 4 } }"),
     "pol/p1.lua:1: rule \"r\": match.bytes_up: min is greater than max: never matches"},
    {RULE("match = { host = {} }"), "pol/p1.lua:1: rule \"r\": match.host: an empty list never matches"},
    {RULE("match = { host = 5 }"), "pol/p1.lua:1: rule \"r\": match.host: 5 is not a text"},
    {RULE("match = { quic = 'yes' }"), "pol/p1.lua:1: rule \"r\": match.quic: 'yes' is not true or false"},
    {RULE("match = { src_ip = '10.0.0.0/33' }"), "pol/p1.lua:1: rule \"r\": match.src_ip: '10.0.0.0/33' is "
                                                 "not an address or network such as \"10.0.0.0/8\""},
    {RULE("match = { any = 'x' }"), "pol/p1.lua:1: rule \"r\": match.any: takes a list of 1 to 64 tables, as "
                                    "in { { quic = true }, { dst_port "
                                    "= 443 } }"},
    {RULE("match = { none = { host = 'x' } }"), "pol/p1.lua:1: rule \"r\": match.none: takes a list of 1 to "
                                                "64 tables, as in { { quic = true }, { dst_port "
                                                "= 443 } }"},
    {RULE("match = { all = {} }"), "pol/p1.lua:1: rule \"r\": match.all: takes a list of 1 to 64 tables, as "
                                   "in { { quic = true }, { dst_port "
                                   "= 443 } }"},
    {RULE("match = {\n any = { { quic = true }, 'x' } }"),
     "pol/p1.lua:2: rule \"r\": match.any[2]: takes a table of fields, not 'x'"},
    {RULE("match = { any = { {} } }"),
     "pol/p1.lua:1: rule \"r\": match.any[1]: is empty, and so would always hold"},
    {RULE("match = { anny = { { quic = true } } }"),
     "pol/p1.lua:1: rule \"r\": match.anny: unknown field, did you mean 'any'?"},
    {RULE("match = {\n quic = true,\n any = {\n { quic = true },\n { hots = 'x' },\n } }"),
     "pol/p1.lua:5: rule \"r\": match.any[2].hots: unknown field, did you mean 'host'?"},
    {RULE("match = { service = { any = { { id = 'x' } } } }"),
     "pol/p1.lua:1: rule \"r\": match.service.any: unknown field"},
    {RULE("match = { any = { { all = { { none = { { any = { { all = { { quic = true } } } } } } } } } } }"),
     "pol/p1.lua:1: rule \"r\": match.any[1].all[1].none[1].any[1].all: is nested more than 4 deep"},
    {"local p = {} for i = 1, 9 do p[i] = { dst_port = i } end\n" RULE(
	 "match = { all = { { any = p }, { any = p } } }"),
     "pol/p1.lua:2: rule \"r\": match.all: makes more than 64 alternatives: split the rule"},
    {"local p = {} for i = 1, 9 do p[i] = { src_port = i, dst_port = i } end\n" RULE(
	 "match = {\n any = p, none = { { any = p } } }"),
     "pol/p1.lua:3: rule \"r\": match.none[1].any: makes more than 64 alternatives: split the rule"},
    {"local p = {} for i = 1, 65 do p[i] = { dst_port = i } end\n" RULE("match = { any = p }"),
     "pol/p1.lua:2: rule \"r\": match.any: takes a list of 1 to 64 tables, as in { { quic = true }, { "
     "dst_port "
     "= 443 } }"},
    {"local p = {} for i = 1, 33 do p[i] = { dst_port = i } end\n" RULE("match = { none = p }"),
     "pol/p1.lua:2: rule \"r\": match.none: makes an alternative of more than 32 conditions: split the rule"},
    {"local p = {} for i = 1, 31 do p[i] = { dst_port = i } end\n" RULE(
	 "match = { quic = true, src_port = 1, none = p }"),
     "pol/p1.lua:2: rule \"r\": match: makes an alternative of more than 32 conditions: split the rule"},
    {"local p = {} for i = 1, 31 do p[i] = { dst_port = i } end\n" RULE(
	 "match = { quic = true, none = p, any = { { l4 = 6 }, { l4 = 17 } } }"),
     "pol/p1.lua:2: rule \"r\": match: makes an alternative of more than 32 conditions: split the rule"},
    {"local t = {} t.any = { t }\n" RULE("match = t"),
     "pol/p1.lua:2: rule \"r\": match.any[1].any[1].any[1].any[1].any: is nested more than 4 deep"},
    {RULE("match = {\n dns = {\n name = 'x' } }"),
     "pol/p1.lua:3: rule \"r\": match.dns.name: is never known on tls (it is on: dns, activity)"},
    {RULE("match = { any = { { listen = { port = 1 } } } }"),
     "pol/p1.lua:1: rule \"r\": match.any[1].listen.port: is never known on tls (it is on: listen, "
     "activity)"},
    {RULE("match = { dns = { name = { set = false } } }"),
     "pol/p1.lua:1: rule \"r\": match.dns.name: is never known on tls (it is on: dns, activity)"},
    {RULE("throttle = { by = { 'src_ip', 'file' }, every = '1m' }"),
     "pol/p1.lua:1: rule \"r\": throttle.by: file.path is never known on tls (it is on: file, activity)"},
    {RULE("match = 'x'"), "pol/p1.lua:1: rule \"r\": match: takes a table of fields"},
    {RULE("confidence = 101"), "pol/p1.lua:1: rule \"r\": confidence: takes a number from 0 to 100"},
    {RULE("confidence = 0/0"), "pol/p1.lua:1: rule \"r\": confidence: takes a number from 0 to 100"},
    {RULE("when = true"), "pol/p1.lua:1: rule \"r\": when: takes a function, not a boolean"},
    {RULE("throttle = { by = 'usr', every = '1m' }"),
     "pol/p1.lua:1: rule \"r\": throttle.by: 'usr' is not a field, did you mean 'user'?"},
    {RULE("throttle = { by = 'user', evry = '1m' }"),
     "pol/p1.lua:1: rule \"r\": throttle.evry: unknown key, did you mean 'every'?"},
    {RULE("throttle = { by = 'user', every = 'soon' }"),
     "pol/p1.lua:1: rule \"r\": throttle.every: takes a duration such as \"10m\", at most 365d"},
    {RULE("action = 'blok'"), "pol/p1.lua:1: rule \"r\": action: 'blok' is not one of observe, alert, coach, "
                              "block, kill, quarantine, did you mean 'block'?"},
    {"policy {\n mode = 'watch' }", "pol/p1.lua:2: policy.mode: 'watch' is not one of observe, alert, coach, "
                                    "block, kill, quarantine"},
    {"policy {\n engine = 'new' }",
     "pol/p1.lua:2: policy.engine: takes a version such as \"0.3\", not 'new'"},
    {"policy { engine = 0.3 }", "pol/p1.lua:1: policy.engine: takes a version such as \"0.3\", not 0.3"},
    {RULE("tags = { 1 }"), "pol/p1.lua:1: rule \"r\": tags: takes a text, not a number"},
    {RULE("params = { f = function() end }"),
     "pol/p1.lua:1: rule \"r\": params.f: holds texts, numbers, booleans, sets and tables of these"},
    {"rule 'r'", "pol/p1.lua:1: rule \"r\": has no body: rule \"id\" { ... }"},
    {"rule 'r' 'x'", "pol/p1.lua:1: rule \"r\" takes a table, as in rule \"id\" { ... }"},
    {"rule 'a b' { title = 't', severity = 'low', on = 'tls' }",
     "pol/p1.lua:1: a rule's id is a text of letters, digits, '.', '_' and '-', as in rule \"ai.upload\" { "
     "... }"},
    {"\n\nrule 'r' { title = }", "pol/p1.lua:3: unexpected symbol near '}'"},
    {"local x = nil\nx.y = 1", "pol/p1.lua:2: attempt to index local 'x' (a nil value)"},
    {"rul 'x' {}", "pol/p1.lua:1: unknown name 'rul', did you mean 'rule'?"},
    {"policy { titel = 'x' }", "pol/p1.lua:1: policy.titel: unknown key, did you mean 'title'?"},
    {"policy { title = 'x' }\npolicy { title = 'x' }", "pol/p1.lua:2: a file has one policy declaration"},
    {"while true do local f = function() end end", "pol/p1.lua: ran longer than its limit of 200 ms"},
    {"local x = 1LL", "pol/p1.lua:1: 64-bit and imaginary numbers (1LL, 1i) are not allowed"},
    {"\x1bLJ\x02", "pol/p1.lua: attempt to load chunk with wrong mode"},
    {"local t = {} t.t = t rule 'r' { title = 't', severity = 'low', on = 'tls', params = t, match = t }",
     "pol/p1.lua:1: rule \"r\": params.t: holds texts, numbers, booleans, sets and tables of these"},
};

static bool reported(const char *want)
{
	char text[2048];
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++) {
		sense_problem_format(&report.items[i], text, sizeof text);
		if (!strcmp(text, want))
			return true;
	}
	fprintf(stderr, "# wanted: %s\n", want);
	sense_report_print(&report, stderr);
	return false;
}

static void bad_policies(void)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		enum sense_status status = load(1, &bad[i].text);
		ok(status == SENSE_E_CONFIG && reported(bad[i].want), "%s", bad[i].want);
		ok(!sense_ruleset_count(set), "nothing is added");
	}
	const char *twice[] = {"\nrule 'same' { title = 't', severity = 'low', on = 'tls' }",
			       "rule 'same' { title = 't', severity = 'low', on = 'tls' }"};
	is_num(load(2, twice), SENSE_E_CONFIG, "an id twice");
	ok(reported("pol/p2.lua:1: rule \"same\": this id is already used at pol/p1.lua:2"),
	   "says where the first is");
	const char *many[] = {"rule 'a' { titel = 1, severity = 'no', on = 'tsl', mach = 1 }",
			      "x =", "y = 1"};
	is_num(load(3, many), SENSE_E_CONFIG, "many problems");
	is_num(report.count, 7, "all at once");
}

/* What a rule of this `match` answers to an event with these values, by the index and by trying. */
static bool holds(const char *match, double bytes_up, double duration, const char *host)
{
	char text[1024];
	const char *texts[] = {text};
	const uint32_t *found;
	struct sense_given given = {0};
	struct sense_event event = {.kind = SENSE_EVENT_DNS, .given = &given};
	snprintf(text, sizeof text,
	         "rule 'r' { title = 't', severity = 'low', on = { 'dns', 'tls' },\n match = { %s } }",
	         match);
	if (load(1, texts) || sense_ruleset_compile(set, &err)) {
		sense_report_print(&report, stderr);
		return !ok(false, "%s", match);
	}
	if (bytes_up >= 0)
		sense_given_number(&given, SENSE_FIELD_BYTES_UP, bytes_up);
	if (duration >= 0)
		sense_given_number(&given, SENSE_FIELD_DURATION, duration);
	if (host)
		sense_given_string(&given, SENSE_FIELD_HOST, host);
	bool tried = sense_rule_holds(sense_ruleset_get(set, 0), &event);
	if (sense_ruleset_match(set, &event, &found) != tried)
		ok(false, "index and trial agree on %s", match);
	return tried;
}

static void combined(void)
{
	static const char any[] =
	    "any = { { bytes_up = { min = 10 } }, { duration = { min = 5 }, host = 'x' } }";
	ok(holds(any, 10, 0, NULL) && holds(any, 0, 5, "x"), "any: one of them holds");
	ok(!holds(any, 9, 5, "y") && !holds(any, 9, 4, "x"), "or none does");
	static const char all[] =
	    "all = { { bytes_up = { min = 10 } }, { bytes_up = { max = 20 }, host = 'x' } }";
	ok(holds(all, 15, 0, "x") && !holds(all, 25, 0, "x") && !holds(all, 15, 0, "y"), "all: each holds");
	static const char none[] =
	    "none = { { bytes_up = { min = 10 }, host = 'x' }, { host = { prefix = 'y' } } }";
	ok(holds(none, 9, 0, "x") && holds(none, 15, 0, "z"), "none: an entry holds only as a whole");
	ok(!holds(none, 15, 0, "x") && !holds(none, 0, 0, "yes"), "and then the rule does not");
	ok(holds(none, -1, -1, "x") && holds(none, 15, 0, NULL), "what is not known satisfies none");
	ok(!holds("none = { { host = { set = true } } }", 1, 1, "x") &&
	       holds("none = { { host = { set = true } } }", 1, 1, NULL),
	   "none of set = true is set = false");
	ok(!condition(sense_ruleset_get(set, 0), SENSE_FIELD_HOST, SENSE_OP_SET)->negate,
	   "and is kept as that");
	ok(holds("none = { { host = { none = 'x' } } }", 1, 1, "x") &&
	       !holds("none = { { host = { none = 'x' } } }", 1, 1, NULL),
	   "none of none is any");
	static const char deep[] = "host = 'x', none = { { any = { { bytes_up = { min = 10 } }, { none = { { "
	                           "duration = { min = 5 } } } } } } }";
	ok(holds(deep, 9, 5, "x") && !holds(deep, 10, 5, "x") && !holds(deep, 9, 4, "x") &&
	       !holds(deep, 9, -1, "x") && !holds(deep, 9, 5, "y"),
	   "nested ones mean what they say");
	ok(holds("bytes_up = 1, any = { { host = { 'x', 'y' } }, { dns = { type = 5 } } }", 1, 1, "y"),
	   "a field that some of the events have");
	is_num(sense_ruleset_get(set, 0)->condition_count, 1, "conditions that all share are kept once");
	is_num(sense_ruleset_get(set, 0)->clause_count, 2, "beside the alternatives");
	holds("bytes_up = 1, any = { { host = 'y' } }", 1, 1, "y");
	is_num(sense_ruleset_get(set, 0)->clause_count, 0, "one alternative is none");
}

/* What a rule does in the end, by its own action and its file's mode. */
static const char *action(const char *policy, const char *own)
{
	char text[256];
	const char *texts[] = {text};
	snprintf(text, sizeof text, "%s rule 'r' { title = 't', severity = 'low', on = 'tls', action = %s }",
	         policy, own);
	return load(1, texts) ? report.items[0].message : sense_ruleset_get(set, 0)->action;
}

static void modes(void)
{
	is_str(action("", "'kill'"), "kill", "no mode: the rule's own action");
	is_str(action("policy { mode = 'coach' }", "'kill'"), "coach", "a mode caps it");
	is_str(action("policy { mode = 'quarantine' }", "'block'"), "block", "and raises nothing");
	is_str(action("policy { mode = 'observe' }", "nil"), "observe", "the default is capped too");
	ok(sense_ruleset_get(set, 0)->observes, "and is then only counted");
	is_str(action("policy { title = 'x' }", "nil"), "alert", "a policy without a mode");

	const char *both[] = {"policy { mode = 'observe' }",
	                      "rule 'r' { title = 't', severity = 'low', on = 'tls' }"};
	is_num(load(2, both), SENSE_OK, "two files");
	is_str(sense_ruleset_get(set, 0)->action, "alert", "a mode is its own file's");
}

static void engines(void)
{
	char policy[64], want[128];
	snprintf(policy, sizeof policy, "policy { engine = '%s' }", sense_version());
	is_str(action(policy, "nil"), "alert", "a policy for this version");
	is_str(action("policy { engine = '0.1' }", "nil"), "alert", "or an older one");
	snprintf(want, sizeof want, "this policy is written for 9999.1 or later, and this agent is %s",
	         sense_version());
	is_str(action("policy { engine = '9999.1' }", "nil"), want, "not for a later one");
}

static void separate(void)
{
	const char *texts[] = {
	    "local seen = 0\nrule 'a' { title = 't', severity = 'low', on = 'tls', when = function() seen = "
	    "seen + 1 return seen == 2 end }",
	    "rule 'b' { title = 't', severity = 'low', on = 'tls', when = function()\n return seen end }",
	};
	struct sense_event event = {.kind = SENSE_EVENT_TLS};
	bool holds;
	is_num(load(2, texts), SENSE_OK, "two policies");
	struct sense_script script = sense_lua_script(lua);
	is_num(script_when(&script, set, 0, &event, &holds, &err), SENSE_OK, "a runs");
	ok(!holds, "first call");
	script_when(&script, set, 0, &event, &holds, &err);
	ok(holds, "a keeps what it keeps in locals");
	is_num(script_when(&script, set, 1, &event, &holds, &err), SENSE_E_SCRIPT, "b does not see a's");
	is_str(err.message, "pol/p2.lua:2: rule \"b\": when: unknown name 'seen', did you mean 'set'?",
	       "with the line that failed");
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	if (!file)
		return;
	fputs(text, file);
	fclose(file);
}

static void directories(void)
{
	struct sense_policy_sources sources;
	char dir[] = "/tmp/sense-policy-XXXXXX", path[128];
	ok(mkdtemp(dir) != NULL && !chdir(dir), "a directory");
	mkdir("p", 0700);
	mkdir("p/b", 0700);
	mkdir("p/.git", 0700);
	write_file("p/z.lua", "-- z");
	write_file("p/a.lua", "-- a");
	write_file("p/a_test.lua", "-- no");
	write_file("p/b/c.lua", "-- c");
	write_file("p/.git/x.lua", "-- no");
	write_file("p/readme.md", "no");
	sense_policy_sources_init(&sources);
	is_num(sense_policy_read(&sources, "p/", &err), SENSE_OK, "a tree is read");
	is_num(sources.count, 3, "*.lua without tests and hidden names");
	is_str(sources.items[0].name, "a", "in order");
	is_str(sources.items[1].name, "b/c", "named by path");
	is_str(sources.items[1].file, "p/b/c.lua", "file");
	is_str(sources.items[2].text, "-- z", "text");
	is_num(sense_policy_read(&sources, "p/z.lua", &err), SENSE_OK, "one file");
	is_str(sources.items[3].name, "z", "its name");
	ok(sense_policy_read(&sources, "nowhere", &err), "a missing directory");
	is_str(err.message, "cannot read nowhere: No such file or directory", "message");
	ok(!mkfifo("p/fifo.lua", 0600) && sense_policy_read(&sources, "p", &err) == SENSE_E_IO,
	   "a fifo is refused at once: %s", err.message);
	sense_policy_sources_fini(&sources);
	snprintf(path, sizeof path, "rm -r %s", dir);
	ok(!chdir("/") && !system(path), "cleaned up");
}

int main(int argc, char **argv)
{
	sense_report_init(&report);
	if (argc > 1) { /* load a directory and print what is wrong with it */
		struct sense_policy_sources sources;
		sense_policy_sources_init(&sources);
		lua = sense_lua_new(NULL, &err);
		set = sense_ruleset_new();
		enum sense_status status = sense_policy_read(&sources, argv[1], &err);
		if (!status)
			status = sense_policy_load(lua, &sources, set, &report, &err);
		if (!status)
			status = sense_ruleset_compile(set, &err);
		sense_report_print(&report, stdout);
		printf("%u files, %u rules: %s\n", sources.count, sense_ruleset_count(set),
		       status ? err.message : "good");
		sense_policy_sources_fini(&sources);
		sense_lua_free(lua);
		sense_ruleset_free(set);
		return status != 0;
	}
	good();
	bad_policies();
	combined();
	modes();
	engines();
	separate();
	directories();
	sense_lua_free(lua);
	sense_ruleset_free(set);
	sense_report_fini(&report);
	return tap_done();
}
