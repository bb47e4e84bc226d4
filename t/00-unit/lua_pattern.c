/* Patterns: the same as those of stock Lua, wherever stock Lua is quick; and an end where it is not. */
#include "lua/pattern.h"

#include <lauxlib.h>
#include <lualib.h>

#include "t/tap.h"

#define TRIES 40000

static lua_State *L;
static unsigned long seed = 42;

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % n;
}

/* What was found, as "3-5 (text)(@4)", the same of both sides. */
static void describe(char *out, size_t cap, long first, long last)
{
	snprintf(out, cap, "%ld-%ld", first, last);
}

static void ours(const char *text, size_t len, const char *p, size_t size, char *out, size_t cap)
{
	const char *end;
	struct sense_pattern m = {.text = text, .text_end = text + len};
	const char *found = sense_pattern_search(&m, p, size, text, true, &end);
	if (!found) {
		snprintf(out, cap, "%s", m.problem ? "error" : "nothing");
		return;
	}
	describe(out, cap, found - text + 1, end - text);
	for (unsigned i = 0; i < m.count; i++) {
		size_t used = strlen(out);
		if (m.captures[i].len == SENSE_PATTERN_POSITION)
			snprintf(out + used, cap - used, " %ld", m.captures[i].text - text + 1);
		else
			snprintf(out + used, cap - used, " %.*s", (int)m.captures[i].len, m.captures[i].text);
	}
}

static void stock(const char *text, size_t len, const char *p, size_t size, char *out, size_t cap)
{
	lua_settop(L, 0);
	lua_getglobal(L, "string");
	lua_getfield(L, -1, "find");
	lua_replace(L, 1);
	lua_pushlstring(L, text, len);
	lua_pushlstring(L, p, size);
	if (lua_pcall(L, 2, LUA_MULTRET, 0)) {
		snprintf(out, cap, "error");
		return;
	}
	if (lua_isnil(L, 1)) {
		snprintf(out, cap, "nothing");
		return;
	}
	describe(out, cap, lua_tointeger(L, 1), lua_tointeger(L, 2));
	for (int i = 3; i <= lua_gettop(L); i++) {
		size_t used = strlen(out);
		snprintf(out + used, cap - used, " %s", lua_tostring(L, i));
	}
}

static void same_as_stock(void)
{
	static const char *const parts[] = {"a",   "b",    ".",   "%a",   "%d",  "[ab]", "[^a]", "[a-c%d]", "(",
					    ")",   "()",   "*",   "+",    "-",   "?",    "^",    "$",       "%1",
					    "%2",  "%bab", "%f[a]", "%f[^%w]", "[]a]", "%",  "[",   "c",    "%.",
					    "[%]]", "(a",   "(.-)", "%W",  "%s",  "1"};
	static const char letters[] = "aabbc1 .]-";
	unsigned different = 0, matched = 0;
	for (unsigned i = 0; i < TRIES; i++) {
		char text[16], p[64] = "", want[256], got[256];
		size_t len = pick(14);
		for (size_t k = 0; k < len; k++)
			text[k] = letters[pick(sizeof letters - 1)];
		text[len] = '\0';
		for (unsigned k = 1 + pick(7); k; k--)
			strcat(p, parts[pick(sizeof parts / sizeof *parts)]);
		if (!strpbrk(p, "^$*+?.([%-"))
			continue; /* stock find takes it for plain text, whatever else is in it */
		stock(text, len, p, strlen(p), want, sizeof want);
		ours(text, len, p, strlen(p), got, sizeof got);
		matched += want[0] >= '0' && want[0] <= '9';
		if (strcmp(want, got) && different++ < 10)
			fprintf(stderr, "#   '%s' in '%s': %s, stock %s\n", p, text, got, want);
	}
	ok(!different, "%u patterns find what they find in stock Lua (%u found something)", TRIES, matched);
	ok(matched > TRIES / 10, "and are patterns that find something");
}

static void ends(void)
{
	static const char *const patterns[] = {".-b", "a*b", "a*a*a*b", "^a*a*a*b", "%b()", "(.-)(.-)(.-)%1b",
					       "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b",
					       "%f[%d]", "[^%z]-[^%z]-b"};
	static char text[8192];
	memset(text, 'a', sizeof text);
	memset(text + 4096, '(', 1024);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		const char *end, *problem;
		struct sense_pattern m = {.text = text, .text_end = text + sizeof text};
		const char *found =
		    sense_pattern_search(&m, patterns[i], strlen(patterns[i]), text, true, &end);
		problem = m.problem ? m.problem : "";
		ok(!found && (strstr(problem, "too many steps") || m.steps > 0), "comes to an end: %s",
		   patterns[i]);
	}
	struct sense_pattern m = {.text = text, .text_end = text + sizeof text};
	const char *end;
	ok(sense_pattern_search(&m, "%(+a", 4, text, true, &end) == text + 4096 && end == text + 5121,
	   "what is linear is found in a long text");
}

int main(void)
{
	L = luaL_newstate();
	if (!L)
		return 1;
	luaL_openlibs(L);
	same_as_stock();
	ends();
	lua_close(L);
	return tap_done();
}
