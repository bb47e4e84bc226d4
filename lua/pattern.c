#include "lua/pattern.h"

#include <ctype.h>
#include <string.h>

#define DEPTH_MAX 200

static const char *match(struct sense_pattern *m, const char *s, const char *p);

static const char *fail(struct sense_pattern *m, const char *problem)
{
	if (!m->problem)
		m->problem = problem;
	return NULL;
}

static bool step(struct sense_pattern *m, size_t count)
{
	if (m->steps < count) {
		m->steps = 0;
		fail(m, "the pattern takes too many steps on this text: begin it with ^, or say more exactly what "
			"repeats");
		return false;
	}
	m->steps -= (unsigned)count;
	return true;
}

/* ---- one character --------------------------------------------------------------------------- */

/* Behind the class that begins at p; NULL: it is malformed. */
static const char *class_end(struct sense_pattern *m, const char *p)
{
	char first = *p++;
	if (first == '%') {
		if (p == m->end)
			return fail(m, "malformed pattern (ends with '%')");
		return p + 1;
	}
	if (first != '[')
		return p;
	if (p < m->end && *p == '^')
		p++;
	do { /* a "]" that comes first is one of the set */
		if (p >= m->end)
			return fail(m, "malformed pattern (missing ']')");
		if (*p++ == '%')
			p++; /* also "%]" */
	} while (p >= m->end || *p != ']');
	return p + 1;
}

static bool in_class(int c, int class)
{
	bool is;
	switch (tolower(class)) {
	case 'a': is = isalpha(c); break;
	case 'c': is = iscntrl(c); break;
	case 'd': is = isdigit(c); break;
	case 'g': is = isgraph(c); break;
	case 'l': is = islower(c); break;
	case 'p': is = ispunct(c); break;
	case 's': is = isspace(c); break;
	case 'u': is = isupper(c); break;
	case 'w': is = isalnum(c); break;
	case 'x': is = isxdigit(c); break;
	case 'z': is = c == 0; break;
	default:
		return class == c;
	}
	return isupper(class) ? !is : is;
}

/* p: at "[", last: at the "]" that ends it. */
static bool in_set(int c, const char *p, const char *last)
{
	bool wanted = true;
	if (p[1] == '^') {
		wanted = false;
		p++;
	}
	while (++p < last) {
		if (*p == '%') {
			p++;
			if (in_class(c, (unsigned char)*p))
				return wanted;
		} else if (p[1] == '-' && p + 2 < last) {
			p += 2;
			if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
				return wanted;
		} else if ((unsigned char)*p == c) {
			return wanted;
		}
	}
	return !wanted;
}

/* Whether the character at s is of the class p .. end. */
static bool one(struct sense_pattern *m, const char *s, const char *p, const char *end)
{
	if (s >= m->text_end || !step(m, 1))
		return false;
	int c = (unsigned char)*s;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return step(m, (size_t)(end - p)) && in_set(c, p, end - 1);
	default:
		return (unsigned char)*p == c;
	}
}

/* ---- repetitions and captures ---------------------------------------------------------------- */

static const char *greedy(struct sense_pattern *m, const char *s, const char *p, const char *end)
{
	ptrdiff_t count = 0;
	while (one(m, s + count, p, end))
		count++;
	for (; count >= 0 && !m->problem; count--) {
		const char *found = match(m, s + count, end + 1);
		if (found)
			return found;
	}
	return NULL;
}

static const char *lazy(struct sense_pattern *m, const char *s, const char *p, const char *end)
{
	for (;;) {
		const char *found = match(m, s, end + 1);
		if (found || m->problem)
			return found;
		if (!one(m, s, p, end))
			return NULL;
		s++;
	}
}

static const char *capture_begin(struct sense_pattern *m, const char *s, const char *p, ptrdiff_t kind)
{
	if (m->count >= SENSE_PATTERN_CAPTURES_MAX)
		return fail(m, "too many captures");
	m->captures[m->count++] = (struct sense_pattern_capture){s, kind};
	const char *found = match(m, s, p);
	if (!found)
		m->count--;
	return found;
}

static const char *capture_end(struct sense_pattern *m, const char *s, const char *p)
{
	unsigned i = m->count;
	while (i && m->captures[i - 1].len != SENSE_PATTERN_OPEN)
		i--;
	if (!i)
		return fail(m, "invalid pattern capture");
	struct sense_pattern_capture *capture = &m->captures[i - 1];
	capture->len = s - capture->text;
	const char *found = match(m, s, p);
	if (!found)
		capture->len = SENSE_PATTERN_OPEN;
	return found;
}

