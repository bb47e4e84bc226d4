/*
 * JSON and JSONC to a tree. A pass before the parser takes out comments and trailing commas and counts:
 * jansson takes a few hundred bytes for each empty object, so what it is given is bounded first.
 */
#include "mcp.h"

#include <stdlib.h>
#include <string.h>

struct gate {
	const char *in, *end;
	char *out;
	unsigned depth, values;
	bool comments;
};

/* A string with its quotes, copied as it stands. */
static void pass_string(struct gate *gate)
{
	*gate->out++ = *gate->in++;
	while (gate->in < gate->end) {
		char c = *gate->out++ = *gate->in++;
		if (c == '"')
			return;
		if (c == '\\' && gate->in < gate->end)
			*gate->out++ = *gate->in++;
	}
}

/* True: a comment was passed over. */
static bool pass_comment(struct gate *gate)
{
	const char *p = gate->in;
	if (!gate->comments || gate->end - p < 2 || p[0] != '/' || (p[1] != '/' && p[1] != '*'))
		return false;
	if (p[1] == '/') {
		const char *line = memchr(p, '\n', (size_t)(gate->end - p));
		gate->in = line ? line : gate->end;
		return true;
	}
	p = memmem(p + 2, (size_t)(gate->end - p) - 2, "*/", 2);
	gate->in = p ? p + 2 : gate->end;
	*gate->out++ = ' ';
	return true;
}

/* A comma that nothing but blanks separates from the bracket behind it is taken out again. */
static void drop_comma(struct gate *gate, const char *begin)
{
	char *at = gate->out;
	while (at > begin && strchr(" \t\r\n", at[-1]))
		at--;
	if (at > begin && at[-1] == ',')
		at[-1] = ' ';
}

static const char *pass(struct gate *gate)
{
	const char *begin = gate->out;
	while (gate->in < gate->end) {
		char c = *gate->in;
		if (!c)
			return "holds a NUL";
		if (pass_comment(gate))
			continue;
		if (c == '"') {
			pass_string(gate);
			continue;
		}
		gate->values += c == ',' || c == '{' || c == '[';
		gate->depth += c == '{' || c == '[';
		if (gate->comments && (c == '}' || c == ']'))
			drop_comma(gate, begin);
		gate->depth -= (c == '}' || c == ']') && gate->depth;
		if (gate->depth > MCP_DEPTH_MAX)
			return "is nested too deeply";
		if (gate->values > MCP_VALUES_MAX)
			return "holds too many values";
		*gate->out++ = c;
		gate->in++;
	}
	return NULL;
}

json_t *mcp_json(const char *text, size_t len, bool comments, const char **fault)
{
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	char *clean = malloc(len + 1);
	struct gate gate = {.in = text, .end = text + len, .out = clean, .comments = comments};
	json_t *root = NULL;
	json_error_t error;
	*fault = clean ? pass(&gate) : "there is no memory to read it";
	if (!*fault) {
		root = json_loadb(clean, (size_t)(gate.out - clean), JSON_DECODE_INT_AS_REAL, &error);
		*fault = root ? NULL : "is not JSON";
	}
	if (clean)
		explicit_bzero(clean, len);
	free(clean);
	return root;
}
