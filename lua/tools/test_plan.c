#include <string.h>

#include "lua/cidr.h"
#include "lua/read.h"
#include "lua/state.h"
#include "lua/tools/test.h"

#define PLAN_MAX ((size_t)64 << 20)

/* ---- reading tables of lua/sense/test.lua ---- */

struct reading {
	struct sense_test_plan *plan;
	int number;
};

static void *room(lua_State *L, struct reading *reading, size_t size)
{
	void *p = sense_arena_alloc(&reading->plan->arena, size ? size : 1);
	if (!p)
		luaL_error(L, "the test is too large");
	return p;
}

/* A copy of table[key], which is a text; NULL when it is not there. */
static const char *text_of(lua_State *L, struct reading *reading, int table, const char *key)
{
	size_t len;
	lua_getfield(L, table, key);
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
	if (text) {
		char *copy = room(L, reading, len + 1);
		memcpy(copy, text, len);
		text = copy;
	}
	lua_pop(L, 1);
	return text;
}

static void value_of(lua_State *L, struct reading *reading, int table, struct sense_value *out)
{
	lua_getfield(L, table, "value");
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		out->type = SENSE_VALUE_NUMBER;
		out->number = lua_tonumber(L, -1);
		break;
	case LUA_TBOOLEAN:
		out->type = SENSE_VALUE_BOOL;
		out->boolean = lua_toboolean(L, -1);
		break;
	default:
		out->type = SENSE_VALUE_STRING;
		out->string.text = text_of(L, reading, table, "value");
		break;
	}
	lua_pop(L, 1);
}

