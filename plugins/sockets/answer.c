#include "answer.h"

#include <ctype.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { JSON_DEPTH_MAX = 16, JSON_ITEMS_MAX = 4096, HEADERS_MAX = 64 };

/* ---- questions ------------------------------------------------------------------------------- */

static const char initialize[] =
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-03-26\","
    "\"capabilities\":{},\"clientInfo\":{\"name\":\"sense-agent\",\"version\":\"1\"}}}";

size_t question_write(enum question question, bool ip6, unsigned port, char *out, size_t cap)
{
	const char *host = ip6 ? "[::1]" : "127.0.0.1";
	int len;
	if (question == QUESTION_MCP)
		len = snprintf(
		    out, cap,
		    "POST /mcp HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: sense-agent\r\n"
		    "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		    host, port, sizeof initialize - 1, initialize);
	else
		len = snprintf(out, cap,
		               "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: sense-agent\r\n"
		               "Accept: application/json\r\nConnection: close\r\n\r\n",
		               question == QUESTION_OLLAMA ? "/api/tags" : "/v1/models", host, port);
	return len < 0 || (size_t)len >= cap ? 0 : (size_t)len;
}

const char *question_proves(enum question question)
{
	static const char *const names[QUESTION_COUNT] = {"Ollama", "OpenAI-compatible", "MCP"};
	return question < QUESTION_COUNT ? names[question] : NULL;
}

/* ---- what it says ---------------------------------------------------------------------------- */

/* {"models":[{"name":...,"digest":...}]}; an Ollama without models answers with an empty list. */
static bool says_ollama(const json_t *root)
{
	const json_t *models = json_object_get(root, "models");
	if (!json_is_array(models) || json_object_size(root) != 1)
		return false;
	for (size_t i = 0; i < json_array_size(models); i++) {
		const json_t *model = json_array_get(models, i);
		if (!json_is_string(json_object_get(model, "name")) ||
		    !json_is_string(json_object_get(model, "digest")))
			return false;
	}
	return true;
}

/* {"object":"list","data":[{"id":...,"object":"model"}]} */
static bool says_openai(const json_t *root)
{
	const json_t *data = json_object_get(root, "data");
	const char *object = json_string_value(json_object_get(root, "object"));
	if (!json_is_array(data) || !object || strcmp(object, "list") != 0)
		return false;
	for (size_t i = 0; i < json_array_size(data); i++) {
		const json_t *model = json_array_get(data, i);
		object = json_string_value(json_object_get(model, "object"));
		if (!json_is_string(json_object_get(model, "id")) || !object || strcmp(object, "model") != 0)
			return false;
	}
	return true;
}

/* {"jsonrpc":"2.0","id":1,"result":{"protocolVersion":...,"capabilities":{},"serverInfo":{"name":...}}} */
static bool says_mcp(const json_t *root)
{
	const char *version = json_string_value(json_object_get(root, "jsonrpc"));
	const json_t *result = json_object_get(root, "result");
	return version && !strcmp(version, "2.0") && json_integer_value(json_object_get(root, "id")) == 1 &&
	       json_is_string(json_object_get(result, "protocolVersion")) &&
	       json_is_object(json_object_get(result, "capabilities")) &&
	       json_is_string(json_object_get(json_object_get(result, "serverInfo"), "name"));
}

/* jansson recurses on depth: what is deep or has many parts is not given to it. */
static bool json_modest(const char *text, size_t len)
{
	unsigned depth = 0, items = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth)
			depth--;
		else if (c == ',')
			items++;
		if (depth > JSON_DEPTH_MAX || items > JSON_ITEMS_MAX)
			return false;
	}
	return true;
}

