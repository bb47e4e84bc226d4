/*
 * TOML to a tree: tables, arrays of tables, dotted and quoted keys, strings of all four kinds, arrays,
 * inline tables. Numbers, booleans and dates become their text, since nothing here computes with them.
 * A key that is set twice keeps the later value. Not recursive: what is open stands on a stack.
 */
#include "mcp.h"

#include <ctype.h>
#include <string.h>

#define TOML_LEVELS_MAX 16u
#define TOML_KEY_MAX 256u
#define STRING_MAX 8192u /* longer ones are cut */

struct toml {
	const char *at, *end;
	const char *fault;
	unsigned values;
	json_t
	    *open[TOML_LEVELS_MAX]; /* arrays and inline tables; [0] the table that lines go into; borrowed */
	char keys[TOML_LEVELS_MAX][TOML_KEY_MAX];
};

static int peek(const struct toml *r)
{
	return r->at < r->end ? (unsigned char)*r->at : -1;
}

static void fail(struct toml *r, const char *fault)
{
	if (!r->fault)
		r->fault = fault;
}

static void skip_blanks(struct toml *r)
{
	while (peek(r) == ' ' || peek(r) == '\t')
		r->at++;
}

/* Blanks, ends of lines and comments. */
static void skip_lines(struct toml *r)
{
	for (;;) {
		int c = peek(r);
		if (c == '#')
			while (r->at < r->end && *r->at != '\n')
				r->at++;
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			r->at++;
		else
			return;
	}
}

static size_t put(char *out, size_t room, size_t used, const void *bytes, size_t len)
{
	if (used + len >= room)
		return used;
	memcpy(out + used, bytes, len);
	return used + len;
}

/* The code point of \uXXXX in UTF-8. */
static size_t put_escape_unicode(struct toml *r, unsigned digits, char *out, size_t room, size_t used)
{
	unsigned long code = 0;
	unsigned char b[4];
	for (unsigned i = 0; i < digits; i++, r->at++) {
		int c = peek(r);
		if (!isxdigit(c)) {
			fail(r, "has a bad escape");
			return used;
		}
		code = code << 4 | (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || !code) {
		fail(r, "has a bad escape");
		return used;
	}
	unsigned n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	b[0] = (unsigned char)(n == 1 ? code : (0xf00u >> n & 0xff) | code >> 6 * (n - 1));
	for (unsigned i = 1; i < n; i++)
		b[i] = (unsigned char)(0x80 | (code >> 6 * (n - 1 - i) & 0x3f));
	return put(out, room, used, b, n);
}

static size_t put_escape(struct toml *r, char *out, size_t room, size_t used)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	int c = peek(r);
	const char *known = c > 0 ? strchr(from, c) : NULL;
	if (c == 'u' || c == 'U') {
		r->at++;
		return put_escape_unicode(r, c == 'u' ? 4 : 8, out, room, used);
	}
	if (known) {
		r->at++;
		return put(out, room, used, to + (known - from), 1);
	}
	if (c == '\n' || c == ' ' || c == '\t' || c == '\r')
		while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r' || peek(r) == '\n')
			r->at++;
	else
		fail(r, "has a bad escape");
	return used;
}

static bool starts(const struct toml *r, const char *mark)
{
	size_t n = strlen(mark);
	return (size_t)(r->end - r->at) >= n && !memcmp(r->at, mark, n);
}

/* A string, the reader standing on its quote; returns its length in out. */
static size_t take_string(struct toml *r, char *out, size_t room)
{
	const char quote = *r->at, triple[] = {quote, quote, quote, '\0'};
	bool lines = starts(r, triple), basic = quote == '"';
	size_t used = 0;
	r->at += lines ? 3 : 1;
	if (lines && peek(r) == '\r')
		r->at++;
	if (lines && peek(r) == '\n')
		r->at++;
	while (!r->fault) {
		int c = peek(r);
		if (c < 0 || c == 0 || (c == '\n' && !lines)) {
			fail(r, "has a string without an end");
		} else if (lines ? starts(r, triple) : c == quote) {
			r->at += lines ? 3 : 1;
			break;
		} else if (c == '\\' && basic) {
			r->at++;
			used = put_escape(r, out, room, used);
		} else {
			used = put(out, room, used, r->at++, 1);
		}
	}
	/* Two more quotes may stand before the three that end it. */
	for (unsigned i = 0; lines && i < 2 && peek(r) == quote; i++)
		used = put(out, room, used, r->at++, 1);
	out[used] = '\0';
	return used;
}

/* One part of a key. */
static void take_key(struct toml *r, char *key)
{
	size_t used = 0;
	skip_blanks(r);
	int c = peek(r);
	if (c == '"' || c == '\'') {
		take_string(r, key, TOML_KEY_MAX);
	} else {
		while ((c = peek(r)) > 0 && (isalnum(c) || c == '_' || c == '-' || c >= 0x80)) {
			used = put(key, TOML_KEY_MAX, used, r->at, 1);
			r->at++;
		}
		key[used] = '\0';
		if (!used)
			fail(r, "has a line without a key");
	}
	skip_blanks(r);
}

