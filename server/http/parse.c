#include <http_parser.h>
#include <string.h>
#include <strings.h>

#include "server/http/http.h"

struct parse {
	struct sense_httpd_request *out;
	struct sense_httpd_span target;
	uint8_t *body;
	bool in_value, whole;
};

/* A span that comes in pieces: they lie one behind the other, since the request lies in one piece. */
static void span_add(struct sense_httpd_span *span, const char *at, size_t len)
{
	if (!span->text)
		span->text = at;
	span->len += len;
}

static int on_url(http_parser *parser, const char *at, size_t len)
{
	span_add(&((struct parse *)parser->data)->target, at, len);
	return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;
	struct sense_httpd_request *out = parse->out;
	if (parse->in_value || !out->field_count) {
		if (out->field_count == SENSE_HTTPD_FIELDS_MAX)
			return 1;
		out->fields[out->field_count++] = (struct sense_httpd_field){.name = {NULL, 0}};
	}
	parse->in_value = false;
	span_add(&out->fields[out->field_count - 1].name, at, len);
	return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;
	if (!parse->out->field_count)
		return 1;
	parse->in_value = true;
	span_add(&parse->out->fields[parse->out->field_count - 1].value, at, len);
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
	struct parse *parse = parser->data;
	memcpy(parse->body + parse->out->body_len, at, len);
	parse->out->body_len += len;
	return 0;
}

static int on_complete(http_parser *parser)
{
	struct parse *parse = parser->data;
	parse->whole = true;
	parse->out->keep_alive = http_should_keep_alive(parser);
	parse->out->http10 = parser->http_minor == 0;
	http_parser_pause(parser, 1); /* so that it says where it thinks that this was */
	return 0;
}

/* The path of the origin form, or of the absolute one, whose authority is that of the only server there is.
 */
static bool target_take(const struct sense_httpd_span *target, struct sense_httpd_request *out)
{
	if (!target->text)
		return false;
	const char *p = target->text, *end = p + target->len;
	if (*p != '/' && !(target->len == 1 && *p == '*')) {
		size_t scheme = target->len > 8 && !strncasecmp(p, "https://", 8) ? 8 : 0;
		if (!scheme)
			return false;
		p = memchr(p + scheme, '/', target->len - scheme);
		if (!p)
			return false;
	}
	const char *query = memchr(p, '?', (size_t)(end - p));
	size_t len = (size_t)((query ? query : end) - p);
	if (len >= sizeof out->path || memchr(p, '#', (size_t)(end - p)))
		return false;
	memcpy(out->path, p, len);
	out->path[len] = '\0';
	if (query)
		out->query = (struct sense_httpd_span){query + 1, (size_t)(end - query - 1)};
	return true;
}

/* What is behind a value is no part of it (RFC 9112, 5.1), which the parser leaves to us. */
static void value_trim(struct sense_httpd_span *value)
{
	while (value->len && (value->text[value->len - 1] == ' ' || value->text[value->len - 1] == '\t'))
		value->len--;
}

bool sense_httpd_parse(const uint8_t *data, size_t len, uint8_t *body, struct sense_httpd_request *out,
                       unsigned *status)
{
	static const http_parser_settings settings = {
	    .on_url = on_url,
	    .on_header_field = on_name,
	    .on_header_value = on_value,
	    .on_body = on_body,
	    .on_message_complete = on_complete,
	};
	http_parser parser;
	struct parse parse = {.out = out, .body = body};
	memset(out, 0, sizeof *out);
	out->body = body;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = &parse;
	size_t used = http_parser_execute(&parser, &settings, (const char *)data, len);
	enum http_errno code = HTTP_PARSER_ERRNO(&parser);
	*status = code == HPE_INVALID_METHOD ? 501 : 400;
	bool agreed = parse.whole && code == HPE_PAUSED && used == len;
	if (!agreed || !target_take(&parse.target, out))
		return false;
	for (unsigned i = 0; i < out->field_count; i++)
		value_trim(&out->fields[i].value);
	out->head = parser.method == HTTP_HEAD;
	out->method = out->head ? "GET" : http_method_str((enum http_method)parser.method);
	return true;
}

const struct sense_httpd_span *sense_httpd_field_of(const struct sense_httpd_request *request,
                                                    const char *name)
{
	for (unsigned i = 0; i < request->field_count; i++) {
		const struct sense_httpd_field *field = &request->fields[i];
		if (field->name.len == strlen(name) && !strncasecmp(field->name.text, name, field->name.len))
			return &field->value;
	}
	return NULL;
}

const char *sense_httpd_status_name(unsigned status)
{
	switch (status) {
#define NAME(number, id, text) \
	case number:           \
		return #text;
		HTTP_STATUS_MAP(NAME)
#undef NAME
	default:
		return "Unknown";
	}
}