static bool json_says(enum question question, const char *text, size_t len)
{
	if (!json_modest(text, len))
		return false;
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	bool says = json_is_object(root) && (question == QUESTION_OLLAMA   ? says_ollama(root)
	                                     : question == QUESTION_OPENAI ? says_openai(root)
	                                                                   : says_mcp(root));
	json_decref(root);
	return says;
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

struct head {
	size_t body_at;
	size_t length; /* of the body; SIZE_MAX: until the end */
	bool chunked, json, events;
};

/* The value of the header that this line is, without spaces around it; or NULL. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *value_len)
{
	size_t name_len = strlen(name);
	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return NULL;
	size_t at = name_len + 1;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	while (len > at && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	*value_len = len - at;
	return line + at;
}

static bool length_read(const char *text, size_t len, size_t *out)
{
	size_t value = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || value > ANSWER_MAX)
			return false;
		value = value * 10 + (size_t)(text[i] - '0');
	}
	*out = value;
	return len && value <= ANSWER_MAX;
}

static bool is_type(const char *value, size_t len, const char *type)
{
	size_t type_len = strlen(type);
	return len >= type_len && !strncasecmp(value, type, type_len) &&
	       (len == type_len || value[type_len] == ';' || value[type_len] == ' ');
}

static bool header_take(struct head *head, const char *line, size_t len)
{
	size_t value_len = 0;
	const char *value = value_of(line, len, "Content-Length", &value_len);
	if (value)
		return head->length == SIZE_MAX && length_read(value, value_len, &head->length);
	value = value_of(line, len, "Transfer-Encoding", &value_len);
	if (value) {
		head->chunked = value_len == 7 && !strncasecmp(value, "chunked", 7);
		return head->chunked;
	}
	value = value_of(line, len, "Content-Type", &value_len);
	if (value) {
		head->json = is_type(value, value_len, "application/json");
		head->events = is_type(value, value_len, "text/event-stream");
		return head->json || head->events;
	}
	return !value_of(line, len, "Content-Encoding", &value_len);
}

static enum answer head_read(const char *data, size_t len, struct head *head)
{
	static const char status[] = "HTTP/1.";
	size_t known = len < sizeof status - 1 ? len : sizeof status - 1;
	if (memcmp(data, status, known) != 0)
		return ANSWER_NO;
	*head = (struct head){.length = SIZE_MAX};
	size_t at = 0;
	for (unsigned lines = 0; lines <= HEADERS_MAX; lines++) {
		const char *end = memchr(data + at, '\n', len - at);
		if (!end)
			return ANSWER_MORE;
		size_t line_len = (size_t)(end - data) - at;
		const char *line = data + at;
		at += line_len + 1;
		if (!line_len || line[line_len - 1] != '\r')
			return ANSWER_NO;
		line_len--;
		if (!lines &&
		    (line_len < 12 || (line[7] != '0' && line[7] != '1') || memcmp(line + 8, " 200", 4) != 0))
			return ANSWER_NO;
		head->body_at = at;
		if (!line_len)
			return (head->json || head->events) && !(head->chunked && head->length != SIZE_MAX)
			         ? ANSWER_YES
			         : ANSWER_NO;
		if (lines && !header_take(head, line, line_len))
			return ANSWER_NO;
	}
	return ANSWER_NO;
}

/* The size of the chunk whose line begins at *at (RFC 9112, 7.1), behind which *at is moved. */
static enum answer chunk_size(const char *data, size_t len, size_t *at, size_t *out)
{
	size_t value = 0, i = *at;
	for (; i < len && i - *at < 8 && isxdigit((unsigned char)data[i]); i++) {
		int digit = tolower((unsigned char)data[i]);
		value = value << 4 | (size_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	if (i == len)
		return ANSWER_MORE;
	if (i == *at || value > ANSWER_MAX)
		return ANSWER_NO;
	const char *end = memchr(data + i, '\n', len - i);
	if (!end)
		return ANSWER_MORE;
	if (end[-1] != '\r')
		return ANSWER_NO;
	*at = (size_t)(end - data) + 1;
	*out = value;
	return ANSWER_YES;
}

/* Chunks put together in `out` of ANSWER_MAX. *whole: the last one came. */
static enum answer chunks_read(const char *data, size_t len, char *out, size_t *out_len, bool *whole)
{
	size_t at = 0, size;
	*out_len = 0;
	for (;;) {
		enum answer got = chunk_size(data, len, &at, &size);
		if (got != ANSWER_YES)
			return got;
		if (!size) {
			*whole = true;
			return ANSWER_YES;
		}
		size_t have = len - at < size ? len - at : size;
		memcpy(out + *out_len, data + at, have);
		*out_len += have;
		at += have;
		if (have < size || len - at < 2)
			return ANSWER_MORE;
		if (memcmp(data + at, "\r\n", 2) != 0)
			return ANSWER_NO;
		at += 2;
	}
}

/* The first event of a stream: its lines "data: ...", ended by an empty line. */
static enum answer event_read(enum question question, const char *body, size_t len)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(body + at, '\n', len - at);
		if (!end)
			return ANSWER_MORE;
		size_t line_len = (size_t)(end - body) - at;
		const char *line = body + at;
		at += line_len + 1;
		if (line_len && line[line_len - 1] == '\r')
			line_len--;
		if (line_len > 5 && !memcmp(line, "data:", 5))
			return json_says(question, line + 5, line_len - 5) ? ANSWER_YES : ANSWER_NO;
	}
	return ANSWER_MORE;
}

static enum answer body_read(enum question question, const struct head *head, const char *body, size_t len,
                             bool ended)
{
	char joined[ANSWER_MAX];
	bool whole = ended && !head->chunked && head->length == SIZE_MAX;
	if (head->chunked) {
		size_t joined_len;
		if (chunks_read(body, len, joined, &joined_len, &whole) == ANSWER_NO)
			return ANSWER_NO;
		body = joined;
		len = joined_len;
	} else if (head->length != SIZE_MAX) {
		whole = len >= head->length;
		len = whole ? head->length : len;
	}
	if (head->events)
		return question == QUESTION_MCP ? event_read(question, body, len) : ANSWER_NO;
	if (!whole)
		return ANSWER_MORE;
	return json_says(question, body, len) ? ANSWER_YES : ANSWER_NO;
}

enum answer answer_read(enum question question, const char *data, size_t len, bool ended)
{
	struct head head;
	if (len > ANSWER_MAX)
		return ANSWER_NO;
	enum answer answer = head_read(data, len, &head);
	if (answer == ANSWER_YES)
		answer = body_read(question, &head, data + head.body_at, len - head.body_at, ended);
	if (answer == ANSWER_MORE && (ended || len == ANSWER_MAX))
		return ANSWER_NO;
	return answer;
}
