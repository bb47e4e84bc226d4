/* The event handle: what lua/sense/event.lua needs of C. */
#include <math.h>
#include <string.h>

#include "core/rules/rule.h"
#include "lua/state.h"

/* Called through ffi: fills the view with one field of the event in hand. */
static void view_get(struct sense_view *view, int field)
{
	struct sense_value *value = &view->value;
	if (field == view->field)
		return; /* rules of one event mostly ask for the same */
	view->field = field;
	value->type = SENSE_VALUE_NONE;
	if (view->event && field >= 0 && field < SENSE_FIELD_COUNT)
		sense_event_get(view->event, (enum sense_field)field, value);
	if (value->type == SENSE_VALUE_ADDR) {
		sense_addr_format(&value->addr, view->addr);
		value->type = SENSE_VALUE_STRING;
		value->string.text = view->addr;
		value->string.len = (uint32_t)strlen(view->addr);
	}
}

static const char *type_word(enum sense_value_type type)
{
	switch (type) {
	case SENSE_VALUE_NUMBER:
		return "number";
	case SENSE_VALUE_BOOL:
		return "boolean";
	case SENSE_VALUE_ADDR:
		return "address";
	default:
		return "string";
	}
}

static void set_text(lua_State *L, int index, const char *text)
{
	lua_pushstring(L, text);
	lua_rawseti(L, -2, index);
}

static void set_number(lua_State *L, const char *key, double value)
{
	lua_pushnumber(L, value);
	lua_setfield(L, -2, key);
}

/* fields[i] = { name, type, documentation, bits of events }, from 1 where enum sense_field counts from 0. */
static void push_fields(lua_State *L)
{
	lua_createtable(L, SENSE_FIELD_COUNT, 0);
	for (int i = 0; i < SENSE_FIELD_COUNT; i++) {
		lua_createtable(L, 4, 0);
		set_text(L, 1, sense_field_name((enum sense_field)i));
		set_text(L, 2, type_word(sense_field_type((enum sense_field)i)));
		set_text(L, 3, sense_field_doc((enum sense_field)i));
		lua_pushnumber(L, sense_field_events((enum sense_field)i));
		lua_rawseti(L, -2, 4);
		lua_rawseti(L, -2, i + 1);
	}
}

void sense_bind_event(sense_lua *lua, lua_State *L, int host)
{
	/* As numbers: this LuaJIT cannot hold a light userdata above 2^47, a double holds 2^53. */
	lua_pushnumber(L, (double)(uintptr_t)&lua->view);
	lua_setfield(L, host, "view");
	lua_pushnumber(L, (double)(uintptr_t)view_get);
	lua_setfield(L, host, "event_get");
	lua_pushnumber(L, (double)(uintptr_t)lua->view.holds);
	lua_setfield(L, host, "holds");
	lua_pushnumber(L, (double)(uintptr_t)&lua->mark->rule);
	lua_setfield(L, host, "mark");

	lua_newtable(L);
	set_number(L, "string", SENSE_VALUE_STRING);
	set_number(L, "number", SENSE_VALUE_NUMBER);
	set_number(L, "boolean", SENSE_VALUE_BOOL);
	lua_setfield(L, host, "types");

	push_fields(L);
	lua_setfield(L, host, "fields");

	lua_createtable(L, SENSE_EVENT_KINDS, 0);
	for (int i = 0; i < SENSE_EVENT_KINDS; i++)
		set_text(L, i + 1, sense_event_name((enum sense_event_kind)i));
	lua_setfield(L, host, "events");

	lua_createtable(L, SENSE_CRITICAL + 1, 0);
	for (int i = 0; i <= SENSE_CRITICAL; i++)
		set_text(L, i + 1, sense_severity_name((enum sense_severity)i));
	lua_setfield(L, host, "severities");

	lua_newtable(L);
	set_number(L, "in", SENSE_OP_IN);
	set_number(L, "prefix", SENSE_OP_PREFIX);
	set_number(L, "suffix", SENSE_OP_SUFFIX);
	set_number(L, "range", SENSE_OP_RANGE);
	set_number(L, "cidr", SENSE_OP_CIDR);
	set_number(L, "set", SENSE_OP_SET);
	lua_setfield(L, host, "ops");
}
