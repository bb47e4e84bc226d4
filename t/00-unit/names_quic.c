/*
 * core/names/quic*.c: the published vectors (RFC 9001 and RFC 9369, Appendix A), CRYPTO frames in any
 * order over packets and datagrams, Retry, versions, and a real handshake of Chromium.
 */
#include "core/names/quic.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "core/names/quic_frames.h"
#include "t/00-unit/hello_build.h"
#include "t/tap.h"

struct keys {
	uint8_t key[16], iv[12], hp[16];
};

/* The client's keys of RFC 9001, A.1 and RFC 9369, A.1, as published: for DCID 0x8394c8f03e515708. */
static const struct keys keys_v1 = {
    {0x1f, 0x36, 0x96, 0x13, 0xdd, 0x76, 0xd5, 0x46, 0x77, 0x30, 0xef, 0xcb, 0xe3, 0xb1, 0xa2, 0x2d},
    {0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3, 0xfd, 0x3b, 0x46, 0xfb, 0x25, 0x5c},
    {0x9f, 0x50, 0x44, 0x9e, 0x04, 0xa0, 0xe8, 0x10, 0x28, 0x3a, 0x1e, 0x99, 0x33, 0xad, 0xed, 0xd2}};
static const struct keys keys_v2 = {
    {0x8b, 0x1a, 0x0b, 0xc1, 0x21, 0x28, 0x42, 0x90, 0xa2, 0x9e, 0x09, 0x71, 0xb5, 0xcd, 0x04, 0x5d},
    {0x91, 0xf7, 0x3e, 0x23, 0x51, 0xd8, 0xfa, 0x91, 0x66, 0x0e, 0x90, 0x9f},
    {0x45, 0xb9, 0x5e, 0x15, 0x23, 0x5d, 0x6f, 0x45, 0xa6, 0xb1, 0x9c, 0xbc, 0xb0, 0x29, 0x4b, 0xa9}};
static const uint8_t rfc_dcid[] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
static const char salt_v1[] = "38762cf7f55934b34d179ae6a4c80cadccbb7f0a";
static const char salt_29[] = "afbfec289993d24c9e9786f19c6111e04390a899";

/* The CRYPTO frame of RFC 9001, A.2. */
static const char rfc_frame[] =
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c"
    "00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006"
    "001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa4"
    "7fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305"
    "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ff"
    "ff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

/* The server's Initial of RFC 9001, A.3. */
static const char rfc_server[] =
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69"
    "797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73"
    "cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456"
    "cbc42158407dd074ee";

struct bytes {
	uint8_t data[65536];
	size_t len;
};

static sense_quic_crypto *crypto;
static sense_quic *state;
static struct sense_hello hello;
static uint32_t version;
static struct hello_build example;

static size_t unhex(const char *text, uint8_t *out)
{
	size_t len = strlen(text) / 2;
	for (size_t i = 0; i < len; i++) {
		unsigned byte;
		sscanf(text + 2 * i, "%2x", &byte);
		out[i] = (uint8_t)byte;
	}
	return len;
}

/* ---- the sender's side, independent of the code under test ---- */

static void expand(const uint8_t *secret, const char *label, uint8_t *out, uint8_t len)
{
	uint8_t info[64], digest[32];
	size_t n = (size_t)sprintf((char *)info + 2, "%ctls13 %s", (int)(6 + strlen(label)), label) + 2;
	info[0] = 0;
	info[1] = len;
	info[n++] = 0;
	info[n++] = 1;
	HMAC(EVP_sha256(), secret, 32, info, n, digest, NULL);
	memcpy(out, digest, len);
}

static struct keys derive(const char *salt_hex, const uint8_t *dcid, size_t dcid_len)
{
	struct keys out;
	uint8_t salt[20], secret[32];
	unhex(salt_hex, salt);
	HMAC(EVP_sha256(), salt, 20, dcid, dcid_len, secret, NULL);
	expand(secret, "client in", secret, 32);
	expand(secret, "quic key", out.key, 16);
	expand(secret, "quic iv", out.iv, 12);
	expand(secret, "quic hp", out.hp, 16);
	return out;
}

