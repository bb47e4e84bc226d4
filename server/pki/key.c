#include "server/pki/key.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "server/pki/fail.h"
#include "server/pki/place.h"

/* 16 MiB and some 50 ms to try one passphrase: RFC 7914's numbers for use at a terminal. */
#define SCRYPT_N 16384u
#define SCRYPT_R 8u
#define SCRYPT_P 1u

#define CURVE "prime256v1"

EVP_PKEY *sense_key_make(enum sense_key_kind kind, sense_error *err)
{
	EVP_PKEY *key = kind == SENSE_KEY_P256 ? EVP_EC_gen(CURVE) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!key)
		sense_pki_fail(err, SENSE_E_INTERNAL, "cannot make a key");
	return key;
}

bool sense_key_is(const EVP_PKEY *key, enum sense_key_kind kind)
{
	char group[64];
	size_t len;
	if (kind == SENSE_KEY_ED25519)
		return EVP_PKEY_is_a(key, "ED25519");
	return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &len) &&
	       !strcmp(group, CURVE);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static bool put_encrypted(BIO *out, PKCS8_PRIV_KEY_INFO *plain, const char *passphrase)
{
	X509_ALGOR *how =
	    PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	X509_SIG *sealed = how ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how) : NULL;
	if (!sealed)
		X509_ALGOR_free(how);
	bool good = sealed && PEM_write_bio_PKCS8(out, sealed) == 1;
	X509_SIG_free(sealed);
	return good;
}

enum sense_status sense_key_write(const char *dir, const char *name, EVP_PKEY *key, const char *passphrase,
                                  sense_error *err)
{
	enum sense_status status;
	char *text = NULL;
	BIO *out = BIO_new(BIO_s_secmem());
	PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(key);
	if (!out || !plain ||
	    !(passphrase ? put_encrypted(out, plain, passphrase)
	                 : PEM_write_bio_PKCS8_PRIV_KEY_INFO(out, plain) == 1)) {
		status = sense_pki_fail(err, SENSE_E_INTERNAL, "cannot encode the key %s/%s", dir, name);
	} else {
		long len = BIO_get_mem_data(out, &text);
		status = sense_ca_file_write(dir, name, 0600, text, (size_t)len, false, err);
	}
	PKCS8_PRIV_KEY_INFO_free(plain);
	BIO_free(out);
	return status;
}

/* PEM has an encryption of its own, for which OpenSSL would ask at the terminal. */
static int no_prompt(char *out, int cap, int writing, void *self)
{
	(void)out;
	(void)cap;
	(void)writing;
	(void)self;
	return -1;
}

static EVP_PKEY *get_encrypted(BIO *in, const char *passphrase)
{
	X509_SIG *sealed = PEM_read_bio_PKCS8(in, NULL, no_prompt, NULL);
	PKCS8_PRIV_KEY_INFO *plain =
	    sealed ? PKCS8_decrypt(sealed, passphrase, (int)strlen(passphrase)) : NULL;
	EVP_PKEY *key = plain ? EVP_PKCS82PKEY(plain) : NULL;
	PKCS8_PRIV_KEY_INFO_free(plain);
	X509_SIG_free(sealed);
	return key;
}

static EVP_PKEY *get_plain(BIO *in)
{
	PKCS8_PRIV_KEY_INFO *plain = PEM_read_bio_PKCS8_PRIV_KEY_INFO(in, NULL, no_prompt, NULL);
	EVP_PKEY *key = plain ? EVP_PKCS82PKEY(plain) : NULL;
	PKCS8_PRIV_KEY_INFO_free(plain);
	return key;
}

static enum sense_status key_parse(const char *path, const char *text, enum sense_key_kind kind,
                                   const char *passphrase, EVP_PKEY **key, sense_error *err)
{
	bool encrypted = strstr(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") != NULL;
	if (passphrase && !encrypted)
		return sense_fail(err, SENSE_E_CONFIG, "pki",
		                  "%s is not an encrypted key (ENCRYPTED PRIVATE KEY)", path);
	if (!passphrase && encrypted)
		return sense_fail(err, SENSE_E_CONFIG, "pki", "%s is encrypted, and must not be", path);
	BIO *in = BIO_new_mem_buf(text, -1);
	*key = !in ? NULL : passphrase ? get_encrypted(in, passphrase) : get_plain(in);
	BIO_free(in);
	if (!*key)
		return sense_pki_fail(err, SENSE_E_FORMAT, "%s cannot be read: %s", path,
		                      passphrase ? "the passphrase is another one, or the file is damaged"
		                                 : "the file is damaged");
	if (sense_key_is(*key, kind))
		return SENSE_OK;
	EVP_PKEY_free(*key);
	*key = NULL;
	return sense_fail(err, SENSE_E_FORMAT, "pki", "%s is not a key of %s", path,
	                  kind == SENSE_KEY_P256 ? "P-256" : "Ed25519");
}

enum sense_status sense_key_read(const char *dir, const char *name, enum sense_key_kind kind,
                                 const char *passphrase, EVP_PKEY **key, sense_error *err)
{
	char path[PATH_MAX], *text;
	size_t len;
	*key = NULL;
	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= PATH_MAX)
		return sense_fail(err, SENSE_E_CONFIG, "pki", "the path of %s is too long", name);
	enum sense_status status = sense_ca_file_read(path, SENSE_CA_FILE_PRIVATE, &text, &len, err);
	if (status)
		return status;
	ERR_clear_error();
	status = key_parse(path, text, kind, passphrase, key, err);
	sense_ca_text_free(text, len);
	return status;
}

/* ---- signing ---------------------------------------------------------------------------------------- */

static size_t memory_sign(void *self, const uint8_t *bytes, size_t len,
                          uint8_t signature[SENSE_SIGNATURE_MAX])
{
	EVP_PKEY *key = self;
	size_t size = SENSE_SIGNATURE_MAX;
	/* Ed25519 has its digest within. */
	const char *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : "SHA256";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1 &&
	            EVP_DigestSign(ctx, signature, &size, bytes, len) == 1;
	EVP_MD_CTX_free(ctx);
	return good ? size : 0;
}

static void memory_free(void *self)
{
	EVP_PKEY_free(self);
}

void sense_signer_key_of(EVP_PKEY *key, struct sense_signer_key *out)
{
	EVP_PKEY_up_ref(key);
	*out = (struct sense_signer_key){memory_sign, memory_free, key};
}

void sense_signer_key_free(struct sense_signer_key *key)
{
	if (key->free)
		key->free(key->self);
	*key = (struct sense_signer_key){0};
}

/* ---- points ------------------------------------------------------------------------------------------ */

bool sense_key_point(const EVP_PKEY *key, uint8_t point[SENSE_KEY_POINT])
{
	size_t len = 0;
	return sense_key_is(key, SENSE_KEY_P256) &&
	       EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, SENSE_KEY_POINT, &len) ==
	           1 &&
	       len == SENSE_KEY_POINT && point[0] == 4;
}

EVP_PKEY *sense_key_of_point(const uint8_t point[SENSE_KEY_POINT])
{
	char curve[] = CURVE;
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point,
	                                      SENSE_KEY_POINT),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = point[0] == 4 ? EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL) : NULL;
	if (ctx && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return key;
}
