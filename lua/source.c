#include "lua/source.h"

#include <ctype.h>
#include <string.h>

struct scan {
	const char *p, *end;
	int line;
};

static int peek(const struct scan *scan, size_t ahead)
{
	return (size_t)(scan->end - scan->p) > ahead ? (unsigned char)scan->p[ahead] : -1;
}

static void step(struct scan *scan)
{
	if (*scan->p++ == '\n')
		scan->line++;
}

/* At "[": skips a long bracket, [[ ]] or [==[ ]==]; false when it is not one. */
static bool skip_long(struct scan *scan)
{
	size_t level = 0;
	while (peek(scan, 1 + level) == '=')
		level++;
	if (peek(scan, 1 + level) != '[')
		return false;
	scan->p += level + 2;
	while (scan->p < scan->end) {
		size_t same = 0;
		if (*scan->p == ']') {
			while (peek(scan, 1 + same) == '=')
				same++;
			if (same == level && peek(scan, 1 + same) == ']') {
				scan->p += level + 2;
				return true;
			}
		}
		step(scan);
	}
	return true;
}

static void skip_quoted(struct scan *scan)
{
	char quote = *scan->p++;
	while (scan->p < scan->end && *scan->p != quote && *scan->p != '\n') {
		if (*scan->p == '\\' && peek(scan, 1) >= 0)
			step(scan);
		step(scan);
	}
	if (scan->p < scan->end)
		step(scan);
}

static void skip_comment(struct scan *scan)
{
	scan->p += 2;
	if (peek(scan, 0) == '[' && skip_long(scan))
		return;
	while (scan->p < scan->end && *scan->p != '\n')
		scan->p++;
}

static bool part_of_word(int c)
{
	return c == '_' || c >= 0x80 || (c >= 0 && isalnum(c));
}

/* A number, as the lexer takes it: every character that can belong to one. */
static bool plain_number(struct scan *scan)
{
	int last = 0;
	while (part_of_word(peek(scan, 0)) || peek(scan, 0) == '.' ||
	       ((peek(scan, 0) == '+' || peek(scan, 0) == '-') && (last == 'e' || last == 'p'))) {
		last = tolower(peek(scan, 0));
		scan->p++;
	}
	return last != 'l' && last != 'i';
}

/* Words whose jumps the compiler chains: it walks a chain from its start for each that is added. */
static bool chains(const char *word, size_t len)
{
	static const char *const words[] = {"and", "or", "elseif", "goto", "break"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == len && !memcmp(words[i], word, len))
			return true;
	return false;
}

const char *sense_source_problem(const char *text, size_t len, int *line)
{
	struct scan scan = {text, text + len, 1};
	unsigned chained = 0;
	while (scan.p < scan.end) {
		int c = peek(&scan, 0);
		*line = scan.line;
		if (c == '-' && peek(&scan, 1) == '-') {
			skip_comment(&scan);
		} else if (c == '"' || c == '\'') {
			skip_quoted(&scan);
		} else if (isdigit(c) || (c == '.' && peek(&scan, 1) >= '0' && peek(&scan, 1) <= '9')) {
			if (!plain_number(&scan))
				return "64-bit and imaginary numbers (1LL, 1i) are not allowed";
		} else if (part_of_word(c)) {
			const char *word = scan.p;
			while (part_of_word(peek(&scan, 0)))
				scan.p++;
			if (chains(word, (size_t)(scan.p - word)) && ++chained > SENSE_SOURCE_CHAINED_MAX)
				return "more than 4096 of 'and', 'or', 'elseif', 'goto' and 'break': "
				       "a set holds a long list better";
		} else if (c != '[' || !skip_long(&scan)) {
			step(&scan);
		}
	}
	return NULL;
}