/* %1: the same text again. */
static const char *again(struct sense_pattern *m, const char *s, char digit)
{
	unsigned i = (unsigned)(digit - '1');
	if (digit < '1' || i >= m->count || m->captures[i].len == SENSE_PATTERN_OPEN)
		return fail(m, "invalid capture index");
	if (m->captures[i].len == SENSE_PATTERN_POSITION)
		return NULL;
	size_t len = (size_t)m->captures[i].len;
	if (!step(m, 1 + len / 16) || (size_t)(m->text_end - s) < len || memcmp(s, m->captures[i].text, len))
		return NULL;
	return s + len;
}

/* %bxy */
static const char *balance(struct sense_pattern *m, const char *s, const char *p)
{
	unsigned open = 1;
	if (m->end - p < 2)
		return fail(m, "unbalanced pattern");
	if (s >= m->text_end || *s != p[0])
		return NULL;
	while (++s < m->text_end && step(m, 1)) {
		if (*s == p[1]) {
			if (!--open)
				return s + 1;
		} else if (*s == p[0]) {
			open++;
		}
	}
	return NULL;
}

/* %f[set]: between a character outside and one inside the set; the text's ends count as NUL. */
static bool frontier(struct sense_pattern *m, const char *s, const char *p, const char *end)
{
	int before = s == m->text ? 0 : (unsigned char)s[-1];
	int after = s == m->text_end ? 0 : (unsigned char)*s;
	return step(m, 2 * (size_t)(end - p)) && !in_set(before, p, end - 1) && in_set(after, p, end - 1);
}

/* ---- the pattern ----------------------------------------------------------------------------- */

/* What "%" begins when that is more than a class; *rest: behind it, NULL when it is only a class. */
static const char *special(struct sense_pattern *m, const char *s, const char *p, const char **rest)
{
	const char *end;
	*rest = NULL;
	if (m->end - p < 2)
		return NULL;
	switch (p[1]) {
	case 'b':
		*rest = p + 4;
		return balance(m, s, p + 2);
	case 'f':
		*rest = p + 2;
		if (p + 2 >= m->end || p[2] != '[')
			return fail(m, "missing '[' after '%f' in pattern");
		end = class_end(m, p + 2);
		*rest = end ? end : p;
		return end && frontier(m, s, p + 2, end) ? s : NULL;
	case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		*rest = p + 2;
		return again(m, s, p[1]);
	default:
		return NULL;
	}
}

/* A class and what follows it. *s and *p move on when no choice is left behind; else *found is all. */
static bool single(struct sense_pattern *m, const char **s, const char **p, const char **found)
{
	const char *end = class_end(m, *p);
	*found = NULL;
	if (!end)
		return false;
	switch (end < m->end ? *end : '\0') {
	case '?':
		if (one(m, *s, *p, end) && (*found = match(m, *s + 1, end + 1)))
			return false;
		*p = end + 1;
		return !m->problem;
	case '*':
		*found = greedy(m, *s, *p, end);
		return false;
	case '+':
		*found = one(m, *s, *p, end) ? greedy(m, *s + 1, *p, end) : NULL;
		return false;
	case '-':
		*found = lazy(m, *s, *p, end);
		return false;
	default:
		if (!one(m, *s, *p, end))
			return false;
		*s += 1;
		*p = end;
		return true;
	}
}

static const char *walk(struct sense_pattern *m, const char *s, const char *p)
{
	const char *found, *rest;
	while (p < m->end) {
		if (*p == '(') {
			bool place = p + 1 < m->end && p[1] == ')';
			return capture_begin(m, s, p + 1 + place,
					     place ? SENSE_PATTERN_POSITION : SENSE_PATTERN_OPEN);
		}
		if (*p == ')')
			return capture_end(m, s, p + 1);
		if (*p == '$' && p + 1 == m->end)
			return s == m->text_end ? s : NULL;
		if (*p == '%') {
			found = special(m, s, p, &rest);
			if (rest) {
				if (!found)
					return NULL;
				s = found;
				p = rest;
				continue;
			}
		}
		if (!single(m, &s, &p, &found))
			return found;
	}
	return s;
}

static const char *match(struct sense_pattern *m, const char *s, const char *p)
{
	if (m->depth >= DEPTH_MAX)
		return fail(m, "pattern too complex");
	if (!step(m, 1))
		return NULL;
	m->depth++;
	const char *found = walk(m, s, p);
	m->depth--;
	return found;
}

const char *sense_pattern_search(struct sense_pattern *m, const char *p, size_t len, const char *from,
				 bool anchors, const char **match_end)
{
	bool anchored = anchors && len && *p == '^';
	m->end = p + len;
	m->problem = NULL;
	m->steps = SENSE_PATTERN_STEPS_MAX;
	m->depth = 0;
	do {
		m->count = 0;
		*match_end = match(m, from, p + anchored);
		for (unsigned i = 0; *match_end && i < m->count; i++)
			if (m->captures[i].len == SENSE_PATTERN_OPEN)
				*match_end = fail(m, "unfinished capture");
		if (*match_end)
			return from;
	} while (!anchored && !m->problem && from++ < m->text_end);
	return NULL;
}
