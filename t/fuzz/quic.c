/*
 * QUIC: datagrams as they are (the first byte is even), or frames as they are after decryption, which
 * a fuzzer cannot get past (odd). Datagrams and packets stand behind lengths of two bytes.
 */
#include <stdlib.h>

#include "core/names/quic.h"
#include "core/names/quic_frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void datagrams(const uint8_t *data, size_t size)
{
	static sense_quic_crypto *crypto;
	if (!crypto)
		crypto = sense_quic_crypto_new();
	sense_quic *state = NULL;
	struct sense_hello hello;
	uint32_t version;
	struct sense_cursor c = sense_cursor_of(data, size);
	while (c.left) {
		struct sense_bytes one = sense_cursor_vector(&c, 2);
		enum sense_quic_result result = sense_quic_datagram(crypto, &state, one.at, one.len, &version,
		                                                    &hello);
		if (result != SENSE_QUIC_MORE && state)
			abort();
	}
	sense_quic_free(state);
}

static void packets(const uint8_t *data, size_t size)
{
	struct sense_pieces stream;
	struct sense_hello hello;
	sense_pieces_init(&stream, SENSE_HELLO_MAX, false);
	struct sense_cursor c = sense_cursor_of(data, size);
	while (c.left) {
		struct sense_bytes one = sense_cursor_vector(&c, 2);
		sense_quic_frames(&stream, one.at, one.len);
		if (stream.whole > stream.end || stream.end > stream.cap || stream.end > stream.limit)
			abort();
	}
	if (stream.whole)
		sense_hello_parse(stream.data, stream.whole, true, &hello);
	sense_pieces_fini(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] & 1)
		packets(data + 1, size - 1);
	else if (size)
		datagrams(data + 1, size - 1);
	return 0;
}
