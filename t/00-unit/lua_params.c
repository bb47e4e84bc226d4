/* Settings of rules that a fleet's server sends with policies: what they replace, and what is refused of
 * them. */
#include <stdio.h>

#include "lua/policy.h"
#include "proto/manifest.h"
#include "t/script.h"
#include "t/tap.h"

static struct sense_report report;
static struct sense_error err;
static sense_lua *lua;
static sense_ruleset *set;
static uint8_t map[SENSE_MANIFEST_PARAMS_MAX];
static struct sense_wire_writer settings; /* what is loaded next comes with these */

#define RULE(id, params, body)                                                                    \
	"rule '" id "' { title = 't', severity = 'low', on = 'tls',\n params = { " params " },\n" \
	" when = function(f, p)\n error(" body ", 0) end }\n"

static const char kinds[] =
    RULE("my.kinds",
         "limit = 5, word = 'w', on = true, fine = set { 'a' }, list = { 'x' }, ports = set { 443 }, free = "
         "set {},"
         " own = { a = 1 }",
         "table.concat({ p.limit, p.word, tostring(p.on), tostring(p.fine.a), tostring(p.fine.b), #p.fine, "
         "p.list[1],"
         " #p.list, tostring(p.ports[443]), tostring(p.ports[8443]), tostring(p.free.z), p.own.a }, ' ')");

/* Two rules, with a param of the same name, and a table that both have. */
static const char two[] = RULE("my.one", "limit = 1", "tostring(p.limit)")
    RULE("my.two", "limit = 2, own = 7",
         "p.limit .. ' ' .. p.own") "local shared = { title = 't', severity = 'low', on = 'tls', params = { "
				    "word = 'default' },\n"
				    "  when = function(f, p) error(p.word, 0) end }\n"
				    "rule 'my.left' (shared)\nrule 'my.right' (shared)\n";

static void begin(uint32_t count)
{
	settings = (struct sense_wire_writer){.data = map, .cap = sizeof map};
	sense_wire_put_map(&settings, count);
}

static void put_text(const char *key, const char *text)
{
	sense_wire_put_string(&settings, key);
	sense_wire_put_string(&settings, text);
}

static void put_number(const char *key, double number)
{
	sense_wire_put_string(&settings, key);
	sense_wire_put_number(&settings, number);
}

static void put_bool(const char *key, bool boolean)
{
	sense_wire_put_string(&settings, key);
	sense_wire_put_bool(&settings, boolean);
}

static void put_texts(const char *key, unsigned count, const char *const *texts)
{
	sense_wire_put_string(&settings, key);
	sense_wire_put_array(&settings, count);
	for (unsigned i = 0; i < count; i++)
		sense_wire_put_string(&settings, texts ? texts[i] : "t");
}

static void put_numbers(const char *key, double one, double other)
{
	sense_wire_put_string(&settings, key);
	sense_wire_put_array(&settings, 2);
	sense_wire_put_number(&settings, one);
	sense_wire_put_number(&settings, other);
}

static enum sense_status load(const char *text)
{
	struct sense_policy_sources sources;
	sense_policy_sources_init(&sources);
	sense_policy_source_add(&sources, "pol/p.lua", "p", text, strlen(text), &err);
	enum sense_status status = SENSE_OK;
	if (settings.len)
		status = sense_policy_source_params(&sources, map, settings.len, &err);
	sense_lua_free(lua);
	sense_ruleset_free(set);
	sense_report_fini(&report);
	sense_report_init(&report);
	set = sense_ruleset_new();
	lua = sense_lua_new(NULL, &err);
	if (!status)
		status = sense_policy_load(lua, &sources, set, &report, &err);
	sense_policy_sources_fini(&sources);
	return status;
}

/* What the function of a rule sees, which it says by failing. */
static const char *seen(uint32_t number)
{
	bool holds;
	const struct sense_event event = {.kind = SENSE_EVENT_TLS};
	struct sense_script script = sense_lua_script(lua);
	script_when(&script, set, number, &event, &holds, &err);
	const char *says = strstr(err.message, "when: ");
	return says ? says + strlen("when: ") : err.message;
}

