#include "core/names/quic_keys.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/names/digest.h"

enum { SAMPLE = 16, TAG = 16 };

struct sense_quic_crypto {
	EVP_CIPHER *gcm;
	EVP_CIPHER *ecb;
	EVP_CIPHER_CTX *aead;
	EVP_CIPHER_CTX *mask;
	uint8_t scratch[SENSE_QUIC_DATAGRAM_MAX];
};

static const uint8_t salt_v2[20] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
                                    0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
static const uint8_t salt_v1[20] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                                    0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
static const uint8_t salt_29[20] = {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
                                    0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
static const uint8_t salt_23[20] = {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
                                    0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};
static const uint8_t salt_22[20] = {0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a,
                                    0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a};

#define DRAFT(n) (0xff000000u + (n))

static const struct sense_quic_version versions[] = {
    {0x00000001, false, salt_v1}, {0x6b3343cf, true, salt_v2},
    {DRAFT(34), false, salt_v1},  {DRAFT(33), false, salt_v1},
    {DRAFT(32), false, salt_29},  {DRAFT(31), false, salt_29},
    {DRAFT(30), false, salt_29},  {DRAFT(29), false, salt_29},
    {DRAFT(28), false, salt_23},  {DRAFT(27), false, salt_23},
    {DRAFT(26), false, salt_23},  {DRAFT(25), false, salt_23},
    {DRAFT(24), false, salt_23},  {DRAFT(23), false, salt_23},
    {DRAFT(22), false, salt_22},  {0xfaceb001, false, salt_22}, /* mvfst: draft 22 */
    {0xfaceb002, false, salt_23},                               /* draft 27 */
    {0xfaceb00e, false, salt_23},                               /* draft 27 and experiments */
};

const struct sense_quic_version *sense_quic_version_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
		if (versions[i].number == number)
			return &versions[i];
	return NULL;
}

bool sense_quic_version_is_other(uint32_t number)
{
	if ((number & 0x0f0f0f0f) == 0x0a0a0a0a) /* reserved to force negotiation */
		return true;
	switch (number >> 8) {
	case 0x513034: /* Google: "Q04x", "Q05x", "T05x" */
	case 0x513035:
	case 0x543035:
	case 0xff0000: /* drafts */
	case 0xfaceb0: /* mvfst */
	case 0xabcd00: /* MsQuic */
	case 0x504351: /* picoquic */
	case 0x709a50: /* drafts of version 2 */
		return true;
	default:
		return false;
	}
}

/* HKDF-Expand-Label (RFC 8446, 7.1) of at most one digest, with an empty context. */
static void expand_label(const struct sense_hmac *secret, const char *label, uint8_t *out, uint8_t len)
{
	uint8_t info[40] = {0, len}, digest[32];
	size_t label_len = strlen(label), at = 2;
	info[at++] = (uint8_t)(6 + label_len);
	memcpy(info + at, "tls13 ", 6);
	memcpy(info + at + 6, label, label_len);
	at += 6 + label_len;
	info[at++] = 0; /* context */
	info[at++] = 1; /* counter of HKDF-Expand (RFC 5869, 2.3) */
	sense_hmac(secret, info, at, digest);
	memcpy(out, digest, len);
}

void sense_quic_keys_derive(const struct sense_quic_version *version, const uint8_t *dcid, size_t dcid_len,
                            struct sense_quic_keys *out)
{
	uint8_t secret[32];
	struct sense_hmac hmac;
	sense_hmac_init(&hmac, version->salt, 20);
	sense_hmac(&hmac, dcid, dcid_len, secret);
	sense_hmac_init(&hmac, secret, sizeof secret);
	expand_label(&hmac, "client in", secret, sizeof secret);
	sense_hmac_init(&hmac, secret, sizeof secret);
	expand_label(&hmac, version->second ? "quicv2 key" : "quic key", out->key, sizeof out->key);
	expand_label(&hmac, version->second ? "quicv2 iv" : "quic iv", out->iv, sizeof out->iv);
	expand_label(&hmac, version->second ? "quicv2 hp" : "quic hp", out->hp, sizeof out->hp);
}

