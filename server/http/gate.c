#include "server/http/gate.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 16u
#define CHUNK_DIGITS_MAX 8u
#define LENGTH_DIGITS_MAX 15u

struct span {
	const char *text;
	size_t len;
};

void sense_gate_init(struct sense_gate *gate)
{
	*gate = (struct sense_gate){.phase = SENSE_GATE_HEAD};
}

static enum sense_gate_result refuse(struct sense_gate *gate, unsigned status, const char *why)
{
	gate->status = status;
	gate->why = why;
	return SENSE_GATE_REFUSED;
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

static bool is_token(unsigned char c) /* RFC 9110, 5.6.2 */
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static int hex_of(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool span_is(const struct span *span, const char *word)
{
	return span->len == strlen(word) && !strncasecmp(span->text, word, span->len);
}

/* ---- the request's line -------------------------------------------------------------------------------- */

static enum sense_gate_result version_look(struct sense_gate *gate, const struct span *version)
{
	if (version->len == 8 && !memcmp(version->text, "HTTP/1.1", 8))
		return SENSE_GATE_MORE;
	if (version->len == 8 && !memcmp(version->text, "HTTP/1.0", 8)) {
		gate->http10 = true;
		return SENSE_GATE_MORE;
	}
	if (version->len >= 5 && !memcmp(version->text, "HTTP/", 5))
		return refuse(gate, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	return refuse(gate, 400, "the first line is no METHOD TARGET HTTP/1.1");
}

static enum sense_gate_result request_line(struct sense_gate *gate, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	size_t method = space ? (size_t)(space - line) : 0;
	if (!method || method > METHOD_MAX)
		return refuse(gate, 400, "the first line is no METHOD TARGET HTTP/1.1");
	for (size_t i = 0; i < method; i++)
		if ((line[i] < 'A' || line[i] > 'Z') && line[i] != '-')
			return refuse(gate, 400, "the method is not in capital letters");
	const char *target = space + 1, *end = line + len;
	const char *second = memchr(target, ' ', (size_t)(end - target));
	if (!second || second == target)
		return refuse(gate, 400, "the first line is no METHOD TARGET HTTP/1.1");
	for (const char *p = target; p < second; p++)
		if (*p <= ' ' || *p > '~')
			return refuse(gate, 400, "the target holds bytes that belong in %XX");
	struct span version = {second + 1, (size_t)(end - second - 1)};
	return version_look(gate, &version);
}

/* ---- fields -------------------------------------------------------------------------------------------- */

static enum sense_gate_result length_look(struct sense_gate *gate, const struct span *value)
{
	if (gate->has_length)
		return refuse(gate, 400, "Content-Length is there twice");
	gate->has_length = true;
	if (!value->len)
		return refuse(gate, 400, "Content-Length is no number");
	for (size_t i = 0; i < value->len; i++) {
		if (value->text[i] < '0' || value->text[i] > '9')
			return refuse(gate, 400, "Content-Length is no number");
		if (i == LENGTH_DIGITS_MAX)
			return refuse(gate, 413, "the body is larger than 1 MiB");
		gate->left = gate->left * 10 + (uint64_t)(value->text[i] - '0');
	}
	return SENSE_GATE_MORE;
}

static enum sense_gate_result encoding_look(struct sense_gate *gate, const struct span *value)
{
	if (gate->chunked)
		return refuse(gate, 400, "Transfer-Encoding is there twice");
	if (gate->http10)
		return refuse(gate, 400, "HTTP/1.0 has no Transfer-Encoding");
	if (!span_is(value, "chunked"))
		return refuse(gate, 501, "no Transfer-Encoding but `chunked` is taken");
	gate->chunked = true;
	return SENSE_GATE_MORE;
}

static enum sense_gate_result host_look(struct sense_gate *gate, const struct span *value)
{
	if (gate->has_host)
		return refuse(gate, 400, "Host is there twice");
	gate->has_host = true;
	for (size_t i = 0; i < value->len; i++)
		if (!is_token((unsigned char)value->text[i]) && !strchr("[]:", value->text[i]))
			return refuse(gate, 400, "Host is no name or address");
	return value->len ? SENSE_GATE_MORE : refuse(gate, 400, "Host is empty");
}

static enum sense_gate_result field_look(struct sense_gate *gate, const struct span *name,
                                         const struct span *value)
{
	if (span_is(name, "host"))
		return host_look(gate, value);
	if (span_is(name, "content-length"))
		return length_look(gate, value);
	if (span_is(name, "transfer-encoding"))
		return encoding_look(gate, value);
	if (!span_is(name, "expect"))
		return SENSE_GATE_MORE;
	if (!span_is(value, "100-continue"))
		return refuse(gate, 417, "nothing can be expected here but 100-continue");
	gate->wants_continue = !gate->http10;
	return SENSE_GATE_MORE;
}

static enum sense_gate_result field_line(struct sense_gate *gate, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	if (*line == ' ' || *line == '\t')
		return refuse(gate, 400, "a field goes on in another line");
	if (!colon || colon == line)
		return refuse(gate, 400, "a field has no name");
	for (const char *p = line; p < colon; p++)
		if (!is_token((unsigned char)*p))
			return refuse(gate, 400, "a field's name holds what no name may hold");
	if (++gate->fields > SENSE_HTTPD_FIELDS_MAX)
		return refuse(gate, 431, "more than 100 fields");
	struct span name = {line, (size_t)(colon - line)};
	const char *begin = colon + 1, *end = line + len;
	while (begin < end && (*begin == ' ' || *begin == '\t'))
		begin++;
	while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	struct span value = {begin, (size_t)(end - begin)};
	return field_look(gate, &name, &value);
}

/* ---- the head ------------------------------------------------------------------------------------------ */

/* Behind the empty line: what is to come. */
static enum sense_gate_result head_end(struct sense_gate *gate)
{
	gate->head_len = gate->at;
	if (!gate->http10 && !gate->has_host)
		return refuse(gate, 400, "HTTP/1.1 wants a Host");
	if (gate->chunked && gate->has_length)
		return refuse(gate, 400, "both Content-Length and Transfer-Encoding");
	if (gate->left > SENSE_HTTPD_BODY_MAX)
		return refuse(gate, 413, "the body is larger than 1 MiB");
	gate->phase = gate->chunked ? SENSE_GATE_CHUNK_SIZE : SENSE_GATE_BODY;
	gate->body = gate->left;
	return gate->chunked || gate->left ? SENSE_GATE_MORE : SENSE_GATE_WHOLE;
}

static enum sense_gate_result line_look(struct sense_gate *gate, const uint8_t *data)
{
	const char *line = (const char *)data + gate->line;
	size_t len = gate->at - gate->line - 2;
	bool first = !gate->line;
	gate->line = gate->at;
	if (first)
		return request_line(gate, line, len);
	return len ? field_line(gate, line, len) : head_end(gate);
}

/* One byte of the head; `at` stands behind it. */
static enum sense_gate_result head_byte(struct sense_gate *gate, const uint8_t *data)
{
	uint8_t c = data[gate->at - 1];
	bool after_cr = gate->at - 1 > gate->line && data[gate->at - 2] == '\r';
	if (gate->at > SENSE_HTTPD_REQUEST_HEAD_MAX)
		return refuse(gate, 431, "the head is larger than 16 KiB");
	if (after_cr != (c == '\n'))
		return refuse(gate, 400, "a line does not end in CR LF");
	if (c == '\n')
		return line_look(gate, data);
	if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
		return refuse(gate, 400, "the head holds a control character");
	return SENSE_GATE_MORE;
}

/* ---- the body ------------------------------------------------------------------------------------------ */

static enum sense_gate_result chunk_size_end(struct sense_gate *gate)
{
	gate->digits = 0;
	if (gate->left > SENSE_HTTPD_BODY_MAX || gate->body + gate->left > SENSE_HTTPD_BODY_MAX)
		return refuse(gate, 413, "the body is larger than 1 MiB");
	gate->body += gate->left;
	gate->phase = gate->left ? SENSE_GATE_CHUNK_DATA : SENSE_GATE_TRAILER;
	gate->line = gate->at;
	return SENSE_GATE_MORE;
}

static enum sense_gate_result chunk_size_byte(struct sense_gate *gate, uint8_t c, uint8_t before)
{
	int digit = hex_of(c);
	if (digit >= 0 && before != '\r') {
		if (++gate->digits > CHUNK_DIGITS_MAX)
			return refuse(gate, 400, "a chunk's size is too long");
		gate->left = (gate->digits == 1 ? 0 : gate->left << 4) | (unsigned)digit;
		return SENSE_GATE_MORE;
	}
	if (c == '\r' && gate->digits && before != '\r')
		return SENSE_GATE_MORE;
	if (c == '\n' && gate->digits && before == '\r')
		return chunk_size_end(gate);
	return refuse(gate, 400, "a chunk's size is not hexadecimal digits and CR LF alone");
}

/* CR and LF alone: behind a chunk's data, or in place of trailers. */
static enum sense_gate_result ending_byte(struct sense_gate *gate, uint8_t c)
{
	size_t n = gate->at - gate->line;
	if (c != (n == 1 ? '\r' : '\n'))
		return refuse(gate, 400,
		              gate->phase == SENSE_GATE_TRAILER ? "trailers are not taken"
		                                                : "a chunk is longer than its size");
	if (n == 1)
		return SENSE_GATE_MORE;
	if (gate->phase == SENSE_GATE_TRAILER)
		return SENSE_GATE_WHOLE;
	gate->phase = SENSE_GATE_CHUNK_SIZE;
	return SENSE_GATE_MORE;
}

/* Data of a body or chunk, as much as there is. */
static enum sense_gate_result data_pass(struct sense_gate *gate, size_t len)
{
	size_t there = len - gate->at;
	size_t n = there < gate->left ? there : (size_t)gate->left;
	gate->at += n;
	gate->left -= n;
	if (gate->left)
		return SENSE_GATE_MORE;
	if (gate->phase == SENSE_GATE_BODY)
		return SENSE_GATE_WHOLE;
	gate->phase = SENSE_GATE_CHUNK_END;
	gate->line = gate->at;
	return SENSE_GATE_MORE;
}

static enum sense_gate_result byte_look(struct sense_gate *gate, const uint8_t *data)
{
	gate->at++;
	if (gate->phase == SENSE_GATE_HEAD)
		return head_byte(gate, data);
	if (gate->phase == SENSE_GATE_CHUNK_SIZE)
		return chunk_size_byte(gate, data[gate->at - 1], data[gate->at - 2]);
	return ending_byte(gate, data[gate->at - 1]);
}

enum sense_gate_result sense_gate_scan(struct sense_gate *gate, const uint8_t *data, size_t len)
{
	enum sense_gate_result result = gate->status ? SENSE_GATE_REFUSED : SENSE_GATE_MORE;
	while (result == SENSE_GATE_MORE && gate->at < len) {
		if (gate->phase == SENSE_GATE_BODY || gate->phase == SENSE_GATE_CHUNK_DATA)
			result = data_pass(gate, len);
		else
			result = byte_look(gate, data);
		if (result == SENSE_GATE_MORE && gate->at > SENSE_HTTPD_RAW_MAX)
			result = refuse(gate, 413, "the request is larger than 2 MiB as it was sent");
	}
	return result;
}