static void loads(const char *text, const char *what)
{
	is_num(load(text), SENSE_OK, "%s", what);
	sense_report_print(&report, stderr);
}

static void applied(void)
{
	const char *const fine[] = {"b", "c", "d"};
	settings.len = 0;
	loads(kinds, "without settings");
	is_str(seen(0), "5 w true true nil 1 x 1 true nil nil 1", "defaults are seen");
	begin(0);
	loads(kinds, "with none in the map");
	is_str(seen(0), "5 w true true nil 1 x 1 true nil nil 1", "so they are then");
	begin(7);
	put_number("my.kinds.limit", 2.5);
	put_text("my.kinds.word", "other");
	put_bool("my.kinds.on", false);
	put_texts("my.kinds.fine", 3, fine);
	put_texts("my.kinds.list", 2, fine);
	put_numbers("my.kinds.ports", 80, 8443);
	put_texts("my.kinds.free", 1, (const char *const[]){"z"});
	loads(kinds, "with one of each kind");
	is_str(seen(0), "2.5 other false nil true 3 b 2 nil true true 1",
	       "each replaces its default, and no other");
	begin(1);
	put_texts("my.kinds.fine", 0, NULL);
	loads(kinds, "an empty list for a set");
	is_str(seen(0), "5 w true nil nil 0 x 1 true nil nil 1", "leaves it empty");
}

static void meant(void)
{
	begin(1);
	put_number("*.limit", 9);
	loads(two, "of all rules");
	is_str(seen(0), "9", "the first has it");
	is_str(seen(1), "9 7", "and the second, with what is its own");
	begin(2);
	put_number("*.limit", 9);
	put_number("my.two.limit", 8);
	loads(two, "of all, and of one");
	is_str(seen(0), "9", "that of all");
	is_str(seen(1), "8 7", "a rule's own comes first");
	begin(1);
	put_text("my.right.word", "set");
	loads(two, "of one that shares its table with another");
	is_str(seen(2), "default", "the other's stays");
	is_str(seen(3), "set", "its own is set");
}

static void refused(const char *text, const char *wanted)
{
	char first[1024] = "";
	is_num(load(text), SENSE_E_CONFIG, "refused: %s", wanted);
	if (report.count)
		sense_problem_format(&report.items[0], first, sizeof first);
	is_str(first, wanted, "which says why");
	is_num(sense_ruleset_count(set), 0, "and nothing is loaded");
}

static void wrong(void)
{
	const char *const fine[] = {"b"};
	begin(1);
	put_text("my.kinds.limit", "many");
	refused(kinds,
	        "pol/p.lua:2: rule \"my.kinds\": params.limit: is a number, and the server set it to 'many'");
	begin(1);
	put_number("my.kinds.word", 5);
	refused(kinds, "pol/p.lua:2: rule \"my.kinds\": params.word: is a text, and the server set it to 5");
	begin(1);
	put_texts("my.kinds.on", 1, fine);
	refused(kinds,
	        "pol/p.lua:2: rule \"my.kinds\": params.on: is a boolean, and the server set it to a list");
	begin(1);
	put_bool("my.kinds.fine", true);
	refused(
	    kinds,
	    "pol/p.lua:2: rule \"my.kinds\": params.fine: is a set of texts, and the server set it to true");
	begin(1);
	put_numbers("my.kinds.list", 1, 2);
	refused(kinds, "pol/p.lua:2: rule \"my.kinds\": params.list: is a list of texts, and the server set "
	               "it to a list with 1");
	begin(1);
	put_texts("my.kinds.ports", 1, fine);
	refused(kinds, "pol/p.lua:2: rule \"my.kinds\": params.ports: is a set of numbers, and the server "
	               "set it to a list with 'b'");
	begin(1);
	put_number("my.kinds.own", 1);
	refused(kinds, "pol/p.lua:2: rule \"my.kinds\": params.own: is a table with keys or tables in it, "
	               "which no server "
	               "can set");
	begin(2);
	put_number("*.limit", 9);
	put_number("my.kinds.limti", 9);
	refused(
	    kinds,
	    "fleet:params: my.kinds.limti: the server sets it, and no rule has such a param, did you mean "
	    "'my.kinds.limit'?");
	begin(1);
	put_number("*.nothing", 9);
	refused(kinds, "fleet:params: *.nothing: the server sets it, and no rule has such a param");
	begin(1);
	put_number("limit", 9);
	refused(
	    kinds,
	    "fleet:params: limit: the server sets it, and no rule has such a param, did you mean '*.limit'?");
	/* A rule that is wrong itself has the word, and its settings are not called strange for it. */
	begin(1);
	put_number("my.r.limit", 9);
	refused("rule 'my.r' { params = { limit = 1 }, severity = 'low', on = 'tls' }",
	        "pol/p.lua:1: rule \"my.r\": title: is missing: one line: what was seen");
	is_num(report.count, 1, "and nothing else");
	begin(1);
	put_number("my.r.limit", 9);
	refused("rule 'my.r' { params = 5, title = 't', severity = 'low', on = 'tls' }",
	        "pol/p.lua:1: rule \"my.r\": params: takes a table");
	is_num(report.count, 1, "and nothing else, either");
}

