/*
 * Digests for fingerprints and QUIC keys: a few small messages per connection.
 *
 * OpenSSL's low-level functions on purpose, and in core only here: their state lives on the stack, they
 * allocate nothing and cannot fail, and MD5 (which JA3 is defined with, no security rests on it)
 * stays available where a provider policy takes it away. EVP costs about as much again per message.
 */
#ifndef SENSE_NAMES_DIGEST_H
#define SENSE_NAMES_DIGEST_H

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

void sense_md5(const void *data, size_t len, uint8_t out[16]);
void sense_sha256(const void *data, size_t len, uint8_t out[32]);

/* HMAC-SHA256 (RFC 2104) with a key of at most 64 bytes, prepared once for several messages. */
struct sense_hmac {
	SHA256_CTX inner;
	SHA256_CTX outer;
};

void sense_hmac_init(struct sense_hmac *hmac, const uint8_t *key, size_t len);
void sense_hmac(const struct sense_hmac *hmac, const void *data, size_t len, uint8_t out[32]);

#endif
