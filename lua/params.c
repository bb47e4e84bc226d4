#include "lua/params.h"

#include "lua/state.h"
#include "proto/manifest.h"

#define FILE_NAME "fleet:params"

/* ---- from MessagePack to a table -------------------------------------------------------------- */

/* Does not return; the message is the reader's, if it has one. */
static void refuse(lua_State *L, const struct sense_wire_reader *reader, const char *what)
{
	if (reader->why)
		luaL_error(L, "the map of settings %s", reader->why);
	luaL_error(L, "%s", what);
}

static void push_text(lua_State *L, struct sense_wire_reader *reader)
{
	struct sense_wire_key text;
	if (!sense_wire_get_key(reader, &text) || text.len > SENSE_MANIFEST_PARAM_TEXT_MAX)
		refuse(L, reader, "a setting has a text that is too long");
	lua_pushlstring(L, text.text, text.len);
}

static void push_number(lua_State *L, struct sense_wire_reader *reader)
{
	double number = 0;
	if (!sense_wire_get_number(reader, &number))
		refuse(L, reader, "a setting is no number");
	lua_pushnumber(L, number);
}

static void push_array(lua_State *L, struct sense_wire_reader *reader)
{
	uint32_t count = 0;
	if (!sense_wire_get_array(reader, &count) || count > SENSE_MANIFEST_PARAM_ARRAY_MAX)
		refuse(L, reader, "a setting is a list of too many entries");
	lua_createtable(L, (int)count, 0);
	for (uint32_t i = 1; i <= count; i++) {
		enum sense_wire_kind kind = sense_wire_kind(reader);
		if (kind == SENSE_WIRE_KIND_STRING)
			push_text(L, reader);
		else if (kind == SENSE_WIRE_KIND_NUMBER)
			push_number(L, reader);
		else
			refuse(L, reader,
			       "a setting is a list with an entry that is neither a text nor a number");
		lua_rawseti(L, -2, (int)i);
	}
}

static void push_value(lua_State *L, struct sense_wire_reader *reader)
{
	bool boolean = false;
	switch (sense_wire_kind(reader)) {
	case SENSE_WIRE_KIND_STRING:
		push_text(L, reader);
		break;
	case SENSE_WIRE_KIND_NUMBER:
		push_number(L, reader);
		break;
	case SENSE_WIRE_KIND_ARRAY:
		push_array(L, reader);
		break;
	case SENSE_WIRE_KIND_BOOL:
		if (!sense_wire_get_bool(reader, &boolean))
			refuse(L, reader, "a setting is no boolean");
		lua_pushboolean(L, boolean);
		break;
	default:
		refuse(L, reader, "a setting is neither a text, a number, a boolean nor a list");
	}
}

static uint32_t push_map(lua_State *L, struct sense_wire_reader *reader)
{
	struct sense_wire_key name;
	uint32_t count = 0;
	if (!sense_wire_get_map(reader, &count) || count > SENSE_MANIFEST_PARAM_COUNT_MAX)
		refuse(L, reader, "there are too many settings");
	lua_createtable(L, 0, (int)count);
	for (uint32_t i = 0; i < count; i++) {
		if (!sense_wire_get_key(reader, &name) || name.len > SENSE_MANIFEST_PARAM_NAME_MAX)
			refuse(L, reader, "a setting has a name that is too long");
		lua_pushlstring(L, name.text, name.len);
		push_value(L, reader);
		lua_rawset(L, -3);
	}
	if (reader->at != reader->end)
		refuse(L, reader, "there is something behind the settings");
	return count;
}

/* ---- where the loader is ---------------------------------------------------------------------- */

static void begin_body(sense_lua *lua, lua_State *L, void *arg)
{
	struct sense_policy_steps *steps = arg;
	const struct sense_policy_sources *sources = steps->sources;
	struct sense_wire_reader reader = {.at = sources->params,
	                                   .end = sources->params + sources->params_len};
	(void)lua;
	sense_lua_module(L, "params", "begin");
	steps->params = push_map(L, &reader);
	lua_call(L, 1, 0);
}

static void end_body(sense_lua *lua, lua_State *L, void *arg)
{
	(void)lua;
	(void)arg;
	sense_lua_module(L, "params", "finish");
	lua_call(L, 0, 0);
}

static void step(struct sense_policy_steps *steps, sense_lua_body *body)
{
	struct sense_error why;
	struct sense_problem problem = {.file = FILE_NAME, .message = why.message};
	if (sense_lua_protect(steps->lua, body, steps, steps->lua->limits.load_us, &why))
		sense_report_add(steps->report, &problem);
}

void sense_params_begin(struct sense_policy_steps *steps)
{
	step(steps, begin_body);
}

void sense_params_end(struct sense_policy_steps *steps)
{
	step(steps, end_body);
}
