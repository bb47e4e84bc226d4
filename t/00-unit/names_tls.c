/* core/names/tls.c: a hello from TCP segments in any order, and what is not one. */
#include "core/names/tls.h"

#include <stdlib.h>

#include "t/00-unit/hello_build.h"
#include "t/tap.h"

static uint8_t stream[60000];
static size_t stream_len;
static struct sense_hello hello;
static sense_tls *state;

struct piece {
	size_t at;
	size_t len;
};

/* Puts the example into records of at most `record` bytes. */
static void make_stream(const char *name, size_t padding, size_t record)
{
	static struct hello_build b;
	hello_example(&b, name, padding);
	stream_len = 0;
	for (size_t at = 0; at < b.len; at += record) {
		size_t part = b.len - at < record ? b.len - at : record;
		memcpy(stream + stream_len, "\26\3\1", 3);
		stream[stream_len + 3] = (uint8_t)(part >> 8);
		stream[stream_len + 4] = (uint8_t)part;
		memcpy(stream + stream_len + 5, b.data + at, part);
		stream_len += 5 + part;
	}
}

/* Gives the pieces in order; the last result. Stops early at a result that is not MORE. */
static enum sense_tls_result feed(const struct piece *pieces, size_t count, uint32_t base, bool start_known)
{
	enum sense_tls_result result = SENSE_TLS_MORE;
	memset(&hello, 0, sizeof hello);
	for (size_t i = 0; i < count && result == SENSE_TLS_MORE; i++)
		result = sense_tls_segment(&state, base + (uint32_t)pieces[i].at, start_known, base,
		                           stream + pieces[i].at, pieces[i].len, &hello);
	if (result == SENSE_TLS_MORE) {
		sense_tls_free(state);
		state = NULL;
	}
	return result;
}

static bool found(enum sense_tls_result result, const char *name)
{
	return result == SENSE_TLS_CLIENT_HELLO && !strcmp(hello.ja4, EXAMPLE_JA4) &&
	       !strcmp(hello.sni, name) && !state;
}

static size_t cut(struct piece *out, size_t size)
{
	size_t count = 0;
	for (size_t at = 0; at < stream_len; at += size)
		out[count++] = (struct piece){at, stream_len - at < size ? stream_len - at : size};
	return count;
}

static void shuffle(struct piece *pieces, size_t count, unsigned seed)
{
	for (size_t i = count; i > 1; i--) {
		seed = seed * 1664525u + 1013904223u;
		size_t j = (seed >> 8) % i;
		struct piece swap = pieces[i - 1];
		pieces[i - 1] = pieces[j];
		pieces[j] = swap;
	}
}

/* All 120 orders of 5 pieces; `k` picks one. */
static void permutation(struct piece *pieces, unsigned k)
{
	for (unsigned i = 5; i > 1; i--) {
		struct piece swap = pieces[i - 1];
		pieces[i - 1] = pieces[k % i];
		pieces[k % i] = swap;
		k /= i;
	}
}

static void permutations(uint32_t base, bool start_known, const char *what)
{
	unsigned good = 0;
	for (unsigned k = 0; k < 120; k++) {
		struct piece pieces[8];
		size_t count = cut(pieces, (stream_len + 4) / 5);
		permutation(pieces, k);
		good += count == 5 && found(feed(pieces, count, base, start_known), "api.openai.com");
	}
	is_num(good, 120, "5 pieces in all orders%s", what);
}

static void any_order(void)
{
	static struct piece pieces[4000];
	make_stream("api.openai.com", 0, 16000);
	struct piece whole = {0, stream_len};
	ok(found(feed(&whole, 1, 77, true), "api.openai.com"), "one segment");
	ok(found(feed(&whole, 1, 77, false), "api.openai.com"), "one segment, SYN not seen");
	permutations(1000, true, "");
	permutations(1000, false, ", SYN not seen");
	permutations(0u - 100, true, ", sequence numbers wrap");
	permutations(0u - 100, false, ", sequence numbers wrap, SYN not seen");
	permutations(0x80000000u - 100, true, ", sequence numbers pass the sign");
	make_stream("api.openai.com", 1500, 16000);
	static const size_t sizes[] = {1, 10, 100, 1400};
	for (unsigned i = 0; i < 4; i++) {
		size_t count = cut(pieces, sizes[i]);
		ok(found(feed(pieces, count, 5, true), "api.openai.com"), "pieces of %zu bytes", sizes[i]);
		ok(found(feed(pieces, count, 5, false), "api.openai.com"), "the same, SYN not seen");
		unsigned good = 0;
		for (unsigned seed = 1; seed <= 20; seed++) {
			shuffle(pieces, count, seed);
			good += found(feed(pieces, count, 0u - 700, true), "api.openai.com");
			good += found(feed(pieces, count, 0u - 700, false), "api.openai.com");
		}
		is_num(good, 40, "pieces of %zu bytes shuffled", sizes[i]);
	}
}