struct packet {
	uint32_t version;
	uint8_t type_bits;
	const uint8_t *dcid;
	uint8_t dcid_len;
	uint64_t number;
	unsigned number_len;
	size_t token_len;
	const struct keys *keys;
};

static const struct packet plain_v1 = {.version = 1, .dcid = rfc_dcid, .dcid_len = 8, .number_len = 4,
                                       .keys = &keys_v1};

/* Appends a protected Initial that carries `frames` (RFC 9001, 5.3 and 5.4). */
static void seal(struct bytes *out, const struct packet *p, const struct bytes *frames)
{
	uint8_t *start = out->data + out->len, *h = start, nonce[12], mask[32];
	int n = 0;
	*h++ = (uint8_t)(0xc0 | p->type_bits << 4 | (p->number_len - 1));
	for (int i = 24; i >= 0; i -= 8)
		*h++ = (uint8_t)(p->version >> i);
	*h++ = p->dcid_len;
	memcpy(h, p->dcid, p->dcid_len);
	h += p->dcid_len;
	*h++ = 0;
	*h++ = (uint8_t)p->token_len;
	memset(h, 'T', p->token_len);
	h += p->token_len;
	size_t rest = p->number_len + frames->len + 16;
	*h++ = (uint8_t)(0x40 | rest >> 8);
	*h++ = (uint8_t)rest;
	uint8_t *number = h;
	for (unsigned i = p->number_len; i--;)
		*h++ = (uint8_t)(p->number >> 8 * i);
	memcpy(nonce, p->keys->iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(p->number >> 8 * i);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, p->keys->key, nonce);
	EVP_EncryptUpdate(ctx, NULL, &n, start, (int)(h - start));
	EVP_EncryptUpdate(ctx, h, &n, frames->data, (int)frames->len);
	EVP_EncryptFinal_ex(ctx, h + n, &n);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, h + frames->len);
	EVP_CIPHER_CTX_reset(ctx);
	EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, p->keys->hp, NULL);
	EVP_EncryptUpdate(ctx, mask, &n, number + 4, 16);
	EVP_CIPHER_CTX_free(ctx);
	start[0] ^= mask[0] & 0x0f;
	for (unsigned i = 0; i < p->number_len; i++)
		number[i] ^= mask[1 + i];
	out->len += (size_t)(h - start) + frames->len + 16;
}

