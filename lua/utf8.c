#include "lua/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the valid character at p, or 0. RFC 3629, 4: no overlong forms, no surrogates. */
static size_t char_len(const uint8_t *p, size_t left)
{
	uint8_t c = p[0], low = 0x80, high = 0xbf;
	size_t n;
	if (c < 0x80)
		return c >= 0x20 && c != 0x7f ? 1 : 0;
	if (c >= 0xc2 && c <= 0xdf)
		n = 2;
	else if (c >= 0xe0 && c <= 0xef)
		n = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		n = 4;
	else
		return 0;
	if (left < n)
		return 0;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

const char *sense_utf8_clean(struct sense_arena *arena, const char *text, size_t len, size_t max)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t cap = len < max / 3 ? len * 3 : max; /* U+FFFD takes three bytes */
	size_t out = 0, at = 0;
	char *copy = sense_arena_alloc(arena, cap + 4);
	if (!copy)
		return NULL;
	while (at < len) {
		size_t n = char_len(p + at, len - at);
		bool space = p[at] == '\n' || p[at] == '\t' || p[at] == '\r';
		size_t need = n ? n : space ? 1 : 3;
		if (out + need > cap)
			break;
		if (n)
			memcpy(copy + out, p + at, n);
		else
			memcpy(copy + out, space ? " " : "\xef\xbf\xbd", need);
		out += need;
		at += n ? n : 1;
	}
	if (at < len)
		memcpy(copy + out, "...", 3);
	return copy;
}
