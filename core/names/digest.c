#define OPENSSL_SUPPRESS_DEPRECATED /* why: see the header */
#include "core/names/digest.h"

#include <openssl/md5.h>

#define BLOCK 64u

void sense_md5(const void *data, size_t len, uint8_t out[16])
{
	MD5_CTX ctx;
	MD5_Init(&ctx);
	MD5_Update(&ctx, data, len);
	MD5_Final(out, &ctx);
}

void sense_sha256(const void *data, size_t len, uint8_t out[32])
{
	SHA256_CTX ctx;
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, data, len);
	SHA256_Final(out, &ctx);
}

void sense_hmac_init(struct sense_hmac *hmac, const uint8_t *key, size_t len)
{
	uint8_t pad[BLOCK];
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] = (uint8_t)((i < len ? key[i] : 0) ^ 0x36);
	SHA256_Init(&hmac->inner);
	SHA256_Update(&hmac->inner, pad, BLOCK);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&hmac->outer);
	SHA256_Update(&hmac->outer, pad, BLOCK);
}

void sense_hmac(const struct sense_hmac *hmac, const void *data, size_t len, uint8_t out[32])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx = hmac->inner;
	SHA256_Update(&ctx, data, len);
	SHA256_Final(digest, &ctx);
	ctx = hmac->outer;
	SHA256_Update(&ctx, digest, sizeof digest);
	SHA256_Final(out, &ctx);
}
