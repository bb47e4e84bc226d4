/* Secrets by their shape. */
#include "core/names/redact.h"

#include <string.h>

#define LONG_TOKEN 40u

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

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_digit(c) || is_upper(c);
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_token(char c)
{
	return is_alnum(c) || c == '-' || c == '_' || c == '+';
}

static bool has_digit(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (is_digit(text[i]))
			return true;
	}
	return false;
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
	bool digit = false, upper = false, lower = false, separator = false;
	for (size_t i = 0; i < len; i++) {
		digit |= is_digit(token[i]);
		upper |= is_upper(token[i]);
		lower |= is_lower(token[i]);
		separator |= token[i] == '-' || token[i] == '_';
	}
	return !separator || (digit && upper && lower);
}

static bool token_secret(const char *token, size_t len)
{
	if (len > LONG_TOKEN && is_random(token, len))
		return true;
	for (size_t i = 0; i < len; i++) {
		if (i && is_alnum(token[i - 1]))
			continue;
		const struct shape *shape = shape_of(token + i, len - i);
		if (!shape || len - i < (size_t)shape->len + shape->rest)
			continue;
		if (!shape->digit || has_digit(token + i + shape->len, len - i - shape->len))
			return true;
	}
	return false;
}

bool sense_secret_within(const char *word, size_t len)
{
	size_t i = 0;
	while (i < len) {
		/* An escape separates: its two digits are not the beginning of what follows. */
		if (word[i] == '%' && len - i > 2 && is_hex(word[i + 1]) && is_hex(word[i + 2])) {
			i += 3;
			continue;
		}
		size_t n = 0;
		while (i + n < len && is_token(word[i + n]))
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
