/* Secrets by their shape. */
#include "core/names/redact.h"

#include <string.h>

#define LONG_TOKEN 40u
#define SHORTEST 11u /* of all shapes, with their rest */

/* How keys begin, the longer of two that begin alike first; `rest` makes a prefix a likely key. */
static const struct shape {
	const char *prefix;
	uint8_t len;
	uint8_t rest;    /* least characters behind the prefix */
	bool digit;      /* one of them a digit: the prefix is also an ordinary word */
	uint8_t kind;    /* enum sense_http_credential */
} shapes[] = {
#define SHAPE(text, rest, digit, kind) { text, sizeof(text) - 1, rest, digit, SENSE_CREDENTIAL_##kind }
	SHAPE("sk-ant-", 4, false, ANTHROPIC),
	SHAPE("sk-", 8, false, OPENAI),
	SHAPE("sk_", 8, true, OTHER), /* payment and voice services */
	SHAPE("AIza", 16, false, GOOGLE),
	SHAPE("hf_", 8, false, HUGGINGFACE),
	SHAPE("ghp_", 8, false, GITHUB),
	SHAPE("gho_", 8, false, GITHUB),
	SHAPE("ghu_", 8, false, GITHUB),
	SHAPE("ghs_", 8, false, GITHUB),
	SHAPE("ghr_", 8, false, GITHUB),
	SHAPE("github_pat_", 8, false, GITHUB),
	SHAPE("glpat-", 8, false, OTHER),
	SHAPE("gsk_", 8, false, OTHER),
	SHAPE("xai-", 16, true, OTHER),
	SHAPE("pplx-", 16, true, OTHER),
	SHAPE("nvapi-", 8, false, OTHER),
	SHAPE("r8_", 16, true, OTHER),
	SHAPE("xoxb-", 8, false, OTHER),
	SHAPE("xoxp-", 8, false, OTHER),
	SHAPE("AKIA", 16, true, OTHER),
	SHAPE("key-", 8, true, OTHER),
	SHAPE("eyJ", 12, false, OTHER),
};

/* Classes of characters, as bits: this runs over every path and user agent. */
enum { DIGIT = 1, UPPER = 2, LOWER = 4, SEPARATOR = 8, PLUS = 16, HEX = 32, BEGINS = 64 };
enum { ALNUM = DIGIT | UPPER | LOWER, TOKEN = ALNUM | SEPARATOR | PLUS };

/* BEGINS marks the first letters of the shapes above; t/00-unit/names_redact.c holds them together. */
static const uint8_t classes[256] = {
	['0' ... '9'] = DIGIT | HEX, ['A'] = UPPER | HEX | BEGINS, ['B' ... 'F'] = UPPER | HEX,
	['G' ... 'Z'] = UPPER, ['a' ... 'd'] = LOWER | HEX, ['e'] = LOWER | HEX | BEGINS, ['f'] = LOWER | HEX,
	['g' ... 'h'] = LOWER | BEGINS, ['i' ... 'j'] = LOWER, ['k'] = LOWER | BEGINS, ['l' ... 'm'] = LOWER,
	['n'] = LOWER | BEGINS, ['o'] = LOWER, ['p'] = LOWER | BEGINS, ['q'] = LOWER,
	['r' ... 's'] = LOWER | BEGINS, ['t' ... 'w'] = LOWER, ['x'] = LOWER | BEGINS, ['y' ... 'z'] = LOWER,
	['-'] = SEPARATOR, ['_'] = SEPARATOR, ['+'] = PLUS
};

static uint8_t class_of(char c)
{
	return classes[(unsigned char)c];
}

/* Behind the last digit; 0: there is none. */
static size_t digits_end(const char *text, size_t len)
{
	while (len && !(class_of(text[len - 1]) & DIGIT))
		len--;
	return len;
}

static const struct shape *shape_of(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *shape = &shapes[i];
		if (shape->prefix[0] == text[0] && len >= shape->len &&
		    !memcmp(shape->prefix, text, shape->len))
			return shape;
	}
	return NULL;
}

/*
 * Long and random: without separators nothing a person writes is that long; with separators a slug
 * is, but it does not mix digits and both cases.
 */
static bool is_random(const char *token, size_t len)
{
	unsigned seen = 0;
	for (size_t i = 0; i < len; i++)
		seen |= class_of(token[i]);
	return !(seen & SEPARATOR) || (seen & ALNUM) == ALNUM;
}

static bool token_secret(const char *token, size_t len)
{
	if (len > LONG_TOKEN && is_random(token, len))
		return true;
	size_t digits = digits_end(token, len); /* once: a token may begin like a key at every fourth byte */
	for (size_t i = 0; i + SHORTEST <= len; i++) {
		if (!(class_of(token[i]) & BEGINS) || (i && (class_of(token[i - 1]) & ALNUM)))
			continue;
		const struct shape *shape = shape_of(token + i, len - i);
		if (!shape || len - i < (size_t)shape->len + shape->rest)
			continue;
		if (!shape->digit || digits > i + shape->len)
			return true;
	}
	return false;
}

bool sense_secret_within(const char *word, size_t len)
{
	size_t i = 0;
	while (i + SHORTEST <= len) {
		/* An escape separates: its two digits are not the beginning of what follows. */
		if (word[i] == '%' && len - i > 2 && (class_of(word[i + 1]) & class_of(word[i + 2]) & HEX)) {
			i += 3;
			continue;
		}
		size_t n = 0;
		while (i + n < len && (class_of(word[i + n]) & TOKEN))
			n++;
		if (n && token_secret(word + i, n))
			return true;
		i += n ? n : 1;
	}
	return false;
}

enum sense_http_credential sense_secret_kind(const char *value, size_t len)
{
	if (!len)
		return SENSE_CREDENTIAL_NONE;
	if (len >= 4 && !memcmp(value, "tid=", 4))
		return SENSE_CREDENTIAL_GITHUB; /* Copilot's session token */
	const struct shape *shape = shape_of(value, len);
	return shape ? (enum sense_http_credential)shape->kind : SENSE_CREDENTIAL_OTHER;
}
