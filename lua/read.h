/* Members of a table that trusted Lua made, as C takes them. Within a body (lua/state.h). */
#ifndef SENSE_LUA_READ_H
#define SENSE_LUA_READ_H

#include <lua.h>
#include <stdbool.h>

/* NULL when it is no text. The table keeps it alive. */
static inline const char *sense_read_text(lua_State *L, int table, const char *key)
{
	lua_getfield(L, table, key);
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
	lua_pop(L, 1);
	return text;
}

static inline double sense_read_number(lua_State *L, int table, const char *key)
{
	lua_getfield(L, table, key);
	double number = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return number;
}

static inline bool sense_read_flag(lua_State *L, int table, const char *key)
{
	lua_getfield(L, table, key);
	bool flag = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return flag;
}

/* Pushes a list and gives its length; 0 when it is not there. */
static inline unsigned sense_read_list(lua_State *L, int table, const char *key)
{
	lua_getfield(L, table, key);
	return lua_istable(L, -1) ? (unsigned)lua_objlen(L, -1) : 0;
}

#endif
