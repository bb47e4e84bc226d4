/*
 * ClientHello and ServerHello, alone and from scrambled TCP segments.
 *
 * First byte: bit 0 a bare message instead of a stream, bit 1 the SYN was not seen, bits 2-7 number of
 * segments. For a stream, three bytes a segment follow (offset, length), then the stream's bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/names/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void message(const uint8_t *data, size_t size)
{
	struct sense_hello hello;
	sense_server_hello_version(data, size);
	if (sense_hello_parse(data, size, true, &hello) != SENSE_OK)
		return;
	check(strlen(hello.ja3) == 32 && strlen(hello.ja4) == 36);
	check(strlen(hello.sni) < sizeof hello.sni && strlen(hello.alpn) < sizeof hello.alpn);
	check(hello.has_sni || !hello.sni[0]);
}

/* A hello that one segment gives must come out of smaller ones as well. */
static void same_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
	struct sense_hello whole, cut;
	sense_tls *state = NULL;
	enum sense_tls_result want = sense_tls_segment(&state, 0, true, 0, data, size, &whole),
	        got = SENSE_TLS_MORE;
	sense_tls_free(state);
	state = NULL;
	if (want != SENSE_TLS_CLIENT_HELLO && want != SENSE_TLS_SERVER_HELLO)
		return;
	for (size_t at = 0; at < size && got == SENSE_TLS_MORE; at += piece)
		got = sense_tls_segment(&state, (uint32_t)at, true, 0, data + at,
		                        size - at < piece ? size - at : piece, &cut);
	check(got == want && !state && !memcmp(&whole, &cut, sizeof cut));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	unsigned flags = data[0], count = flags >> 2;
	if (flags & 1) {
		message(data + 1, size - 1);
		return 0;
	}
	if (size < 1 + 3 * count)
		return 0;
	const uint8_t *plan = data + 1, *stream = plan + 3 * count;
	size_t len = size - 1 - 3 * count;
	sense_tls *state = NULL;
	struct sense_hello hello;
	for (unsigned i = 0; i < count; i++, plan += 3) {
		size_t at = (size_t)(plan[0] << 8 | plan[1]), part = plan[2] * 8u + 1;
		if (at >= len)
			continue;
		if (part > len - at)
			part = len - at;
		enum sense_tls_result result = sense_tls_segment(&state, 0xffffff80u + (uint32_t)at,
		                                                 !(flags & 2),
		                                                 0xffffff80u, stream + at, part, &hello);
		check(result == SENSE_TLS_MORE || !state);
	}
	sense_tls_free(state);
	if (len && len < 20000)
		same_in_pieces(stream, len, 1 + count * 7);
	return 0;
}
