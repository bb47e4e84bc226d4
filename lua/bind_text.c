/* Texts and times for lua/sense/helpers.lua: what has to be quick or bounded. */
#include <math.h>
#include <string.h>

#include "core/names/redact.h"
#include "lua/state.h"
#include "lua/words.h"

/* Called through ffi: where the word's first place in the text ends, from 1; 0: it is not there. */
static int32_t text_find(const char *text, uint32_t len, const char *word, uint32_t word_len)
{
	const char *at = memmem(text, len, word, word_len);
	return at ? (int32_t)(at - text) + (int32_t)word_len : 0;
}

/* Called through ffi: bits a byte (Shannon 1948), 0 to 8. */
static double text_entropy(const char *text, uint32_t len)
{
	uint32_t counts[256] = {0};
	double bits = 0;
	for (uint32_t i = 0; i < len; i++)
		counts[(uint8_t)text[i]]++;
	for (unsigned i = 0; i < 256; i++)
		if (counts[i])
			bits -= counts[i] * log2((double)counts[i] / len);
	return len ? bits / len : 0;
}

/* words(list): the automaton of a list of texts, or nil when they are too many or too long. */
static int words(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	size_t count = lua_objlen(L, 1);
	if (!count || count > SENSE_WORDS_MAX)
		return 0;
	struct sense_word *list = lua_newuserdata(L, count * sizeof *list);
	for (size_t i = 0; i < count; i++) {
		lua_rawgeti(L, 1, (int)i + 1);
		list[i].text = luaL_checklstring(L, -1, &list[i].len);
		lua_pop(L, 1); /* the list keeps it alive */
	}
	size_t size = sense_words_size(list, (unsigned)count);
	if (!size)
		return 0;
	sense_words_build(lua_newuserdata(L, size), list, (unsigned)count);
	return 1;
}

/* What stands between the words of a command, a URL or a header, so that only a secret goes. */
static bool separates(char c)
{
	return (unsigned char)c <= ' ' || strchr("=:,;\"'`&?/()<>[]{}|@", c);
}

/* redact(text): with what looks like a secret replaced. */
static int redact(lua_State *L)
{
	size_t len, word;
	const char *text = luaL_checklstring(L, 1, &len);
	luaL_Buffer out;
	luaL_buffinit(L, &out);
	for (size_t i = 0; i < len; i += word) {
		for (word = 0; i + word < len && !separates(text[i + word]); word++)
			;
		if (sense_secret_within(text + i, word))
			luaL_addstring(&out, SENSE_REDACTED);
		else
			luaL_addlstring(&out, text + i, word);
		if (i + word < len)
			luaL_addchar(&out, text[i + word++]);
	}
	luaL_pushresult(&out);
	return 1;
}

/* date(microseconds): year, month, day, hour, minute, second, weekday (Monday is 1), in local time. */
static int date(lua_State *L)
{
	double ts = luaL_checknumber(L, 1);
	struct tm tm;
	if (!(fabs(ts) < 9e15)) /* beyond, a double does not count microseconds */
		return 0;
	time_t seconds = (time_t)floor(ts / 1e6);
	if (!localtime_r(&seconds, &tm))
		return 0;
	const int parts[] = {
	    tm.tm_year + 1900,          tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    tm.tm_wday ? tm.tm_wday : 7};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		lua_pushinteger(L, parts[i]);
	return sizeof parts / sizeof *parts;
}

/* As a number: lua/bind_event.c says why. */
static void set_address(lua_State *L, int host, const char *name, uintptr_t function)
{
	lua_pushnumber(L, (double)function);
	lua_setfield(L, host, name);
}

void sense_bind_text(lua_State *L, int host)
{
	static const luaL_Reg functions[] = {
	    {"words", words}, {"redact", redact}, {"date", date}, {NULL, NULL}};
	for (const luaL_Reg *f = functions; f->func; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, host, f->name);
	}
	set_address(L, host, "text_find", (uintptr_t)text_find);
	set_address(L, host, "text_entropy", (uintptr_t)text_entropy);
	set_address(L, host, "words_find", (uintptr_t)sense_words_find);
}