static void overlaps(void)
{
	make_stream("api.openai.com", 0, 16000);
	size_t end = stream_len;
	struct piece pieces[] = {{0, 50}, {0, 50}, {20, 60}, {60, 10}, {40, end - 40}};
	ok(found(feed(pieces, 5, 9, true), "api.openai.com"), "repeated and overlapping segments");
	struct piece before[] = {{30, 50}, {0, end - 5}, {end - 5, 5}};
	ok(found(feed(before, 3, 9, false), "api.openai.com"), "a later segment that holds an earlier one");

	/* Two versions of the same bytes: those that came first are kept. */
	static uint8_t other[2000];
	memcpy(other, stream, end);
	uint8_t *name = memmem(other, end, "openai", 6);
	memcpy(name, "nvidia", 6);
	size_t at = (size_t)(name - other);
	sense_tls_segment(&state, (uint32_t)at, true, 0, stream + at, 6, &hello);
	ok(found(sense_tls_segment(&state, 0, true, 0, other, end, &hello), "api.openai.com"),
	   "conflicting bytes: the first ones win");
	sense_tls_segment(&state, (uint32_t)at, true, 0, other + at, 6, &hello);
	ok(found(sense_tls_segment(&state, 0, true, 0, stream, end, &hello), "api.nvidia.com"),
	   "the other way round");

	/* SYN not seen, and the piece seen first looks like the beginning of a much longer hello. */
	make_stream("api.openai.com", 1000, 16000);
	memcpy(stream + stream_len - 900, "\26\3\1\37\4\1\0\37\0", 9);
	struct piece swapped[] = {{stream_len - 900, 900}, {0, stream_len - 900}};
	ok(found(feed(swapped, 2, 9, false), "api.openai.com"), "the true beginning comes later");

	make_stream("api.openai.com", 0, 16000);
	uint8_t early[3000] = {0};
	memcpy(early + 10, stream, end);
	is_num(sense_tls_segment(&state, 90, true, 100, early, 8, &hello), SENSE_TLS_MORE,
	       "bytes before the start");
	ok(found(sense_tls_segment(&state, 90, true, 100, early, end + 10, &hello), "api.openai.com"),
	   "a segment that begins before the start");
}

static void records(void)
{
	static struct piece pieces[60000];
	static const size_t sizes[] = {300, 3, 1};
	for (unsigned i = 0; i < 3; i++) {
		make_stream("api.openai.com", 100, sizes[i]);
		struct piece whole = {0, stream_len};
		ok(found(feed(&whole, 1, 1, true), "api.openai.com"), "records of %zu bytes", sizes[i]);
		size_t count = cut(pieces, 7);
		ok(found(feed(pieces, count, 1, true), "api.openai.com"), "in segments of 7 bytes");
		shuffle(pieces, count, 3);
		ok(found(feed(pieces, count, 1, true), "api.openai.com"), "shuffled");
	}
	make_stream("api.openai.com", 15900, 4000);
	size_t count = cut(pieces, 1460);
	shuffle(pieces, count, 5);
	ok(found(feed(pieces, count, 1, true), "api.openai.com"), "16 kB in five records, shuffled");
	make_stream("api.openai.com", 18000, 16000);
	count = cut(pieces, 1460);
	is_num(feed(pieces, count, 1, true), SENSE_TLS_RECORDS, "an oversized hello: records, and no name");
	make_stream("api.openai.com", 0, 100);
	stream[105] = 23;
	struct piece whole = {0, stream_len};
	is_num(feed(&whole, 1, 1, true), SENSE_TLS_RECORDS, "a hello that other records interrupt");
	make_stream("api.openai.com", 0, 16000);
	stream[5 + 38] = 0xff; /* session id longer than the message */
	stream[5 + 39] = 0xff;
	stream[5 + 40] = 0xff;
	whole.len = stream_len;
	is_num(feed(&whole, 1, 1, true), SENSE_TLS_RECORDS, "a malformed hello");
}

static enum sense_tls_result one(const void *data, size_t len, bool start_known)
{
	enum sense_tls_result result = sense_tls_segment(&state, 5, start_known, 5, data, len, &hello);
	if (result == SENSE_TLS_MORE)
		sense_tls_free(state);
	state = NULL;
	return result;
}

