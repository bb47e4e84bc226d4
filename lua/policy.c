#include "lua/policy.h"

#include <string.h>

#include "lua/cidr.h"
#include "lua/params.h"
#include "lua/read.h"
#include "lua/state.h"

struct load {
	const struct sense_policy_source *source;
	sense_ruleset *set;
	struct sense_report *report;
	struct sense_arena scratch; /* one rule's arrays, until the set has copied them */
	sense_error *err;
	enum sense_status status;
};

/* ---- running the files ----------------------------------------------------------------------- */

static void run_source(sense_lua *lua, lua_State *L, void *arg)
{
	const struct sense_policy_source *source = ((struct load *)arg)->source;
	(void)lua;
	sense_lua_module(L, "policy", "load");
	if (sense_lua_compile(L, source->name, source->text, source->len)) {
		lua_pushnil(L);
	} else {
		lua_pushnil(L);
		lua_insert(L, -2);
	}
	lua_pushstring(L, source->file);
	lua_pushstring(L, source->name);
	lua_pushlstring(L, source->text, source->len);
	lua_call(L, 5, 0);
}

static void collect_problems(sense_lua *lua, lua_State *L, void *arg)
{
	struct load *load = arg;
	(void)lua;
	sense_lua_module(L, "policy", "problems");
	int list = lua_gettop(L);
	for (int i = 1; i <= (int)lua_objlen(L, list); i++) {
		lua_rawgeti(L, list, i);
		int entry = lua_gettop(L);
		struct sense_problem problem = {
		    .file = sense_read_text(L, entry, "file"),
		    .line = (int)sense_read_number(L, entry, "line"),
		    .rule = sense_read_text(L, entry, "rule"),
		    .key = sense_read_text(L, entry, "key"),
		    .message = sense_read_text(L, entry, "message"),
		};
		sense_report_add(load->report, &problem);
		lua_pop(L, 1);
	}
}

/* ---- from flat tables to struct sense_rule --------------------------------------------------- */

/* Memory of one rule; a failure unwinds to sense_lua_protect, so callers need not look. */
static void *scratch(lua_State *L, struct load *load, size_t size)
{
	void *p = sense_arena_alloc(&load->scratch, size ? size : 1);
	if (!p)
		luaL_error(L, "no memory for rules");
	return p;
}

