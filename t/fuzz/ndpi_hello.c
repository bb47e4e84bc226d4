/*
 * What the nDPI plugin does before nDPI: the short form of a ClientHello, which must name the same
 * server as the long one, and segments held until a ClientHello is whole.
 *
 * First byte odd: the rest is one TCP payload. Even: IP packets of one flow, each behind its length (u16).
 */
#include <stdlib.h>

#include "core/names/tls.h"

#include "plugins/ndpi/hello.c"
#define u16 segment_u16 /* both files have one of their own */
#include "plugins/ndpi/segment.c"
#undef u16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static bool server_name(const uint8_t *payload, unsigned len, struct sense_hello *hello)
{
	sense_tls *state = NULL;
	enum sense_tls_result result = sense_tls_segment(&state, 1, true, 1, payload, len, hello);
	sense_tls_free(state);
	return result == SENSE_TLS_CLIENT_HELLO;
}

static void payload_take(const uint8_t *payload, unsigned len)
{
	static struct sense_hello whole, cut;
	uint8_t out[HELLO_SHORT_MAX], *exact;
	unsigned shorter = hello_shorten(payload, len, out);
	bool partial = hello_is_partial(payload, len);
	hello_is_server_13(payload, len);
	check(shorter <= HELLO_SHORT_MAX && !(partial && shorter));
	if (!shorter)
		return;
	exact = malloc(shorter);
	check(exact);
	memcpy(exact, out, shorter);
	check(!hello_is_partial(exact, shorter));
	if (server_name(payload, len, &whole) && server_name(exact, shorter, &cut))
		check(!strcmp(whole.sni, cut.sni));
	free(exact);
}

static void packets_take(const uint8_t *data, size_t size)
{
	static uint8_t whole[HELLO_MAX];
	static struct hold hold;
	hold.used = hold.count = 0;
	while (size > 2) {
		unsigned len = (unsigned)data[0] << 8 | data[1];
		data += 2, size -= 2;
		len = len < size ? len : (unsigned)size;
		uint8_t *exact = malloc(len + !len);
		check(exact);
		memcpy(exact, data, len);
		struct segment s = segment_find(exact, len);
		if (s.headers) {
			check(s.headers <= s.len && s.len <= len);
			unsigned joined = hold_join(&hold, &s, whole);
			check(joined <= HELLO_MAX);
			payload_take(whole, joined);
			payload_take(exact + s.headers, segment_payload(&s));
			hold_add(&hold, &s);
		}
		free(exact);
		data += len, size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 60000)
		return 0;
	if (data[0] & 1)
		payload_take(data + 1, (unsigned)size - 1);
	else
		packets_take(data + 1, size - 1);
	return 0;
}
