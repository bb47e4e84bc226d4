/*
 * HTTP request heads from segments. A head in one segment is read where it lies; any other is
 * collected, the head alone, and cleared before its memory is given back.
 */
#include "core/names/http.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/names/http_head.h"

struct sense_http_state {
	uint32_t next; /* sequence number expected */
	uint32_t len;
	uint32_t cap;
	uint8_t end;     /* how much of an empty line the bytes so far end with, see head_end */
	bool line_known; /* the request line is whole and is one */
	char *head;
};

static const struct method {
	const char *text;
	size_t len;
} methods[] = {
#define METHOD(text) { text " ", sizeof(text) }
	METHOD("GET"), METHOD("POST"), METHOD("PUT"), METHOD("HEAD"), METHOD("DELETE"), METHOD("OPTIONS"),
	METHOD("PATCH"), METHOD("CONNECT"), METHOD("TRACE"), METHOD("QUERY"), METHOD("PROPFIND"),
	METHOD("PROPPATCH"), METHOD("MKCOL"), METHOD("COPY"), METHOD("MOVE"), METHOD("LOCK"),
	METHOD("UNLOCK"), METHOD("REPORT"), METHOD("SEARCH"), METHOD("SUBSCRIBE"), METHOD("UNSUBSCRIBE"),
	METHOD("NOTIFY"), METHOD("M-SEARCH"), METHOD("BITS_POST"), METHOD("RPC_IN_DATA"),
	METHOD("RPC_OUT_DATA"),
};

/* Empty lines before a request are to be ignored (RFC 9112, 2.2): clients send them behind bodies. */
static size_t blank(const uint8_t *data, size_t len)
{
	size_t n = 0;
	while (n < len && n < 4 && (data[n] == '\r' || data[n] == '\n'))
		n++;
	return n;
}

bool sense_http_looks_like_request(const uint8_t *data, size_t len)
{
	size_t skip = blank(data, len);
	data += skip;
	len -= skip;
	if (!len || data[0] < 'B' || data[0] > 'U')
		return false;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		size_t n = methods[i].len < len ? methods[i].len : len;
		if (methods[i].text[0] == (char)data[0] && !memcmp(methods[i].text, data, n))
			return true;
	}
	return false;
}

/*
 * The bytes up to the end of the head, its empty line included; 0 when it is not there. *end keeps
 * how much of that line came last: 0 nothing, 1 a line feed, 2 a line feed and a carriage return.
 */
static size_t head_end(uint8_t *end, const uint8_t *data, size_t len)
{
	size_t i = 0;
	while (i < len) {
		if (!*end) {
			const uint8_t *feed = memchr(data + i, '\n', len - i);
			if (!feed)
				return 0;
			i = (size_t)(feed - data) + 1;
			*end = 1;
			continue;
		}
		uint8_t c = data[i++];
		if (c == '\n')
			return i;
		*end = c == '\r' && *end == 1 ? 2 : 0;
	}
	return 0;
}

static void head_clear(char *head, size_t len)
{
	if (head)
		OPENSSL_cleanse(head, len);
	free(head);
}

void sense_http_free(sense_http_state *state)
{
	if (!state)
		return;
	head_clear(state->head, state->len);
	free(state);
}

/* Not realloc: it would leave what it moved, credentials too, in memory that is free. */
static bool head_add(sense_http_state *state, const uint8_t *data, size_t len)
{
	size_t need = state->len + len;
	if (need > state->cap) {
		size_t cap = need < SENSE_HTTP_HEAD_MAX / 2 ? need * 2 : SENSE_HTTP_HEAD_MAX;
		char *head = malloc(cap);
		if (!head)
			return false;
		if (state->len)
			memcpy(head, state->head, state->len);
		head_clear(state->head, state->len);
		state->head = head;
		state->cap = (uint32_t)cap;
	}
	memcpy(state->head + state->len, data, len);
	state->len += (uint32_t)len;
	return true;
}

/* Whether what was collected can still become a request: known once its first line is there. */
static bool may_be_request(sense_http_state *state)
{
	if (state->line_known)
		return true;
	if (!sense_http_looks_like_request((const uint8_t *)state->head, state->len))
		return false;
	const char *feed = memchr(state->head, '\n', state->len);
	if (!feed)
		return true;
	state->line_known = sense_http_line_valid(state->head, (size_t)(feed - state->head));
	return state->line_known;
}

/* Of a head beyond the bound, the lines within it: cookies are no way to hide a request. */
static enum sense_http_result head_result(const char *head, size_t len, bool cut, struct sense_http *out)
{
	const char *feed = cut ? memrchr(head, '\n', len) : NULL;
	if (cut)
		len = feed ? (size_t)(feed - head) + 1 : 0;
	return sense_http_head_read(head, len, out) ? SENSE_HTTP_REQUEST : SENSE_HTTP_NO;
}

/* The segment goes on what *state holds. */
static enum sense_http_result head_resume(sense_http_state *state, uint32_t seq, const uint8_t *data,
                                          size_t len, struct sense_http *out)
{
	int32_t ahead = (int32_t)(seq - state->next);
	if (ahead > 0)
		return SENSE_HTTP_NO;
	size_t old = (size_t)-(int64_t)ahead;
	if (old >= len)
		return SENSE_HTTP_MORE; /* sent again */
	data += old;
	len -= old;
	size_t end = head_end(&state->end, data, len);
	size_t want = end ? end : len;
	bool cut = want > SENSE_HTTP_HEAD_MAX - state->len;
	if (!head_add(state, data, cut ? SENSE_HTTP_HEAD_MAX - state->len : want) || !may_be_request(state))
		return SENSE_HTTP_NO;
	state->next += (uint32_t)len;
	return end || cut ? head_result(state->head, state->len, cut, out) : SENSE_HTTP_MORE;
}

enum sense_http_result sense_http_segment(sense_http_state **state, uint32_t seq,
                                          const uint8_t *data, size_t len, struct sense_http *out)
{
	if (!*state) {
		size_t skip = blank(data, len);
		data += skip;
		len -= skip;
		seq += (uint32_t)skip;
		if (!sense_http_looks_like_request(data, len))
			return SENSE_HTTP_NO;
		uint8_t part = 0;
		size_t end = head_end(&part, data, len);
		bool cut = end > SENSE_HTTP_HEAD_MAX;
		if (end)
			return head_result((const char *)data, cut ? SENSE_HTTP_HEAD_MAX : end, cut, out);
		*state = calloc(1, sizeof(**state));
		if (!*state)
			return SENSE_HTTP_NO;
		(*state)->next = seq;
	}
	enum sense_http_result result = head_resume(*state, seq, data, len, out);
	if (result != SENSE_HTTP_MORE) {
		sense_http_free(*state);
		*state = NULL;
	}
	return result;
}
