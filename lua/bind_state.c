/* Behaviour over time (core/rules/state.h): what lua/sense/state.lua needs of C. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua/state.h"

#define OWN_ENTRIES 4096 /* of a state that nobody gave memory to: tools and tests */

void sense_lua_remember(sense_lua *lua, struct sense_state *state)
{
	lua->state = state;
}

void sense_lua_forget(sense_lua *lua)
{
	free(lua->own_state_memory);
}

/* Memory of its own, on first use. */
static struct sense_state *own_state(sense_lua *lua)
{
	size_t bytes = sense_state_bytes(OWN_ENTRIES);
	size_t whole = (bytes + 63) / 64 * 64;
	void *memory = aligned_alloc(64, whole);
	if (!memory)
		return NULL;
	memset(memory, 0, whole);
	if (sense_state_attach(&lua->own_state, memory, bytes, 25, NULL)) {
		free(memory);
		return NULL;
	}
	lua->own_state_memory = memory;
	lua->state = &lua->own_state;
	return lua->state;
}

/*
 * Called through ffi, with numbers and texts that state.lua has checked. Not a number: there is no event
 * in hand, so it is no time for it.
 */
static struct sense_state *open_state(sense_lua *lua, double policy, const char *key, uint32_t len,
                                      double window_us, struct sense_state_key *out)
{
	if (!lua->view.event)
		return NULL;
	*out = (struct sense_state_key){
	    .policy = (uint64_t)policy,
	    .key = key,
	    .len = len,
	    .window_us = (uint64_t)window_us,
	    .now_us = lua->view.event->ts_us,
	};
	return lua->state ? lua->state : own_state(lua);
}

static double state_sum(sense_lua *lua, double policy, const char *key, uint32_t len, double window_us,
                        double n)
{
	struct sense_state_key what;
	struct sense_state *state = open_state(lua, policy, key, len, window_us, &what);
	return state ? sense_state_sum(state, &what, n) : NAN;
}

static double state_distinct(sense_lua *lua, double policy, const char *key, uint32_t len, double window_us,
                             const char *value, uint32_t value_len)
{
	struct sense_state_key what;
	struct sense_state *state = open_state(lua, policy, key, len, window_us, &what);
	return state ? sense_state_distinct(state, &what, value, value_len) : NAN;
}

static double state_get(sense_lua *lua, double policy, const char *key, uint32_t len, double window_us)
{
	struct sense_state_key what;
	struct sense_state *state = open_state(lua, policy, key, len, window_us, &what);
	return state ? sense_state_get(state, &what) : NAN;
}

static double state_first(sense_lua *lua, double policy, const char *key, uint32_t len, double window_us)
{
	struct sense_state_key what;
	struct sense_state *state = open_state(lua, policy, key, len, window_us, &what);
	return state ? sense_state_first(state, &what) : NAN;
}

static double state_last(sense_lua *lua, double policy, const char *key, uint32_t len, double window_us)
{
	struct sense_state_key what;
	struct sense_state *state = open_state(lua, policy, key, len, window_us, &what);
	return state ? (double)sense_state_last(state, &what) : NAN;
}

static int policy_id(lua_State *L)
{
	size_t len;
	const char *name = luaL_checklstring(L, 1, &len);
	lua_pushnumber(L, (double)sense_state_policy(name, len));
	return 1;
}

void sense_bind_state(sense_lua *lua, lua_State *L, int host)
{
	const struct {
		const char *name;
		uintptr_t address;
	} functions[] = {
	    {"self", (uintptr_t)lua},
	    {"sum", (uintptr_t)state_sum},
	    {"distinct", (uintptr_t)state_distinct},
	    {"get", (uintptr_t)state_get},
	    {"first", (uintptr_t)state_first},
	    {"last", (uintptr_t)state_last},
	};
	/* As numbers, for the reason in lua/bind_event.c. */
	lua_newtable(L);
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		lua_pushnumber(L, (double)functions[i].address);
		lua_setfield(L, -2, functions[i].name);
	}
	lua_setfield(L, host, "state_calls");
	lua_pushcfunction(L, policy_id);
	lua_setfield(L, host, "state_policy");
}
