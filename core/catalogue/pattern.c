#include "core/catalogue/pattern.h"

#include <string.h>

#define PATTERN_MAX 255u
#define ALTERNATIVES_MAX 8u

/* ---- checking -------------------------------------------------------------------------------- */

static const char *group_fault(const char *open, const char **after)
{
	unsigned alternatives = 1;
	const char *close = strchr(open, ')');
	if (!close || strpbrk(open + 1, "(") || strchr(close + 1, ')'))
		return "needs one '(' with its ')'";
	for (const char *p = open + 1; p < close; p++) {
		if (strchr("/{}", *p))
			return "has '/', '{' or '}' within '(...)'";
		alternatives += *p == '|';
	}
	if (alternatives < 2 || alternatives > ALTERNATIVES_MAX)
		return "needs 2 to 8 alternatives within '(...)'";
	*after = close + 1;
	return NULL;
}

const char *sense_pattern_fault(const char *pattern, enum sense_pattern_kind kind)
{
	bool placeholder = false; /* in this segment */
	if (pattern[0] != '/' || strlen(pattern) > PATTERN_MAX)
		return "must begin with '/' and have at most 255 characters";
	if (kind == SENSE_PATTERN_SUFFIX && strpbrk(pattern, "{}()|"))
		return "is a suffix: plain text only";
	for (const char *p = pattern; *p;) {
		const char *fault;
		switch (*p) {
		case '/': placeholder = false; p++; break;
		case '(':
			fault = group_fault(p, &p);
			if (fault)
				return fault;
			break;
		case '{':
			if (placeholder)
				return "has two placeholders in one segment";
			placeholder = true;
			for (p++; *p >= 'a' && *p <= 'z'; p++)
				;
			if (*p++ != '}' || p[-2] == '{')
				return "needs a name of small letters within '{...}'";
			break;
		case ')': case '|': case '}': return "has a ')', '|' or '}' without its opening bracket";
		case '?': case '#': case ' ': return "must not hold '?', '#' or a blank";
		default: p++;
		}
	}
	return NULL;
}

/* ---- matching -------------------------------------------------------------------------------- */

/* The text of a pattern with one alternative chosen, read as three spans. */
struct cursor {
	const char *at, *end;   /* of the span that is read */
	const char *spans[3][2];
	unsigned span;
};

static int peek(struct cursor *c)
{
	while (c->at == c->end && c->span < 2) {
		c->span++;
		c->at = c->spans[c->span][0];
		c->end = c->spans[c->span][1];
	}
	return c->at < c->end ? (unsigned char)*c->at : -1;
}

/* Literal characters that follow, up to '/', '{' or the end. */
static size_t literal(struct cursor *c, char *out)
{
	size_t n = 0;
	for (int ch; (ch = peek(c)) >= 0 && ch != '/' && ch != '{'; c->at++)
		out[n++] = (char)ch;
	return n;
}

/*
 * One segment of the pattern against one of the path. With a placeholder the literal behind it is
 * compared with the segment's end, so there is nothing to search for.
 */
static bool segment_matches(struct cursor *c, bool prefix, const char *segment, size_t len)
{
	char text[PATTERN_MAX + 1];
	size_t head = literal(c, text);
	if (head > len || memcmp(text, segment, head))
		return false;
	if (peek(c) != '{')
		return head == len || (prefix && peek(c) < 0);
	while (*c->at++ != '}')
		;
	size_t tail = literal(c, text);
	return head + tail < len && !memcmp(segment + len - tail, text, tail);
}

static bool one_matches(struct cursor *c, bool prefix, const char *path, const char *end)
{
	while (peek(c) == '/') {
		if (path == end || *path != '/')
			return false;
		c->at++;
		path++;
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;
		if (prefix && peek(c) < 0)
			return true;
		if (!segment_matches(c, prefix, path, (size_t)(stop - path)))
			return false;
		path = stop;
	}
	return prefix || path == end;
}

bool sense_pattern_matches(const char *pattern, enum sense_pattern_kind kind, const char *path, size_t len)
{
	size_t size = strlen(pattern);
	if (kind == SENSE_PATTERN_SUFFIX)
		return len >= size && !memcmp(path + len - size, pattern, size);
	/* One slash at the end says nothing: "/mcp/" is "/mcp". */
	if (kind == SENSE_PATTERN_WHOLE && len > 1 && path[len - 1] == '/' && pattern[size - 1] != '/')
		len--;
	const char *open = strchr(pattern, '(');
	const char *close = open ? strchr(open, ')') : NULL;
	for (const char *choice = open; ;) {
		const char *stop = open ? choice + 1 + strcspn(choice + 1, "|)") : NULL;
		struct cursor c = {.at = pattern, .end = open ? open : pattern + size};
		if (open) {
			c.spans[1][0] = choice + 1;
			c.spans[1][1] = stop;
			c.spans[2][0] = close + 1;
			c.spans[2][1] = pattern + size;
		}
		if (one_matches(&c, kind == SENSE_PATTERN_PREFIX, path, path + len))
			return true;
		if (!open || stop == close)
			return false;
		choice = stop;
	}
}
