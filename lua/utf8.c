#include "lua/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "proto/wire.h"

/* Of control characters a finding needs none; DEL included. */
static size_t char_len(const char *p, size_t left)
{
	unsigned char c = (unsigned char)*p;
	return c < 0x20 || c == 0x7f ? 0 : sense_utf8_char(p, left);
}

const char *sense_utf8_clean(struct sense_arena *arena, const char *text, size_t len, size_t max)
{
	if (len <= max && sense_utf8_plain(text, len) == len)
		return sense_arena_strndup(arena, text, len);
	size_t cap = len < max / 3 ? len * 3 : max; /* U+FFFD takes three bytes */
	size_t out = 0, at = 0;
	char *copy = sense_arena_alloc(arena, cap + 4);
	if (!copy)
		return NULL;
	while (at < len) {
		size_t n = char_len(text + at, len - at);
		bool space = text[at] == '\n' || text[at] == '\t' || text[at] == '\r';
		size_t need = n ? n : space ? 1 : 3;
		if (out + need > cap)
			break;
		if (n)
			memcpy(copy + out, text + at, n);
		else
			memcpy(copy + out, space ? " " : "\xef\xbf\xbd", need);
		out += need;
		at += n ? n : 1;
	}
	if (at < len)
		memcpy(copy + out, "...", 3);
	return copy;
}
