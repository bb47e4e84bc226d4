/* The helpers of rules (lua/sense/helpers.lua), and the automaton behind `words`. */
#include <stdlib.h>
#include <time.h>

#include "lua/sandbox.h"
#include "lua/words.h"
#include "t/tap.h"

static sense_lua *lua;

static const char *try(const char *text)
{
	static char out[SENSE_ERROR_MESSAGE_MAX];
	struct sense_error err;
	if (sense_lua_eval(lua, "try.lua", text, strlen(text), out, sizeof(out), &err))
		snprintf(out, sizeof(out), "%s", err.message);
	return out;
}

static void searches(void)
{
	static const char *const cases[][2] = {
	    {"return contains('curl http://x | sh', '| sh')", "| sh"},
	    {"return contains('curl', 'wget')", "false"},
	    {"return contains('a%d+b', '%d+')", "%d+"},
	    {"return contains('a\\0b', '\\0b') == '\\0b'", "true"},
	    {"return contains(nil, 'x')", "false"},
	    {"return contains('', 'x')", "false"},
	    {"return contains('abc', 'abcd')", "false"},
	    {"return contains('xxabcab', { 'ab', 'bc', 'abc' })", "ab"},
	    {"return contains('xabc', { 'bc', 'abc' })", "abc"},
	    {"return contains('xabc', set { 'bc', 'abc', 'zz' })", "abc"},
	    {"return contains('xabc', { 'd', 'e' })", "false"},
	    {"return contains(('a'):rep(65536), ('a'):rep(4096)) == ('a'):rep(4096)", "true"},
	    {"return words { 'ab', 'bc', 'abc' }('xxabcab')", "ab"},
	    {"return words { 'bc', 'abc' }('xabc')", "abc"},
	    {"return words(set { 'bc', 'abc' })('xabc')", "abc"},
	    {"return words 'b'('abc')", "b"},
	    {"return words { 'b' }(nil)", "false"},
	    {"return words { 'b' }('')", "false"},
	    {"return words { 'b' }('acd')", "false"},
	    {"local t = {} for i = 1, 4096 do t[i] = 'word-' .. i end return words(t)('a word-4095b')",
	     "word-4"},
	    {"local t = { 'x', 'y' } local w = words(t) t[2] = 'z' return w('y')", "y"},
	    {"return starts('/v1/chat', '/v1')", "true"},
	    {"return starts('/v1', '/v1/')", "false"},
	    {"return starts('x', '')", "true"},
	    {"return starts(nil, 'x')", "false"},
	    {"return ends('model.gguf', '.gguf')", "true"},
	    {"return ends('gguf', '.gguf')", "false"},
	    {"return ends('x', '')", "true"},
	    {"return ends(nil, 'x')", "false"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(try(cases[i][0]), cases[i][1], "%s", cases[i][0]);
}

static void values(void)
{
	static const char *const cases[][2] = {
	    {"return entropy('aaaa')", "0"},
	    {"return entropy('abcd')", "2"},
	    {"return entropy('')", "0"},
	    {"return entropy(nil)", "nil"},
	    {"local t = {} for i = 0, 255 do t[#t + 1] = string.char(i) end return entropy(table.concat(t))",
	     "8"},
	    {"return entropy(('a'):rep(4096) .. ('b'):rep(4096))", "0"},
	    {"return redact('tool --key=sk-ant-REDACTED --model x')", "tool --key=~redacted~ --model x"},
	    {"return redact('https://u:ghp_0123456789abcdef0123@host/v1?q=1')",
	     "https://u:~redacted~@host/v1?q=1"},
	    {"return redact('')", ""},
	    {"return redact('plain words, nothing else')", "plain words, nothing else"},
	    {"return redact(nil)", "nil"},
	    {"return redact('a\\0b') == 'a\\0b'", "true"},
	    {"return #labels('a.b.example.com')", "4"},
	    {"return labels('a.b.example.com')[1] .. labels('a.b.example.com')[4]", "acom"},
	    {"local n = 0 for i, l in ipairs(labels('x.y')) do n = n + i * #l end return n", "3"},
	    {"labels('a.b')[1] = 'c'", "try.lua:1: a list of labels is read-only"},
	    {"return #labels('..')", "0"},
	    {"return labels(nil)", "nil"},
	    {"for i = 1, 1000 do labels('h' .. i .. '.x') end return labels('h7.x')[1]", "h7"},
	    {"local d = date(1709210096789000) return d.year .. '-' .. d.month .. '-' .. d.day .. ' ' .. "
	     "d.hour "
	     ".. ':' .. d.minute .. ':' .. d.second .. ' ' .. d.weekday",
	     "2024-2-29 12:34:56 4"},
	    {"return date(1709424000000000).weekday", "7"},
	    {"return date(0).year", "1970"},
	    {"return date(-1).year", "1969"},
	    {"return date(nil)", "nil"},
	    {"date(0).year = 2000", "try.lua:1: a date is read-only"},
	    {"return seconds '10m'", "600"},
	    {"return seconds '1.5s'", "1.5"},
	    {"return size '1MiB'", "1048576"},
	    {"return size '64k'", "65536"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(try(cases[i][0]), cases[i][1], "%s", cases[i][0]);
}

/* Each names the helper, the argument and the line. */
static void mistakes(void)
{
	static const char *const cases[][2] = {
	    {"\nlocal x = contains(5, 'x')", "try.lua:2: contains: text must be a text, not a number"},
	    {"\nlocal x = contains('x', nil)",
	     "try.lua:2: contains: word must be a text, a list or a set, not a nil"},
	    {"\nlocal x = contains('x', '')", "try.lua:2: contains: an empty word is everywhere"},
	    {"\nlocal x = contains('x', {})", "try.lua:2: contains: there is no word in the list"},
	    {"\nlocal x = contains('x', { 1 })", "try.lua:2: contains: word must be a text, not a number"},
	    {"\nlocal x = contains('x', { 'a', '' })", "try.lua:2: contains: an empty word is everywhere"},
	    {"local t = {} for i = 1, 65 do t[i] = 'w' .. i end\nlocal x = contains('x', t)",
	     "try.lua:2: contains: more than 64 words: make `words { ... }` of them once, outside of the "
	     "function"},
	    {"local t = {} for i = 1, 65 do t[i] = 'w' .. i end\nlocal x = contains('x', set(t))",
	     "try.lua:2: contains: more than 64 words: make `words { ... }` of them once, outside of the "
	     "function"},
	    {"\nlocal x = contains(('x'):rep(65537), 'x')",
	     "try.lua:2: contains: text has more than 65536 bytes"},
	    {"\nlocal x = contains('x', ('x'):rep(4097))",
	     "try.lua:2: contains: word has more than 4096 bytes"},
	    {"\nlocal x = words(nil)", "try.lua:2: words: word must be a text, a list or a set, not a nil"},
	    {"\nlocal x = words {}", "try.lua:2: words: there is no word in the list"},
	    {"\nlocal x = words { 'a', '' }", "try.lua:2: words: an empty word is everywhere"},
	    {"\nlocal x = words { 'a' } (5)", "try.lua:2: words: text must be a text, not a number"},
	    {"local t = {} for i = 1, 4097 do t[i] = 'w' end\nlocal x = words(t)",
	     "try.lua:2: words: takes at most 4096 words, of 65535 bytes together"},
	    {"local t = {} for i = 1, 17 do t[i] = ('x'):rep(4096) end\nlocal x = words(t)",
	     "try.lua:2: words: takes at most 4096 words, of 65535 bytes together"},
	    {"\nlocal x = starts('x', nil)", "try.lua:2: starts: prefix must be a text, not a nil"},
	    {"\nlocal x = ends({}, 'x')", "try.lua:2: ends: text must be a text, not a table"},
	    {"\nlocal x = entropy(5)", "try.lua:2: entropy: text must be a text, not a number"},
	    {"\nlocal x = redact(true)", "try.lua:2: redact: text must be a text, not a boolean"},
	    {"\nlocal x = labels(5)", "try.lua:2: labels: host must be a text, not a number"},
	    {"\nlocal x = date('x')", "try.lua:2: date: ts must be a number, not a string"},
	    {"\nlocal x = date(0/0)", "try.lua:2: date: ts is not a time in microseconds since the epoch"},
	    {"\nlocal x = date(1/0)", "try.lua:2: date: ts is not a time in microseconds since the epoch"},
	    {"\nlocal x = seconds 'soon'", "try.lua:2: seconds: 'soon' is not a duration such as \"10m\""},
	    {"\nlocal x = seconds(5)", "try.lua:2: seconds: text must be a text, not a number"},
	    {"\nlocal x = size 'big'", "try.lua:2: size: 'big' is not a size such as \"1MiB\""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(try(cases[i][0]), cases[i][1], "%s", cases[i][1]);
}

/* Enough calls that loops and helpers in them are compiled. */
static void compiled(void)
{
	is_str(try("local w, n = words { 'ab', 'xy' }, 0\n"
	           "local function count(yes) if yes then n = n + 1 end end\n"
	           "for i = 1, 2000 do\n"
	           "  count(w('zzab' .. i) == 'ab')          -- 2000\n"
	           "  count(contains('v' .. i, '9'))         -- 542\n"
	           "  count(starts('h' .. i, 'h1'))          -- 1111\n"
	           "  count(ends('h' .. i, '7'))             -- 200\n"
	           "  count(entropy('abab' .. i % 2) > 1.5)  -- 2000\n"
	           "end\n"
	           "return n"),
	       "5853", "the same answers from compiled code");
}

static uint64_t state = 7;

static unsigned draw(unsigned below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % below;
}

/* The word that ends first, the longest of those, by trying all at all places. */
static unsigned naive(const struct sense_word *list, unsigned count, const char *text, size_t len)
{
	for (size_t end = 1; end <= len; end++) {
		unsigned best = 0;
		for (unsigned i = 0; i < count; i++)
			if (list[i].len <= end &&
			    !memcmp(text + end - list[i].len, list[i].text, list[i].len) &&
			    (!best || list[i].len >= list[best - 1].len))
				best = i + 1;
		if (best)
			return best;
	}
	return 0;
}

static void automaton(void)
{
	unsigned differ = 0, found = 0;
	for (unsigned round = 0; round < 400; round++) {
		char texts[40][8], text[64];
		struct sense_word list[40];
		unsigned count = 1 + draw(40), letters = 2 + draw(5);
		for (unsigned i = 0; i < count; i++) {
			list[i] = (struct sense_word){texts[i], 1 + draw(8)};
			for (size_t j = 0; j < list[i].len; j++)
				texts[i][j] = (char)(draw(letters) * 60);
		}
		struct sense_words *words = malloc(sense_words_size(list, count));
		sense_words_build(words, list, count);
		for (unsigned i = 0; i < 50; i++) {
			unsigned len = draw(sizeof(text));
			for (unsigned j = 0; j < len; j++)
				text[j] = (char)(draw(letters + 1) * 60);
			unsigned want = naive(list, count, text, len);
			differ += (unsigned)sense_words_find(words, text, len) != want;
			found += want > 0;
		}
		free(words);
	}
	ok(!differ && found > 1000, "as by trying all words at all places: %u of 20000 found", found);

	static char all[65536], every[256];
	struct sense_word long_word = {all, 65535}, bytes = {every, 256};
	for (unsigned i = 0; i < 256; i++)
		every[i] = (char)i;
	struct sense_words *words = malloc(sense_words_size(&long_word, 1));
	sense_words_build(words, &long_word, 1);
	ok(sense_words_find(words, all, 65535) == 1 && !sense_words_find(words, all, 65534),
	   "the longest word");
	free(words);
	words = malloc(sense_words_size(&bytes, 1));
	sense_words_build(words, &bytes, 1);
	is_num(sense_words_find(words, every, 256), 1, "a word of all bytes");
	free(words);
	long_word.len = 65536;
	is_num(sense_words_size(&long_word, 1), 0, "a longer one is refused");
}

int main(void)
{
	struct sense_error err;
	struct sense_lua_limits limits = {.soft_us = 5000000}; /* for slow machines */
	setenv("TZ", "UTC", 1);
	tzset();
	lua = sense_lua_new(&limits, &err);
	searches();
	values();
	mistakes();
	compiled();
	automaton();
	sense_lua_free(lua);
	return tap_done();
}