/* ---- bytes that no server sends ---- */

static void bounds(void)
{
	static char word[2048], name[256];
	begin(1);
	memset(word, 'w', SENSE_MANIFEST_PARAM_TEXT_MAX);
	put_text("my.kinds.word", word);
	loads(kinds, "the longest text");
	memset(word, 'w', SENSE_MANIFEST_PARAM_TEXT_MAX + 1);
	begin(1);
	put_text("my.kinds.word", word);
	refused(kinds, "fleet:params: a setting has a text that is too long");
	begin(1);
	put_texts("my.kinds.fine", SENSE_MANIFEST_PARAM_ARRAY_MAX, NULL);
	loads(kinds, "the longest list");
	begin(1);
	put_texts("my.kinds.fine", SENSE_MANIFEST_PARAM_ARRAY_MAX + 1, NULL);
	refused(kinds, "fleet:params: a setting is a list of too many entries");
	begin(1);
	memset(name, 'n', SENSE_MANIFEST_PARAM_NAME_MAX + 1);
	put_number(name, 1);
	refused(kinds, "fleet:params: a setting has a name that is too long");
	begin(SENSE_MANIFEST_PARAM_COUNT_MAX + 1);
	for (unsigned i = 0; i <= SENSE_MANIFEST_PARAM_COUNT_MAX; i++) {
		snprintf(name, sizeof name, "*.%u", i);
		put_number(name, i);
	}
	refused(kinds, "fleet:params: there are too many settings");
	begin(1);
	sense_wire_put_string(&settings, "my.kinds.own");
	sense_wire_put_map(&settings, 0);
	refused(kinds, "fleet:params: a setting is neither a text, a number, a boolean nor a list");
	begin(1);
	sense_wire_put_string(&settings, "my.kinds.list");
	sense_wire_put_array(&settings, 1);
	sense_wire_put_array(&settings, 0);
	refused(kinds, "fleet:params: a setting is a list with an entry that is neither a text nor a number");
	begin(0);
	sense_wire_put_map(&settings, 0);
	refused(kinds, "fleet:params: there is something behind the settings");
}

/* No part of a map is one, and none of them reads behind its end (the sanitizers look). */
static void cut(void)
{
	unsigned taken = 0;
	begin(2);
	put_texts("my.kinds.fine", 2, (const char *const[]){"b", "c"});
	put_number("my.kinds.limit", 1.5);
	size_t whole = settings.len;
	for (settings.len = 1; settings.len < whole; settings.len++)
		taken += load(kinds) != SENSE_E_CONFIG;
	is_num(taken, 0, "no part of a map is taken");
	settings.len = whole;
	loads(kinds, "the whole is");
}

int main(void)
{
	sense_report_init(&report);
	applied();
	meant();
	wrong();
	bounds();
	cut();
	sense_lua_free(lua);
	sense_ruleset_free(set);
	sense_report_fini(&report);
	return tap_done();
}
