#include "core/spool/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/names/digest.h"
#include "core/platform/platform.h"

enum { NONCE = 12, PREFIX = 8, TAG = 16, TIME = 6 };

/* In pages of its own. */
struct sense_seal {
	uint8_t record_key[SENSE_SEAL_KEY];
	uint8_t name_key[SENSE_SEAL_KEY];
	uint8_t prefix[PREFIX];
	uint32_t counter;
	EVP_CIPHER *gcm; /* holds no key */
};

/* ---- keys ------------------------------------------------------------------------------------------- */

static bool derive(const uint8_t *host_key, const char *machine, const char *purpose, uint8_t *out)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)host_key,
	                                      SENSE_SEAL_KEY),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)machine,
	                                      strlen(machine)),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)purpose,
	                                      strlen(purpose)),
	    OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool good = ctx && EVP_KDF_derive(ctx, out, SENSE_SEAL_KEY, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return good;
}

static bool nonces_begin(sense_seal *seal)
{
	seal->counter = 0;
	return !getentropy(seal->prefix, PREFIX);
}

sense_seal *sense_seal_new(const uint8_t host_key[SENSE_SEAL_KEY], const char *machine, sense_error *err)
{
	sense_seal *seal = sense_platform_secret(sizeof *seal);
	if (!seal) {
		sense_fail_errno(err, "spool", "no memory for the keys");
		return NULL;
	}
	seal->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (seal->gcm && derive(host_key, machine, "sense spool 1 records", seal->record_key) &&
	    derive(host_key, machine, "sense spool 1 names", seal->name_key) && nonces_begin(seal))
		return seal;
	sense_fail(err, SENSE_E_UNSUPPORTED, "spool",
	           "OpenSSL has no AES-256-GCM or HKDF, or there is no randomness");
	sense_seal_free(seal);
	return NULL;
}

void sense_seal_free(sense_seal *seal)
{
	if (!seal)
		return;
	EVP_CIPHER_free(seal->gcm);
	OPENSSL_cleanse(seal, sizeof *seal);
	munmap(seal, sizeof *seal);
}

/* ---- records ---------------------------------------------------------------------------------------- */

/* The lengths that OpenSSL takes are int; a record is far below that. */
#define RECORD_MAX ((size_t)1 << 24)

/*
 * A context holds the key in a form that a forked child would inherit, so it lives for one call: that costs
 * less than a microsecond more, a few times a second.
 */
bool sense_seal_wrap(sense_seal *seal, const void *bound, size_t bound_len, const uint8_t *data, size_t len,
                     uint8_t *out)
{
	int did;
	if (len > RECORD_MAX || bound_len > RECORD_MAX ||
	    (seal->counter == UINT32_MAX && !nonces_begin(seal)))
		return false;
	seal->counter++;
	memcpy(out, seal->prefix, PREFIX);
	memcpy(out + PREFIX, &seal->counter, NONCE - PREFIX);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool good = ctx && EVP_EncryptInit_ex2(ctx, seal->gcm, seal->record_key, out, NULL) == 1 &&
	            EVP_EncryptUpdate(ctx, NULL, &did, bound, (int)bound_len) == 1 &&
	            EVP_EncryptUpdate(ctx, out + NONCE, &did, data, (int)len) == 1 && did == (int)len &&
	            EVP_EncryptFinal_ex(ctx, out + NONCE + len, &did) == 1 && did == 0 &&
	            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, out + NONCE + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

bool sense_seal_unwrap(const sense_seal *seal, const void *bound, size_t bound_len, const uint8_t *sealed,
                       size_t len, uint8_t *out)
{
	int did;
	uint8_t tag[TAG];
	if (len < SENSE_SEAL_EXTRA || len > RECORD_MAX || bound_len > RECORD_MAX)
		return false;
	size_t inner = len - SENSE_SEAL_EXTRA;
	memcpy(tag, sealed + NONCE + inner, TAG);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool good = ctx && EVP_DecryptInit_ex2(ctx, seal->gcm, seal->record_key, sealed, NULL) == 1 &&
	            EVP_DecryptUpdate(ctx, NULL, &did, bound, (int)bound_len) == 1 &&
	            EVP_DecryptUpdate(ctx, out, &did, sealed + NONCE, (int)inner) == 1 && did == (int)inner &&
	            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	            EVP_DecryptFinal_ex(ctx, out + inner, &did) == 1 && did == 0;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

/* ---- names ------------------------------------------------------------------------------------------ */

static void digest_of(const sense_seal *seal, const void *data, size_t len, uint8_t out[32])
{
	struct sense_hmac hmac;
	sense_hmac_init(&hmac, seal->name_key, SENSE_SEAL_KEY);
	sense_hmac(&hmac, data, len, out);
	OPENSSL_cleanse(&hmac, sizeof hmac);
}

void sense_seal_name(const sense_seal *seal, const uint8_t id[16], uint8_t name[SENSE_SEAL_NAME])
{
	uint8_t digest[32];
	digest_of(seal, id, 16, digest);
	memcpy(name, id, TIME);
	memcpy(name + TIME, digest, SENSE_SEAL_NAME - TIME);
}

void sense_seal_check(const sense_seal *seal, uint8_t check[SENSE_SEAL_NAME])
{
	static const char text[] = "sense spool 1 check"; /* longer than an id: never the digest of one */
	uint8_t digest[32];
	digest_of(seal, text, sizeof text - 1, digest);
	memcpy(check, digest, SENSE_SEAL_NAME);
}
