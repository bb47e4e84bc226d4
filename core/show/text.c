#include "core/show/text.h"

#include <stdint.h>
#include <string.h>

#include "proto/wire.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS "\xe2\x80\xa6"

unsigned sense_utf8_length(const unsigned char *text)
{
	size_t left = strnlen((const char *)text, 4);
	return left ? (unsigned)sense_utf8_char((const char *)text, left) : 1;
}

static uint32_t code_point(const unsigned char *text, unsigned length)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code = text[0] & masks[length];
	for (unsigned i = 1; i < length; i++)
		code = code << 6 | (text[i] & 0x3f);
	return code;
}

struct range {
	uint32_t first, last;
};

static bool within(uint32_t code, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Controls, combining marks, zero widths, direction marks, private use, tags, variation selectors. */
static bool is_misleading(uint32_t code)
{
	static const struct range ranges[] = {
	    {0, 0x1f},         {0x7f, 0x9f},         {0xad, 0xad},         {0x300, 0x36f},
	    {0x483, 0x489},    {0x591, 0x5bd},       {0x610, 0x61c},       {0x64b, 0x65f},
	    {0x115f, 0x1160},  {0x180b, 0x180f},     {0x200b, 0x200f},     {0x2028, 0x202e},
	    {0x2060, 0x206f},  {0x20d0, 0x20ff},     {0x3164, 0x3164},     {0xe000, 0xf8ff},
	    {0xfe00, 0xfe0f},  {0xfeff, 0xfeff},     {0xfff0, 0xfffb},     {0xe0000, 0x10ffff},
	};
	return code < 0x20 || (code >= 0x7f && within(code, ranges, sizeof ranges / sizeof *ranges));
}

static bool is_wide(uint32_t code)
{
	static const struct range ranges[] = {
	    {0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},
	    {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
	};
	return code >= 0x1100 && within(code, ranges, sizeof ranges / sizeof *ranges);
}

void sense_text_clean(const char *text, char *out, size_t cap)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0;
	while (*p) {
		unsigned length = sense_utf8_length(p);
		bool good = length && !is_misleading(code_point(p, length));
		const char *from = good ? (const char *)p : REPLACEMENT;
		size_t size = good ? length : strlen(REPLACEMENT);
		if (used + size >= cap)
			break;
		memcpy(out + used, from, size);
		used += size;
		p += length ? length : 1;
	}
	out[used] = '\0';
}

static unsigned step(const unsigned char *text, unsigned *columns)
{
	unsigned length = sense_utf8_length(text);
	*columns = length && is_wide(code_point(text, length)) ? 2 : 1;
	return length ? length : 1;
}

unsigned sense_text_width(const char *clean)
{
	unsigned width = 0, columns;
	for (const unsigned char *p = (const unsigned char *)clean; *p; width += columns)
		p += step(p, &columns);
	return width;
}

void sense_text_fit(struct sense_buf *out, const char *clean, unsigned columns, bool right)
{
	unsigned width = sense_text_width(clean), used = 0, next;
	bool cut = width > columns;
	unsigned room = cut && columns ? columns - 1 : columns;
	if (right && !cut)
		sense_buf_printf(out, "%*s", (int)(columns - width), "");
	const unsigned char *p = (const unsigned char *)clean;
	while (*p) {
		unsigned length = step(p, &next);
		if (used + next > room)
			break;
		sense_buf_add(out, p, length);
		used += next;
		p += length;
	}
	if (cut && columns) {
		sense_buf_adds(out, ELLIPSIS);
		used++;
	}
	if (used < columns && (!right || cut))
		sense_buf_printf(out, "%*s", (int)(columns - used), "");
}

/* Where the last characters that fit into so many columns begin, and what they take. */
static const char *tail(const char *clean, unsigned width, unsigned room, unsigned *taken)
{
	const unsigned char *p = (const unsigned char *)clean;
	unsigned columns;
	for (; *p && width > room; width -= columns)
		p += step(p, &columns);
	*taken = width;
	return (const char *)p;
}

void sense_text_fit_middle(struct sense_buf *out, const char *clean, unsigned columns)
{
	unsigned width = sense_text_width(clean), taken;
	if (width <= columns || columns < 3) {
		sense_text_fit(out, clean, columns, false);
		return;
	}
	/* The end has the name, so it gets the larger part. */
	const char *end = tail(clean, width, (columns - 1) * 2 / 3, &taken);
	sense_text_fit(out, clean, columns - taken, false); /* with the ellipsis */
	sense_buf_adds(out, end);
}