sense_quic_crypto *sense_quic_crypto_new(void)
{
	sense_quic_crypto *crypto = calloc(1, sizeof *crypto);
	if (!crypto)
		return NULL;
	crypto->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	crypto->ecb = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
	crypto->aead = EVP_CIPHER_CTX_new();
	crypto->mask = EVP_CIPHER_CTX_new();
	bool good = crypto->gcm && crypto->ecb && crypto->aead && crypto->mask &&
	            EVP_DecryptInit_ex2(crypto->aead, crypto->gcm, NULL, NULL, NULL) == 1 &&
	            EVP_EncryptInit_ex2(crypto->mask, crypto->ecb, NULL, NULL, NULL) == 1 &&
	            EVP_CIPHER_CTX_set_padding(crypto->mask, 0) == 1;
	if (!good) {
		sense_quic_crypto_free(crypto);
		return NULL;
	}
	return crypto;
}

void sense_quic_crypto_free(sense_quic_crypto *crypto)
{
	if (!crypto)
		return;
	EVP_CIPHER_CTX_free(crypto->mask);
	EVP_CIPHER_CTX_free(crypto->aead);
	EVP_CIPHER_free(crypto->ecb);
	EVP_CIPHER_free(crypto->gcm);
	free(crypto);
}

uint8_t *sense_quic_scratch(sense_quic_crypto *crypto)
{
	return crypto->scratch;
}

/* The full packet number nearest to the expected one (RFC 9000, A.3). */
static int64_t full_number(int64_t largest, uint32_t truncated, unsigned bytes)
{
	int64_t window = INT64_C(1) << bytes * 8, expected = largest + 1;
	int64_t number = (expected & ~(window - 1)) | truncated;
	if (number <= expected - window / 2 && number < (INT64_C(1) << 62) - window)
		return number + window;
	if (number > expected + window / 2 && number >= window)
		return number - window;
	return number;
}

/* Decrypts and checks the tag; `header` is the unprotected header. */
static int unseal(EVP_CIPHER_CTX *ctx, const struct sense_quic_keys *keys, const uint8_t *nonce,
                  const uint8_t *header, size_t header_len, const uint8_t *sealed, size_t len, uint8_t *plain)
{
	int done = 0, rest = 0;
	uint8_t tag[TAG];
	memcpy(tag, sealed + len - TAG, TAG);
	bool good = EVP_DecryptInit_ex2(ctx, NULL, keys->key, nonce, NULL) == 1 &&
	            EVP_DecryptUpdate(ctx, NULL, &done, header, (int)header_len) == 1 &&
	            EVP_DecryptUpdate(ctx, plain, &done, sealed, (int)(len - TAG)) == 1 &&
	            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	            EVP_DecryptFinal_ex(ctx, plain + done, &rest) == 1;
	return good ? done + rest : -1;
}

int sense_quic_open(sense_quic_crypto *crypto, const struct sense_quic_keys *keys,
                    const struct sense_quic_sealed *sealed, int64_t *largest, uint8_t *plain)
{
	/* First byte, version, connection ids with their lengths, token (RFC 9000, 17.2.2). */
	uint8_t header[2048], mask[SAMPLE], nonce[12];
	int done = 0;
	size_t at = sealed->number_at;
	if (sealed->len > SENSE_QUIC_DATAGRAM_MAX || at + 4 > sizeof header || at + 4 + SAMPLE > sealed->len)
		return -1;
	if (EVP_EncryptInit_ex2(crypto->mask, NULL, keys->hp, NULL, NULL) != 1 ||
	    EVP_EncryptUpdate(crypto->mask, mask, &done, sealed->packet + at + 4, SAMPLE) != 1)
		return -1;
	memcpy(header, sealed->packet, at + 4);
	header[0] ^= mask[0] & 0x0f;
	unsigned bytes = (header[0] & 3u) + 1;
	uint32_t truncated = 0;
	for (unsigned i = 0; i < bytes; i++) {
		header[at + i] ^= mask[1 + i];
		truncated = truncated << 8 | header[at + i];
	}
	int64_t number = full_number(*largest, truncated, bytes);
	memcpy(nonce, keys->iv, sizeof nonce);
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> 8 * i);
	int len = unseal(crypto->aead, keys, nonce, header, at + bytes, sealed->packet + at + bytes,
	                 sealed->len - at - bytes, plain);
	if (len >= 0 && number > *largest)
		*largest = number;
	return len;
}