static void add(struct bytes *b, const void *data, size_t len)
{
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void add_crypto(struct bytes *b, const uint8_t *stream, size_t from, size_t to)
{
	add(b, (const uint8_t[]){6, (uint8_t)(0x40 | from >> 8), (uint8_t)from,
	                         (uint8_t)(0x40 | (to - from) >> 8),
	                         (uint8_t)(to - from)}, 5);
	add(b, stream + from, to - from);
}

static enum sense_quic_result give(const struct bytes *datagram)
{
	return sense_quic_datagram(crypto, &state, datagram->data, datagram->len, &version, &hello);
}

static bool found(enum sense_quic_result result)
{
	return result == SENSE_QUIC_CLIENT_HELLO && !state && !strcmp(hello.sni, "gemini.google.com") &&
	       !strcmp(hello.ja4 + 1, &EXAMPLE_JA4[1]) && hello.ja4[0] == 'q';
}

static void forget(void)
{
	sense_quic_free(state);
	state = NULL;
}

/* ---- tests ---- */

static void vectors(void)
{
	static struct bytes frames, datagram;
	uint8_t head[22], tag[16];
	frames.len = unhex(rfc_frame, frames.data);
	memset(frames.data + frames.len, 0, 1162 - frames.len);
	frames.len = 1162;
	struct packet p = plain_v1;
	p.number = 2;
	seal(&datagram, &p, &frames);
	unhex("c000000001088394c8f03e5157080000449e7b9aec34", head);
	unhex("e221af44860018ab0856972e194cd934", tag);
	ok(datagram.len == 1200 && !memcmp(datagram.data, head, 22) && !memcmp(datagram.data + 1184, tag, 16),
	   "the packet of RFC 9001, A.2");
	is_num(give(&datagram), SENSE_QUIC_CLIENT_HELLO, "is read");
	is_str(hello.sni, "example.com", "its name");
	is_str(hello.alpn, "alpn", "its ALPN");
	ok(version == 1 && !state, "version 1");

	datagram.len = 0;
	p.version = 0x6b3343cf;
	p.type_bits = 1;
	p.keys = &keys_v2;
	seal(&datagram, &p, &frames);
	unhex("d76b3343cf088394c8f03e5157080000449ea0c95e82", head);
	unhex("a18b2faa745b6fe189cf772a9f84cbfc", tag);
	ok(datagram.len == 1200 && !memcmp(datagram.data, head, 22) && !memcmp(datagram.data + 1184, tag, 16),
	   "the packet of RFC 9369, A.2");
	is_num(give(&datagram), SENSE_QUIC_CLIENT_HELLO, "is read");
	is_str(hello.sni, "example.com", "its name");
	is_num(version, 0x6b3343cf, "version 2");
	datagram.data[700] ^= 1;
	is_num(give(&datagram), SENSE_QUIC_NO, "a packet that is not authentic");

	datagram.len = unhex(rfc_server, datagram.data);
	is_num(give(&datagram), SENSE_QUIC_NO, "the server's Initial of RFC 9001, A.3 tells nothing");
	ok(version == 1 && !state, "but that it is QUIC");
}

/* Three packets with the hello's pieces out of order, other frames between, as Chromium sends them. */
static void make_shuffled(struct bytes frames[3])
{
	const uint8_t *s = example.data;
	size_t end = example.len;
	frames[0].len = frames[1].len = frames[2].len = 0;
	add(&frames[0], "\1", 1); /* PING */
	add_crypto(&frames[0], s, 300, 310);
	add(&frames[0], "\0\0\0", 3);
	add_crypto(&frames[0], s, 0, 40);
	add(&frames[1], "\2\5\0\1\0\7\7", 7); /* ACK of two ranges */
	add_crypto(&frames[1], s, 310, end);
	add_crypto(&frames[1], s, 40, 41);
	add(&frames[2], "\3\5\0\0\0\1\2\3", 8); /* ACK with ECN counts */
	add_crypto(&frames[2], s, 200, 305);
	add_crypto(&frames[2], s, 41, 210);
}

static void shuffled(void)
{
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1,
	                                                                                             0}};
	static struct bytes frames[3], datagram;
	unsigned apart = 0, together = 0;
	make_shuffled(frames);
	for (unsigned i = 0; i < 6; i++) {
		struct packet p = plain_v1;
		enum sense_quic_result result = SENSE_QUIC_MORE;
		for (unsigned k = 0; k < 3; k++) {
			datagram.len = 0;
			p.number = orders[i][k];
			seal(&datagram, &p, &frames[orders[i][k]]);
			result = result == SENSE_QUIC_MORE ? give(&datagram) : SENSE_QUIC_NO;
		}
		apart += found(result);
		datagram.len = 0;
		for (unsigned k = 0; k < 3; k++) {
			p.number = orders[i][k];
			seal(&datagram, &p, &frames[orders[i][k]]);
		}
		together += found(give(&datagram));
	}
	is_num(apart, 6, "CRYPTO frames shuffled over 3 datagrams, in all orders");
	is_num(together, 6, "the same coalesced in one datagram");
}