static void servers(void)
{
	static const uint8_t retry_random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d,
	                                         0x8c,
	                                         0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a,
	        0xbb,
	                                         0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
	uint8_t msg[55] = {22, 3, 3, 0, 50, 2, 0, 0, 46, 3, 3};
	memcpy(msg + 47, "\0\6\0\x2b\0\2\3\4", 8);
	is_num(one(msg, 55, true), SENSE_TLS_SERVER_HELLO, "a ServerHello");
	is_num(hello.version, 0x0304, "its version");
	memcpy(msg + 11, retry_random, 32);
	is_num(one(msg, 55, false), SENSE_TLS_SERVER_HELLO, "a HelloRetryRequest");
	is_num(hello.version, 0x0304, "its version");
	is_num(one(msg, 54, true), SENSE_TLS_MORE, "a byte is missing");
}

static void not_a_hello(void)
{
	static uint8_t data[3000] = {23, 3, 3, 0, 100};
	is_num(one(data, 105, false), SENSE_TLS_RECORDS, "application data first");
	is_num(one(data, 105, true), SENSE_TLS_RECORDS, "the same after the SYN");
	memcpy(data + 105, "\27\3\3\0\7", 5);
	is_num(one(data, 117, false), SENSE_TLS_RECORDS, "two records");
	memcpy(data + 105, "nope!", 5);
	is_num(one(data, 117, true), SENSE_TLS_NO, "a record and then something else");
	is_num(one("\25\3\3\0\2\2\50", 7, true), SENSE_TLS_RECORDS, "an alert");
	is_num(one("\24\3\3\0\1\1", 6, true), SENSE_TLS_RECORDS, "ChangeCipherSpec");
	is_num(one("\26\3\3\0\4\16\0\0\0", 9, true), SENSE_TLS_RECORDS, "another handshake message");
	is_num(one("\26\3\3\0\0\1\0\0\0", 9, true), SENSE_TLS_NO, "an empty handshake record");
	is_num(one("GET / HTTP/1.1\r\n", 16, true), SENSE_TLS_NO, "HTTP");
	is_num(one("\26", 1, true), SENSE_TLS_MORE, "one byte that may begin a record");
	is_num(one("\26\2", 2, true), SENSE_TLS_NO, "two that cannot");
	is_num(one("\x80\x2e\1\3\1", 5, true), SENSE_TLS_NO, "a hello of SSL 2");
	is_num(one("", 0, true), SENSE_TLS_MORE, "nothing");
	ok(sense_tls_looks_like_hello((const uint8_t *)"\26\3\1\2\0\1", 6) &&
	       !sense_tls_looks_like_hello((const uint8_t *)"\27\3\3\2\0\1", 6),
	   "the cheap test");
}

/* Segments of `len` bytes from seq on, until a result or `max` segments; the number of segments. */
static unsigned flood(uint32_t seq, bool start_known, const uint8_t *data, size_t len, unsigned max,
                      enum sense_tls_result *result)
{
	unsigned i = 0;
	do
		*result = sense_tls_segment(&state, seq + (uint32_t)(i * len), start_known, 0, data, len,
		                            &hello);
	while (++i < max && *result == SENSE_TLS_MORE);
	return i;
}

static void bounds(void)
{
	static uint8_t data[1460];
	enum sense_tls_result result;
	memset(data, 'x', sizeof data);
	unsigned used = flood(1460, true, data, sizeof data, 1000, &result);
	ok(result == SENSE_TLS_NO && used < 60 && !state, "a stream whose start never comes is given up");
	used = flood(99, false, data, sizeof data, 1000, &result);
	ok(result == SENSE_TLS_NO && used < 20 && !state, "sooner without a SYN");
	used = flood(99, false, data, 1, 100000, &result);
	ok(result == SENSE_TLS_NO && used < 20000 && !state, "in single bytes too");
	memcpy(data, "\27\3\3\5\257", 5); /* application data, to the end of the segment */
	flood(1460, true, data, sizeof data, 1000, &result);
	is_num(result, SENSE_TLS_RECORDS, "records behind a gap tell that it is TLS");
	make_stream("api.openai.com", 0, 16000);
	for (unsigned i = 0; i < 2000; i++) /* the same half again and again */
		if ((result = sense_tls_segment(&state, 0, true, 0, stream, 100, &hello)) != SENSE_TLS_MORE)
			break;
	is_num(result, SENSE_TLS_RECORDS, "half a hello repeated is given up");
	result = sense_tls_segment(&state, 0x70000000, true, 0, data, 10, &hello);
	is_num(result, SENSE_TLS_MORE, "a segment from far away is no harm");
	ok(found(sense_tls_segment(&state, 0, true, 0, stream, stream_len, &hello), "api.openai.com"),
	   "and the hello is still found");
}

int main(void)
{
	any_order();
	overlaps();
	records();
	servers();
	not_a_hello();
	bounds();
	return tap_done();
}
