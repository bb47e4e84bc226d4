/* string.find and string.match for policies: lua/pattern.h behind the stock arguments. */
#include <string.h>

#include "lua/pattern.h"
#include "lua/state.h"

/* With the place in the policy that called, however many trusted functions are in between. */
static int fail(lua_State *L, const char *problem)
{
	lua_Debug info;
	for (int level = 1; level < 8 && lua_getstack(L, level, &info); level++) {
		lua_getinfo(L, "Sl", &info);
		if (info.currentline > 0 && strncmp(info.short_src, "sense.", 6) != 0) {
			lua_pushfstring(L, "%s:%d: %s", info.short_src, info.currentline, problem);
			return lua_error(L);
		}
	}
	lua_pushstring(L, problem);
	return lua_error(L);
}

static void push_captures(lua_State *L, const struct sense_pattern *m)
{
	luaL_checkstack(L, SENSE_PATTERN_CAPTURES_MAX + 2, "captures");
	for (unsigned i = 0; i < m->count; i++) {
		const struct sense_pattern_capture *capture = &m->captures[i];
		if (capture->len == SENSE_PATTERN_POSITION)
			lua_pushinteger(L, capture->text - m->text + 1);
		else
			lua_pushlstring(L, capture->text, (size_t)capture->len);
	}
}

/* (text, pattern, init): fills m; the start and end of what was found, or NULL. */
static const char *search(lua_State *L, struct sense_pattern *m, bool anchors, const char **end)
{
	size_t len, size;
	m->text = luaL_checklstring(L, 1, &size);
	m->text_end = m->text + size;
	const char *p = luaL_checklstring(L, 2, &len);
	double init = luaL_optnumber(L, 3, 1);
	if (init < 0)
		init += (double)size + 1;
	size_t skip = !(init > 1) ? 0 : init > (double)size ? size : (size_t)init - 1;
	const char *found = sense_pattern_search(m, p, len, m->text + skip, anchors, end);
	if (m->problem)
		fail(L, m->problem);
	return found;
}

/* find(text, pattern, init, free): first, last, captures...; free: "^" has no meaning (gmatch). */
static int pattern_find(lua_State *L)
{
	struct sense_pattern m;
	const char *end, *found = search(L, &m, !lua_toboolean(L, 4), &end);
	if (!found)
		return 0;
	lua_pushinteger(L, found - m.text + 1);
	lua_pushinteger(L, end - m.text);
	push_captures(L, &m);
	return 2 + (int)m.count;
}

/* match(text, pattern, init): the captures, or the whole when there are none. */
static int pattern_match(lua_State *L)
{
	struct sense_pattern m;
	const char *end, *found = search(L, &m, true, &end);
	if (!found) {
		lua_pushnil(L);
		return 1;
	}
	if (!m.count) {
		lua_pushlstring(L, found, (size_t)(end - found));
		return 1;
	}
	push_captures(L, &m);
	return (int)m.count;
}

void sense_bind_pattern(lua_State *L, int host)
{
	lua_pushcfunction(L, pattern_find);
	lua_setfield(L, host, "pattern_find");
	lua_pushcfunction(L, pattern_match);
	lua_setfield(L, host, "pattern_match");
}