static void later_packets(void)
{
	static struct bytes first, second, datagram;
	struct packet p = plain_v1;
	first.len = second.len = datagram.len = 0;
	add_crypto(&first, example.data, 0, 100);
	add_crypto(&second, example.data, 100, example.len);
	seal(&datagram, &p, &first);
	is_num(give(&datagram), SENSE_QUIC_MORE, "half a hello");
	datagram.len = unhex(rfc_server, datagram.data);
	is_num(give(&datagram), SENSE_QUIC_MORE, "then the server's Initial");
	is_num(sense_quic_datagram(crypto, &state, (const uint8_t *)"\100abcdef", 7, &version, &hello),
	       SENSE_QUIC_MORE, "then a short header");
	/* The client now uses the server's connection id, with the keys of the first one. */
	static const uint8_t new_id[] = {0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5};
	p.dcid = new_id;
	p.number = 300;
	p.number_len = 2;
	datagram.len = 0;
	seal(&datagram, &p, &second);
	ok(found(give(&datagram)), "the other half under another connection id");

	struct packet q = plain_v1; /* packet numbers are cut to what has to be told (RFC 9000, 17.1) */
	q.number = 1020;
	datagram.len = 0;
	seal(&datagram, &q, &first);
	give(&datagram);
	q.number = 1030;
	q.number_len = 1;
	datagram.len = 0;
	seal(&datagram, &q, &second);
	ok(found(give(&datagram)), "a packet number of one byte that has wrapped");
}

static void retry(void)
{
	static struct bytes first, whole, datagram;
	static const uint8_t new_id[] = "serverchosen";
	struct keys keys = derive(salt_v1, new_id, 12);
	struct packet p = plain_v1;
	struct keys published = derive(salt_v1, rfc_dcid, 8);
	ok(!memcmp(&published, &keys_v1, sizeof published), "the test derives the published keys");
	first.len = whole.len = datagram.len = 0;
	static struct hello_build before;
	hello_example(&before, "gemini.google.net", 300);
	add_crypto(&first, before.data, 0, 150);
	add_crypto(&whole, example.data, 0, example.len);
	seal(&datagram, &p, &first);
	give(&datagram);
	datagram.len = unhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
	                     datagram.data);
	is_num(give(&datagram), SENSE_QUIC_MORE, "the Retry of RFC 9001, A.4");
	p.dcid = new_id;
	p.dcid_len = 12;
	p.token_len = 40;
	p.keys = &keys;
	p.number = 1;
	datagram.len = 0;
	seal(&datagram, &p, &whole);
	ok(found(give(&datagram)), "the client's next Initial, with a token and keys from the new id");
}

static void other_versions(void)
{
	static struct bytes frames, datagram;
	struct keys keys = derive(salt_29, rfc_dcid, 8);
	struct packet p = plain_v1;
	frames.len = datagram.len = 0;
	add_crypto(&frames, example.data, 0, example.len);
	p.version = 0xff00001d;
	p.keys = &keys;
	seal(&datagram, &p, &frames);
	ok(found(give(&datagram)) && version == 0xff00001d, "draft 29");
	memcpy(datagram.data + 1, "Q046", 4);
	is_num(give(&datagram), SENSE_QUIC_OTHER, "a version of Google's");
	is_num(version, 0x51303436, "is told");
	memcpy(datagram.data + 1, "\x1a\x2a\x3a\x4a", 4);
	is_num(give(&datagram), SENSE_QUIC_OTHER, "a version that forces negotiation");
	memcpy(datagram.data + 1, "\x12\x34\x56\x78", 4);
	is_num(give(&datagram), SENSE_QUIC_NO, "a version nobody knows");
	is_num(version, 0, "is none");
	datagram.len = unhex("800000000008f067a5502a4262b50000000001ff00001d", datagram.data);
	is_num(give(&datagram), SENSE_QUIC_OTHER, "a version negotiation");
	datagram.len--;
	is_num(give(&datagram), SENSE_QUIC_NO, "one that is cut");
	is_num(sense_quic_datagram(crypto, &state, (const uint8_t *)"hello, world", 12, &version, &hello),
	       SENSE_QUIC_NO, "something else");
	is_num(sense_quic_datagram(crypto, &state, (const uint8_t *)"", 0, &version, &hello), SENSE_QUIC_NO,
	       "nothing");
}