static void values_read(lua_State *L, struct reading *reading, int table, struct sense_test_step *step)
{
	step->value_count = sense_read_list(L, table, "values");
	step->values = room(L, reading, step->value_count * sizeof *step->values);
	for (unsigned i = 0; i < step->value_count; i++) {
		struct sense_test_value *value = &step->values[i];
		lua_rawgeti(L, -1, (int)i + 1);
		value->field = (enum sense_field)sense_read_number(L, lua_gettop(L), "number");
		value_of(L, reading, lua_gettop(L), &value->value);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static void keys_read(lua_State *L, struct reading *reading, int table, struct sense_test_step *step)
{
	step->key_count = sense_read_list(L, table, "keys");
	step->keys = room(L, reading, step->key_count * sizeof *step->keys);
	for (unsigned i = 0; i < step->key_count; i++) {
		struct sense_test_key *key = &step->keys[i];
		lua_rawgeti(L, -1, (int)i + 1);
		int entry = lua_gettop(L);
		key->name = text_of(L, reading, entry, "key");
		lua_getfield(L, entry, "like");
		key->like = lua_toboolean(L, -1);
		value_of(L, reading, entry, &key->value);
		lua_settop(L, entry - 1);
	}
	lua_pop(L, 1);
}

static void step_read(lua_State *L, struct reading *reading, int table, struct sense_test_step *step)
{
	static const char *const ops[] = {"event", "capture", "expect", "nothing"};
	const char *op = text_of(L, reading, table, "op");
	for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++)
		if (op && !strcmp(op, ops[i]))
			step->op = (enum sense_test_op)i;
	step->line = (int)sense_read_number(L, table, "line");
	step->kind = (enum sense_event_kind)sense_read_number(L, table, "kind");
	step->ts_us = (uint64_t)sense_read_number(L, table, "ts");
	step->path = text_of(L, reading, table, "path");
	step->rule = text_of(L, reading, table, "rule");
	step->times = (unsigned)sense_read_number(L, table, "times");
	values_read(L, reading, table, step);
	keys_read(L, reading, table, step);
}

static void params_read(lua_State *L, struct reading *reading, int table)
{
	struct sense_test_plan *plan = reading->plan;
	plan->param_count = sense_read_list(L, table, "params");
	plan->params = room(L, reading, plan->param_count * sizeof *plan->params);
	for (unsigned i = 0; i < plan->param_count; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		int entry = lua_gettop(L);
		plan->params[i].rule = text_of(L, reading, entry, "rule");
		plan->params[i].text = text_of(L, reading, entry, "text");
		plan->params[i].line = (int)sense_read_number(L, entry, "line");
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static void record_body(sense_lua *lua, lua_State *L, void *arg)
{
	struct reading *reading = arg;
	struct sense_test_plan *plan = reading->plan;
	(void)lua;
	sense_lua_module(L, "test", "record");
	lua_pushinteger(L, reading->number + 1);
	lua_call(L, 1, 2);
	int error = lua_gettop(L), table = error - 1;
	if (lua_type(L, error) == LUA_TSTRING) {
		size_t len;
		const char *text = lua_tolstring(L, error, &len);
		char *copy = room(L, reading, len + 1);
		plan->error = memcpy(copy, text, len);
	}
	plan->only_line = (int)sense_read_number(L, table, "only");
	params_read(L, reading, table);
	plan->step_count = sense_read_list(L, table, "steps");
	plan->steps = room(L, reading, plan->step_count * sizeof *plan->steps);
	for (unsigned i = 0; i < plan->step_count; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		step_read(L, reading, lua_gettop(L), &plan->steps[i]);
		lua_pop(L, 1);
	}
}

enum sense_status sense_test_record(sense_lua *lua, int number, struct sense_test_plan *plan,
                                    sense_error *err)
{
	struct reading reading = {plan, number};
	memset(plan, 0, sizeof *plan);
	sense_arena_init(&plan->arena, PLAN_MAX);
	return sense_lua_protect(lua, record_body, &reading, lua->limits.load_us, err);
}

void sense_test_plan_fini(struct sense_test_plan *plan)
{
	sense_arena_fini(&plan->arena);
	memset(plan, 0, sizeof *plan);
}

/* ---- files ---- */

struct loading {
	const struct sense_policy_source *file;
	int count;
};

static void load_body(sense_lua *lua, lua_State *L, void *arg)
{
	struct loading *loading = arg;
	const struct sense_policy_source *file = loading->file;
	(void)lua;
	sense_lua_module(L, "test", "load");
	if (!sense_lua_compile(L, file->file, file->text, file->len))
		lua_error(L);
	lua_pushstring(L, file->file);
	lua_call(L, 2, 1);
	loading->count = (int)lua_objlen(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, "sense.tests");
}

int sense_test_load(sense_lua *lua, const struct sense_policy_source *file, sense_error *err)
{
	struct loading loading = {file, 0};
	sense_lua_compiled(lua, false); /* test functions run once, and must see their limit */
	return sense_lua_protect(lua, load_body, &loading, lua->limits.load_us, err) ? -1 : loading.count;
}

struct about {
	int number, line;
	char *name;
	size_t cap;
};

static void about_body(sense_lua *lua, lua_State *L, void *arg)
{
	struct about *about = arg;
	(void)lua;
	lua_getfield(L, LUA_REGISTRYINDEX, "sense.tests");
	lua_rawgeti(L, -1, about->number + 1);
	lua_getfield(L, -1, "name");
	about->line = (int)sense_read_number(L, lua_gettop(L) - 1, "line");
	snprintf(about->name, about->cap, "%s", lua_tostring(L, -1));
}

enum sense_status sense_test_about(sense_lua *lua, int number, char *name, size_t cap, int *line)
{
	struct about about = {.number = number, .name = name, .cap = cap};
	enum sense_status status = sense_lua_protect(lua, about_body, &about, lua->limits.load_us, NULL);
	*line = about.line;
	return status;
}

/* ---- params ---- */

static void params_body(sense_lua *lua, lua_State *L, void *arg)
{
	const struct sense_test_plan *plan = arg;
	luaL_Buffer text;
	(void)lua;
	luaL_buffinit(L, &text);
	luaL_addstring(&text, "return { ");
	for (unsigned i = 0; i < plan->param_count; i++) {
		luaL_addstring(&text, plan->params[i].text);
		luaL_addstring(&text, ", ");
	}
	luaL_addstring(&text, "}");
	luaL_pushresult(&text);
	int at = lua_gettop(L);
	sense_lua_module(L, "test", "override");
	if (!sense_lua_compile(L, "params", lua_tostring(L, at), lua_objlen(L, at)))
		lua_error(L);
	lua_call(L, 1, 0);
}

enum sense_status sense_test_params(sense_lua *lua, const void *plan, sense_error *err)
{
	return sense_lua_protect(lua, params_body, (void *)plan, lua->limits.load_us, err);
}
