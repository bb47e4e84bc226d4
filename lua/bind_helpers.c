/* What C offers to trusted chunks (table `host`), some of it passed on to policies by env.lua. */
#include <math.h>
#include <string.h>

#include "core/base/version.h"
#include "core/conf/units.h"
#include "lua/cidr.h"
#include "lua/state.h"

#define NEAREST_MAX 256
#define CIDR_MAX 4096

static int bytes_format(lua_State *L)
{
	char text[40];
	sense_bytes_format(luaL_checknumber(L, 1), text, sizeof text);
	lua_pushstring(L, text);
	return 1;
}

static int duration_format(lua_State *L)
{
	char text[64];
	sense_duration_format(luaL_checknumber(L, 1), text, sizeof text);
	lua_pushstring(L, text);
	return 1;
}

/* bytes_parse(text): a number, or nil. */
static int bytes_parse(lua_State *L)
{
	uint64_t bytes;
	if (!sense_bytes_parse(luaL_checkstring(L, 1), &bytes))
		return 0;
	lua_pushnumber(L, (double)bytes);
	return 1;
}

/* duration_parse(text): seconds, or nil. */
static int duration_parse(lua_State *L)
{
	uint64_t us;
	if (!sense_duration_parse(luaL_checkstring(L, 1), &us))
		return 0;
	lua_pushnumber(L, (double)us / 1e6);
	return 1;
}

/* nearest(word, list): the one that was probably meant, or nil. */
static int nearest(lua_State *L)
{
	const char *names[NEAREST_MAX + 1];
	unsigned count = 0;
	const char *word = luaL_checkstring(L, 1);
	luaL_checktype(L, 2, LUA_TTABLE);
	while (count < NEAREST_MAX) {
		lua_rawgeti(L, 2, (int)count + 1);
		bool is_text = lua_type(L, -1) == LUA_TSTRING;
		names[count] = is_text ? lua_tostring(L, -1) : NULL;
		lua_pop(L, 1); /* the list keeps it alive */
		if (!is_text)
			break;
		count++;
	}
	names[count] = NULL;
	const char *near = strlen(word) <= 64 ? sense_nearest(word, names) : NULL;
	if (!near)
		return 0;
	lua_pushstring(L, near);
	return 1;
}

/* where(level): file and line of the code that is `level` calls up. */
static int where(lua_State *L)
{
	lua_Debug info;
	int level = (int)luaL_checkinteger(L, 1);
	if (!lua_getstack(L, level, &info) || !lua_getinfo(L, "l", &info) || info.currentline < 0)
		return 0;
	lua_pushinteger(L, info.currentline);
	return 1;
}

/* version_at_least("0.3"): is this agent that, or later? */
static int version_at_least(lua_State *L)
{
	lua_pushboolean(L, sense_version_at_least(luaL_checkstring(L, 1)));
	return 1;
}

static int is_cidr(lua_State *L)
{
	struct sense_cidr network;
	lua_pushboolean(L, lua_type(L, 1) == LUA_TSTRING && sense_cidr_parse(lua_tostring(L, 1), &network));
	return 1;
}

struct networks {
	unsigned count;
	struct sense_cidr list[];
};

static int cidr_holds(lua_State *L)
{
	const struct networks *networks = lua_touserdata(L, lua_upvalueindex(1));
	struct sense_cidr one;
	bool inside = false;
	if (lua_type(L, 1) == LUA_TSTRING && sense_cidr_parse(lua_tostring(L, 1), &one))
		for (unsigned i = 0; i < networks->count && !inside; i++)
			inside = sense_cidr_holds(&networks->list[i], &one.addr);
	lua_pushboolean(L, inside);
	return 1;
}

/* cidr "10.0.0.0/8", cidr { "10.0.0.0/8", ... }: a function that tells if an address is inside. */
static int cidr(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING) {
		lua_createtable(L, 1, 0);
		lua_pushvalue(L, 1);
		lua_rawseti(L, -2, 1);
		lua_replace(L, 1);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t count = lua_objlen(L, 1);
	luaL_argcheck(L, count > 0 && count <= CIDR_MAX, 1, "takes 1 to 4096 networks");
	struct networks *networks = lua_newuserdata(L, sizeof *networks + count * sizeof *networks->list);
	networks->count = (unsigned)count;
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		if (lua_type(L, -1) != LUA_TSTRING ||
		    !sense_cidr_parse(lua_tostring(L, -1), &networks->list[i]))
			return luaL_error(L, "cidr: entry %d is not a network such as \"10.0.0.0/8\"",
					  (int)i + 1);
		lua_pop(L, 1);
	}
	lua_pushcclosure(L, cidr_holds, 1);
	return 1;
}

void sense_bind_helpers(lua_State *L, int host)
{
	static const luaL_Reg functions[] = {
	    {"bytes_format", bytes_format},
	    {"duration_format", duration_format},
	    {"bytes_parse", bytes_parse},
	    {"duration_parse", duration_parse},
	    {"nearest", nearest},
	    {"where", where},
	    {"version_at_least", version_at_least},
	    {"is_cidr", is_cidr},
	    {"cidr", cidr},
	    {NULL, NULL},
	};
	for (const luaL_Reg *f = functions; f->func; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, host, f->name);
	}
	lua_pushstring(L, sense_version());
	lua_setfield(L, host, "version");
	sense_bind_text(L, host);
}