static void given_up(void)
{
	static struct bytes frames, datagram;
	struct packet p = plain_v1;
	frames.len = datagram.len = 0;
	add_crypto(&frames, example.data, 0, 100);
	seal(&datagram, &p, &frames);
	unsigned count = 0;
	enum sense_quic_result result;
	do
		result = give(&datagram);
	while (result == SENSE_QUIC_MORE && ++count < 1000);
	ok(result == SENSE_QUIC_NO && count < 100 && !state, "a connection that never completes its hello");
	frames.len = datagram.len = 0;
	add(&frames, "\6\0\4\1\1\0\0", 7);
	memset(frames.data + 7, 0, 20);
	frames.len = 27;
	seal(&datagram, &p, &frames);
	is_num(give(&datagram), SENSE_QUIC_NO, "a hello longer than the limit");
	frames.data[3] = 2;
	datagram.len = 0;
	seal(&datagram, &p, &frames);
	is_num(give(&datagram), SENSE_QUIC_NO, "a stream that begins with no ClientHello");
	static struct bytes whole;
	add_crypto(&whole, example.data, 0, example.len);
	datagram.len = 0;
	seal(&datagram, &p, &whole);
	unsigned wrong = 0;
	for (size_t len = 0; len < datagram.len; len++) {
		wrong += sense_quic_datagram(crypto, &state, datagram.data, len, &version,
		                             &hello) != SENSE_QUIC_NO;
		forget();
	}
	is_num(wrong, 0, "a datagram cut anywhere");
}

static void frames(void)
{
	struct sense_pieces stream;
	sense_pieces_init(&stream, SENSE_HELLO_MAX, false);
	ok(sense_quic_frames(&stream, (const uint8_t *)"\6\0\2ab\34\1\0\3bye\6\2\1c", 16) &&
	   stream.whole == 3 &&
	       !memcmp(stream.data, "abc", 3),
	   "CRYPTO, CONNECTION_CLOSE, CRYPTO");
	ok(!sense_quic_frames(&stream, (const uint8_t *)"\6\3\1d\10", 5) && stream.whole == 4,
	   "a STREAM frame does not belong there");
	ok(!sense_quic_frames(&stream, (const uint8_t *)"\6\0\5ab", 5), "a CRYPTO frame beyond the end");
	ok(!sense_quic_frames(&stream, (const uint8_t *)"\2\0\0\377\377\377\377\377\377\377\377\0", 12),
	   "an ACK with 2^62 ranges");
	ok(sense_quic_frames(&stream, (const uint8_t *)"\6\377\377\377\377\377\377\377\377\1x", 11) &&
	   stream.whole == 4,
	   "an offset of 2^62");
	sense_pieces_fini(&stream);
}

static uint32_t le32(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

/* The UDP datagrams of a capture (Ethernet, IPv4), in order, until a hello is found. */
static void chromium(void)
{
	static uint8_t file[65536];
	FILE *in = fopen("t/captures/quic_chromium_gemini.pcap", "rb");
	size_t len = in ? fread(file, 1, sizeof file, in) : 0, at = 24;
	enum sense_quic_result result = SENSE_QUIC_NO;
	if (in)
		fclose(in);
	while (result != SENSE_QUIC_CLIENT_HELLO && at + 16 < len) {
		size_t size = le32(file + at + 8);
		const uint8_t *ip = file + at + 16 + 14;
		at += 16 + size;
		if (at <= len && size > 14 + 28 && ip[0] == 0x45 && ip[9] == 17)
			result = sense_quic_datagram(crypto, &state, ip + 28, size - 14 - 28, &version,
			                             &hello);
	}
	is_num(result, SENSE_QUIC_CLIENT_HELLO, "a handshake of Chromium, frames shuffled over two Initials");
	is_str(hello.sni, "gemini.google.com", "its name");
	ok(!strncmp(hello.ja4, "q13d0312h3_55b375c5d22e_", 24), "its JA4");
}

int main(void)
{
	crypto = sense_quic_crypto_new();
	if (!ok(crypto != NULL, "OpenSSL has what it takes"))
		return tap_done();
	hello_example(&example, "gemini.google.com", 300);
	vectors();
	shuffled();
	later_packets();
	retry();
	other_versions();
	given_up();
	frames();
	chromium();
	forget();
	sense_quic_crypto_free(crypto);
	return tap_done();
}