static const char *const *strings_of(lua_State *L, struct load *load, int table, const char *key,
				     unsigned *count)
{
	unsigned n = sense_read_list(L, table, key);
	const char **list = scratch(L, load, n * sizeof *list);
	for (unsigned i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		list[i] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*count = n;
	return list;
}

static const double *numbers_of(lua_State *L, struct load *load, int table, const char *key, unsigned *count)
{
	unsigned n = sense_read_list(L, table, key);
	double *list = scratch(L, load, n * sizeof *list);
	for (unsigned i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		list[i] = lua_tonumber(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*count = n;
	return list;
}

static const struct sense_cidr *cidrs_of(lua_State *L, struct load *load, int table, const char *key,
					 unsigned *count)
{
	unsigned n;
	const char *const *texts = strings_of(L, load, table, key, &n);
	struct sense_cidr *list = scratch(L, load, n * sizeof *list);
	for (unsigned i = 0; i < n; i++) {
		if (!sense_cidr_parse(texts[i], &list[i]))
			luaL_error(L, "'%s' is not a network", texts[i]);
	}
	*count = n;
	return list;
}

static void read_condition(lua_State *L, struct load *load, int table, struct sense_condition *out)
{
	unsigned strings, numbers, cidrs;
	out->field = (enum sense_field)sense_read_number(L, table, "field");
	out->op = (enum sense_op)sense_read_number(L, table, "op");
	out->negate = sense_read_flag(L, table, "negate");
	out->boolean = sense_read_flag(L, table, "boolean");
	out->min = sense_read_number(L, table, "min");
	out->max = sense_read_number(L, table, "max");
	out->strings = strings_of(L, load, table, "strings", &strings);
	out->numbers = numbers_of(L, load, table, "numbers", &numbers);
	out->cidrs = cidrs_of(L, load, table, "cidrs", &cidrs);
	out->count = strings + numbers + cidrs; /* one of the three is there */
}

static const struct sense_condition *conditions_of(lua_State *L, struct load *load, int table,
                                                   unsigned *count)
{
	unsigned n = sense_read_list(L, table, "conditions");
	struct sense_condition *list = scratch(L, load, n * sizeof *list);
	for (unsigned i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		read_condition(L, load, lua_gettop(L), &list[i]);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*count = n;
	return list;
}

/* The clause at the top of the stack: numbers of its conditions, from 1. */
static void read_clause(lua_State *L, struct load *load, const struct sense_condition *conditions,
                        struct sense_clause *out)
{
	unsigned n = (unsigned)lua_objlen(L, -1);
	struct sense_condition *list = scratch(L, load, n * sizeof *list);
	for (unsigned i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		list[i] = conditions[lua_tointeger(L, -1) - 1]; /* their values are shared */
		lua_pop(L, 1);
	}
	*out = (struct sense_clause){n, list};
}

static void read_match(lua_State *L, struct load *load, int table, struct sense_rule *rule)
{
	unsigned total;
	lua_getfield(L, table, "match");
	int match = lua_gettop(L);
	rule->conditions = conditions_of(L, load, match, &total);
	rule->condition_count = (unsigned)sense_read_number(L, match, "shared");
	rule->clause_count = sense_read_list(L, match, "clauses");
	struct sense_clause *clauses = scratch(L, load, rule->clause_count * sizeof *clauses);
	for (unsigned i = 0; i < rule->clause_count; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		read_clause(L, load, rule->conditions, &clauses[i]);
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
	rule->clauses = clauses;
}

static void read_throttle(lua_State *L, struct load *load, int table, struct sense_rule *rule)
{
	lua_getfield(L, table, "throttle");
	if (lua_istable(L, -1)) {
		unsigned n;
		int throttle = lua_gettop(L);
		const double *by = numbers_of(L, load, throttle, "by", &n);
		for (unsigned i = 0; i < n && i < SENSE_THROTTLE_FIELDS_MAX; i++)
			rule->throttle_by[rule->throttle_by_count++] = (enum sense_field)by[i];
		rule->throttle_us = (uint64_t)sense_read_number(L, throttle, "us");
	}
	lua_pop(L, 1);
}

static void read_indicator(lua_State *L, int table, struct sense_indicator *out)
{
	lua_getfield(L, table, "indicator");
	if (lua_istable(L, -1)) {
		int indicator = lua_gettop(L);
		out->kind = sense_read_text(L, indicator, "kind");
		out->weight = (uint8_t)sense_read_number(L, indicator, "weight");
		lua_getfield(L, indicator, "about");
		out->has_about = lua_isnumber(L, -1);
		out->about = (enum sense_field)lua_tonumber(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* Keeps the function where lua/script.c finds it by the rule's number. */
static bool keep_function(lua_State *L, int table, const char *key, unsigned number)
{
	sense_lua *lua = sense_lua_of(L);
	int slot = !strcmp(key, "when") ? SENSE_SLOT_WHEN : SENSE_SLOT_FINDING;
	lua_getfield(L, table, key);
	bool is_function = lua_isfunction(L, -1);
	if (is_function) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, lua->refs[slot]);
		lua_insert(L, -2);
		lua_rawseti(L, -2, (int)number + 1);
	}
	lua_pop(L, 1);
	return is_function;
}

static void read_rule(lua_State *L, struct load *load, int table)
{
	struct sense_rule rule = {
	    .id = sense_read_text(L, table, "id"),
	    .policy = sense_read_text(L, table, "policy"),
	    .file = sense_read_text(L, table, "file"),
	    .line = (int)sense_read_number(L, table, "line"),
	    .title = sense_read_text(L, table, "title"),
	    .type = sense_read_text(L, table, "type"),
	    .severity = (enum sense_severity)sense_read_number(L, table, "severity"),
	    .confidence = (uint8_t)sense_read_number(L, table, "confidence"),
	    .action = sense_read_text(L, table, "action"),
	    .events = (uint32_t)sense_read_number(L, table, "on"),
	};
	unsigned number = sense_ruleset_count(load->set);
	rule.tags = strings_of(L, load, table, "tags", &rule.tag_count);
	read_match(L, load, table, &rule);
	read_throttle(L, load, table, &rule);
	read_indicator(L, table, &rule.indicator);
	rule.has_when = keep_function(L, table, "when", number);
	rule.has_finding = keep_function(L, table, "finding", number);
	load->status = sense_ruleset_add(load->set, &rule, load->err);
}

static void collect_rules(sense_lua *lua, lua_State *L, void *arg)
{
	struct load *load = arg;
	(void)lua;
	sense_lua_module(L, "policy", "rules");
	int list = lua_gettop(L);
	for (int i = 1; i <= (int)lua_objlen(L, list) && !load->status; i++) {
		lua_rawgeti(L, list, i);
		read_rule(L, load, lua_gettop(L));
		lua_pop(L, 1);
		sense_arena_reset(&load->scratch);
	}
}

/* A file that took too long or too much memory is a problem of that file, not of the run. */
static void report_failure(struct load *load, const sense_error *why)
{
	struct sense_problem problem = {.file = load->source->file, .message = why->message};
	sense_report_add(load->report, &problem);
}

void sense_policy_begin(struct sense_policy_steps *steps)
{
	steps->next = steps->params = 0;
	steps->problems_before = steps->report->count;
	sense_lua_compiled(steps->lua, false);
	if (steps->sources->params)
		sense_params_begin(steps);
}

bool sense_policy_step(struct sense_policy_steps *steps)
{
	struct sense_error why;
	struct load load = {.set = steps->set, .report = steps->report};
	if (steps->next >= steps->sources->count)
		return false;
	sense_lua_room(steps->lua);
	load.source = &steps->sources->items[steps->next++];
	if (sense_lua_protect(steps->lua, run_source, &load, steps->lua->limits.load_us, &why))
		report_failure(&load, &why);
	return steps->next < steps->sources->count;
}

enum sense_status sense_policy_finish(struct sense_policy_steps *steps, sense_error *err)
{
	sense_lua *lua = steps->lua;
	const struct sense_report *report = steps->report;
	struct load load = {.set = steps->set, .report = steps->report, .err = err};
	uint64_t collect_us = lua->limits.load_us * (steps->sources->count + 1);
	sense_lua_compiled(lua, true);
	if (steps->sources->params && report->count == steps->problems_before)
		sense_params_end(steps);
	enum sense_status status = sense_lua_protect(lua, collect_problems, &load, collect_us, err);
	if (status)
		return status;
	unsigned found = report->count - steps->problems_before;
	if (found)
		return sense_fail(err, SENSE_E_CONFIG, "policy", "%u problem%s in the policies", found,
				  found == 1 ? "" : "s");
	sense_arena_init(&load.scratch, (size_t)16 << 20);
	status = sense_lua_protect(lua, collect_rules, &load, collect_us, err);
	sense_arena_fini(&load.scratch);
	status = status ? status : load.status;
	sense_lua_sweep(lua); /* what loading left: neither to be kept nor for the first events to collect */
	return status ? status : sense_budget_init(&lua->budget, sense_ruleset_count(steps->set), err);
}

enum sense_status sense_policy_load(sense_lua *lua, const struct sense_policy_sources *sources,
				    sense_ruleset *set, struct sense_report *report, sense_error *err)
{
	struct sense_policy_steps steps = {.lua = lua, .sources = sources, .set = set, .report = report};
	sense_policy_begin(&steps);
	while (sense_policy_step(&steps))
		;
	return sense_policy_finish(&steps, err);
}