/* a.b.c into r->keys; returns how many. */
static unsigned take_key_path(struct toml *r)
{
	unsigned count = 0;
	do {
		if (count == TOML_LEVELS_MAX) {
			fail(r, "is nested too deeply");
			return 0;
		}
		r->at += count > 0; /* the dot */
		take_key(r, r->keys[count++]);
	} while (!r->fault && peek(r) == '.');
	return count;
}

static void count_value(struct toml *r)
{
	if (++r->values > MCP_VALUES_MAX)
		fail(r, "holds too many values");
}

/* The object under `key`, made if there is none; of an array of tables: its last. */
static json_t *descend(struct toml *r, json_t *table, const char *key)
{
	json_t *next = json_object_get(table, key);
	if (json_is_array(next))
		next = json_array_get(next, json_array_size(next) - 1);
	if (json_is_object(next))
		return next;
	next = json_object();
	count_value(r);
	if (json_object_set_new_nocheck(table, key, next)) {
		fail(r, "could not be kept");
		return NULL;
	}
	return next;
}

/* [a.b] and [[a.b]]: the table that the next lines go into. */
static void take_header(struct toml *r, json_t *root)
{
	bool array = starts(r, "[[");
	json_t *table = root;
	r->at += array ? 2 : 1;
	unsigned count = take_key_path(r);
	for (unsigned i = 0; i + (array ? 1 : 0) < count && !r->fault; i++)
		table = descend(r, table, r->keys[i]);
	if (array && !r->fault) {
		json_t *list = json_object_get(table, r->keys[count - 1]);
		if (!json_is_array(list) &&
		    !json_object_set_new_nocheck(table, r->keys[count - 1], json_array()))
			list = json_object_get(table, r->keys[count - 1]);
		table = json_object();
		count_value(r);
		if (json_array_append_new(list, table))
			fail(r, "could not be kept");
	}
	if (!r->fault && !starts(r, array ? "]]" : "]"))
		fail(r, "has a table's name without an end");
	r->at += r->fault ? 0 : array ? 2 : 1;
	r->open[0] = table;
}

/* Puts the value into what is open: under the keys, or at the end of the array. */
static void keep_value(struct toml *r, json_t *into, unsigned keys, json_t *value)
{
	count_value(r);
	if (json_is_array(into)) {
		if (json_array_append_new(into, value))
			fail(r, "could not be kept");
		return;
	}
	for (unsigned i = 0; i + 1 < keys && into; i++)
		into = descend(r, into, r->keys[i]);
	if (json_object_set_new_nocheck(into, r->keys[keys - 1], value))
		fail(r, "could not be kept");
}

/* A string or a bare word. */
static json_t *take_scalar(struct toml *r)
{
	char text[STRING_MAX] = "";
	size_t used = 0;
	int c = peek(r);
	if (c == '"' || c == '\'') {
		used = take_string(r, text, sizeof text);
	} else {
		while ((c = peek(r)) > 0 && !strchr(",]}#\r\n", c)) {
			used = put(text, sizeof text, used, r->at, 1);
			r->at++;
		}
		while (used && (text[used - 1] == ' ' || text[used - 1] == '\t'))
			used--;
		if (!used)
			fail(r, "has a key without a value");
	}
	json_t *value = json_stringn_nocheck(text, used);
	explicit_bzero(text, sizeof text);
	return value;
}

/* A value with all that is in it. The depth is that of brackets that are open. */
static void take_value(struct toml *r, unsigned keys)
{
	unsigned depth = 0;
	do {
		json_t *into = r->open[depth];
		skip_lines(r);
		int c = peek(r);
		if (depth && c == (json_is_array(into) ? ']' : '}')) {
			r->at++;
			depth--;
		} else if (depth && c == ',') {
			r->at++;
			continue;
		} else {
			if (depth && json_is_object(into)) {
				keys = take_key_path(r);
				if (r->fault || peek(r) != '=') {
					fail(r, "has a key without a value");
					return;
				}
				r->at++;
				skip_lines(r);
				c = peek(r);
			}
			if (c != '[' && c != '{') {
				keep_value(r, into, keys, take_scalar(r));
				continue;
			}
			if (depth + 1 == TOML_LEVELS_MAX) {
				fail(r, "is nested too deeply");
				return;
			}
			r->at++;
			r->open[depth + 1] = c == '[' ? json_array() : json_object();
			keep_value(r, into, keys, r->open[++depth]);
		}
	} while (depth && !r->fault);
}

json_t *mcp_toml(const char *text, size_t len, const char **fault)
{
	json_t *root = json_object();
	struct toml r = {.at = text, .end = text + len, .open = {root}};
	if (starts(&r, "\xef\xbb\xbf"))
		r.at += 3;
	for (skip_lines(&r); r.at < r.end && !r.fault; skip_lines(&r)) {
		if (*r.at == '[') {
			take_header(&r, root);
			continue;
		}
		unsigned keys = take_key_path(&r);
		if (!r.fault && peek(&r) != '=')
			fail(&r, "has a key without a value");
		if (r.fault)
			break;
		r.at++;
		skip_blanks(&r);
		take_value(&r, keys);
	}
	*fault = root ? r.fault : "there is no memory to read it";
	if (*fault) {
		json_decref(root);
		return NULL;
	}
	return root;
}
