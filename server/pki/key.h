/*
 * Private keys: made, kept encrypted, and used behind one function.
 *
 * Files are PKCS#8 (RFC 5958), encrypted with AES-256-CBC under a key that scrypt (RFC 7914) derives from the
 * passphrase. What signs is only ever given the bytes to be signed, so a token of PKCS#11 or an HSM can stand
 * behind struct sense_signer_key as well as a key in memory.
 */
#ifndef SENSE_SERVER_PKI_KEY_H
#define SENSE_SERVER_PKI_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"

#define SENSE_SIGNATURE_MAX 80u /* ECDSA on P-256, DER: at most 72 */
#define SENSE_SIGNATURE_ED25519 64u

struct sense_signer_key {
	/*
	 * Signs these bytes, which it digests itself: ECDSA with SHA-256, DER (RFC 3279, 2.2.3), or Ed25519.
	 * The signature's length, at most SENSE_SIGNATURE_MAX; 0: it failed.
	 */
	size_t (*sign)(void *self, const uint8_t *bytes, size_t len, uint8_t signature[SENSE_SIGNATURE_MAX]);
	void (*free)(void *self);
	void *self;
};

enum sense_key_kind { SENSE_KEY_P256, SENSE_KEY_ED25519 };

EVP_PKEY *sense_key_make(enum sense_key_kind kind, sense_error *err); /* EVP_PKEY_free; NULL: failed */
bool sense_key_is(const EVP_PKEY *key, enum sense_key_kind kind);
/* passphrase NULL: not encrypted. */
enum sense_status sense_key_write(const char *dir, const char *name, EVP_PKEY *key, const char *passphrase,
                                  sense_error *err);
/* Refuses a key of another kind, and one that is not encrypted although there is a passphrase. */
enum sense_status sense_key_read(const char *dir, const char *name, enum sense_key_kind kind,
                                 const char *passphrase, EVP_PKEY **key, sense_error *err);

/* A key in memory. Holds a reference of its own. */
void sense_signer_key_of(EVP_PKEY *key, struct sense_signer_key *out);
void sense_signer_key_free(struct sense_signer_key *key); /* may be all zeroes */

#define SENSE_KEY_POINT 65u /* of P-256, uncompressed (SEC 1, 2.3.3) */
/* The public half of a P-256 key as a point, and back: a point that is not on the curve is refused (NULL). */
bool sense_key_point(const EVP_PKEY *key, uint8_t point[SENSE_KEY_POINT]);
EVP_PKEY *sense_key_of_point(const uint8_t point[SENSE_KEY_POINT]);

#endif
