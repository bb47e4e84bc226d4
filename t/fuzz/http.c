/*
 * HTTP heads: the first byte says how the rest is cut into segments, the second whether segments are
 * repeated, overlap or get lost. However a head is cut, the same must be read.
 */
#include "core/names/http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t cap)
{
	size_t len = strnlen(text, cap);
	if (len >= cap)
		abort();
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			abort();
	}
}

static void check(const struct sense_http *http)
{
	check_text(http->method, sizeof(http->method));
	check_text(http->path, sizeof(http->path));
	check_text(http->host, sizeof(http->host));
	check_text(http->user_agent, sizeof(http->user_agent));
	check_text(http->content_type, sizeof(http->content_type));
	/* The seeds hold this key at places that mutation moves about. */
	if (http->credential > SENSE_CREDENTIAL_GITHUB || strchr(http->path, '?') ||
	    strstr(http->path, "/sk-SECRETSECRET") || strstr(http->user_agent, "(sk-SECRETSECRET"))
		abort();
}

static bool same(const struct sense_http *a, const struct sense_http *b)
{
	return !strcmp(a->method, b->method) && !strcmp(a->path, b->path) && !strcmp(a->host, b->host) &&
	       !strcmp(a->user_agent, b->user_agent) && !strcmp(a->content_type, b->content_type) &&
	       a->host_port == b->host_port && a->markers == b->markers && a->credential == b->credential &&
	       a->absolute == b->absolute;
}

static enum sense_http_result run(const uint8_t *data, size_t size, size_t step, uint8_t how,
                                  struct sense_http *out)
{
	sense_http_state *state = NULL;
	enum sense_http_result result = SENSE_HTTP_NO;
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		size_t back = at < (how & 7u) ? 0 : how & 7u;
		if (how & 8 && at > 3 * step)
			continue; /* lost */
		result = sense_http_segment(&state, (uint32_t)(at - back), data + at - back, n + back, out);
		if ((result == SENSE_HTTP_MORE) != (state != NULL))
			abort();
		if (result == SENSE_HTTP_REQUEST)
			check(out);
		if (result != SENSE_HTTP_MORE)
			break;
	}
	sense_http_free(state);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sense_http cut, whole;
	if (size < 3)
		return 0;
	const uint8_t *head = data + 2;
	size -= 2;
	enum sense_http_result a = run(head, size, size, 0, &whole);
	/* A lost segment or leading empty lines (which may be cut) make a difference that is meant. */
	enum sense_http_result b = run(head, size, data[0] + 1u, data[1], &cut);
	if ((data[1] & 8) || head[0] == '\r' || head[0] == '\n' || size > SENSE_HTTP_HEAD_MAX)
		return 0;
	if (a != b || (a == SENSE_HTTP_REQUEST && !same(&whole, &cut)))
		abort();
	return 0;
}
