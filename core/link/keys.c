/* Keys, requests and certificates of an identity. */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "core/link/identity.h"

static enum sense_status fail(sense_error *err, const char *what)
{
	return sense_fail(err, SENSE_E_INTERNAL, "link", "%s", what);
}

/* What a memory BIO holds, as text. */
static bool pem_copy(BIO *from, char out[SENSE_IDENTITY_PEM_MAX])
{
	char *data;
	long len = BIO_get_mem_data(from, &data);
	if (len <= 0 || len >= (long)SENSE_IDENTITY_PEM_MAX)
		return false;
	memcpy(out, data, (size_t)len);
	out[len] = '\0';
	return true;
}

static EVP_PKEY *key_read(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
	BIO_free(bio);
	return key;
}

static X509 *certificate_read(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return certificate;
}

enum sense_status sense_identity_key_make(char pem[SENSE_IDENTITY_PEM_MAX], sense_error *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_secmem());
	bool good = key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) &&
	            pem_copy(bio, pem);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return good ? SENSE_OK : fail(err, "cannot make a key");
}

static X509_REQ *request_make(const char *key, const char *name)
{
	EVP_PKEY *pair = key_read(key);
	X509_REQ *request = X509_REQ_new();
	X509_NAME *subject = request ? X509_REQ_get_subject_name(request) : NULL;
	char cut[65]; /* as long as a common name may be (RFC 5280, ub-common-name) */
	snprintf(cut, sizeof cut, "%s", *name ? name : "agent");
	bool good =
	    pair && subject && X509_REQ_set_version(request, X509_REQ_VERSION_1) &&
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)cut, -1, -1, 0) &&
	    X509_REQ_set_pubkey(request, pair) && X509_REQ_sign(request, pair, EVP_sha256());
	EVP_PKEY_free(pair);
	if (good)
		return request;
	X509_REQ_free(request);
	return NULL;
}

enum sense_status sense_identity_request(const char *key, const char *name, char pem[SENSE_IDENTITY_PEM_MAX],
                                         sense_error *err)
{
	X509_REQ *request = request_make(key, name);
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = request && bio && PEM_write_bio_X509_REQ(bio, request) && pem_copy(bio, pem);
	BIO_free(bio);
	X509_REQ_free(request);
	return good ? SENSE_OK : fail(err, "cannot make a request for a certificate");
}

enum sense_status sense_identity_request_der(const char *key, const char *name, uint8_t *out, size_t cap,
                                             size_t *len, sense_error *err)
{
	X509_REQ *request = request_make(key, name);
	int need = request ? i2d_X509_REQ(request, NULL) : -1;
	bool good = need > 0 && (size_t)need <= cap;
	if (good)
		*len = (size_t)i2d_X509_REQ(request, &out);
	X509_REQ_free(request);
	return good ? SENSE_OK : fail(err, "cannot make a request for a certificate");
}

/* Signatures name their digest, and the program begins without a table of those names (core/main.c). */
static void digests_name(void)
{
	EVP_add_digest(EVP_sha256());
	EVP_add_digest(EVP_sha384());
	EVP_add_digest(EVP_sha512());
}

static enum sense_status pair_check(X509 *certificate, X509 *ca, EVP_PKEY *key, sense_error *err)
{
	EVP_PKEY *ca_key = ca ? X509_get0_pubkey(ca) : NULL;
	if (!certificate || !ca || !key || !ca_key)
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "a key or certificate cannot be read: enrol again");
	if (X509_check_private_key(certificate, key) != 1)
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "the certificate is not that of the agent's key");
	if (X509_verify(certificate, ca_key) != 1)
		return sense_fail(err, SENSE_E_FORMAT, "link",
		                  "the certificate is not signed by the fleet's CA");
	return SENSE_OK;
}

enum sense_status sense_identity_check(const struct sense_identity *identity, sense_error *err)
{
	digests_name();
	X509 *certificate = certificate_read(identity->certificate), *ca = certificate_read(identity->ca);
	EVP_PKEY *key = key_read(identity->key);
	enum sense_status status = pair_check(certificate, ca, key, err);
	EVP_PKEY_free(key);
	X509_free(ca);
	X509_free(certificate);
	return status;
}

enum sense_status sense_identity_certificate_take(struct sense_identity *identity, const uint8_t *der,
                                                  size_t len, sense_error *err)
{
	const uint8_t *at = der;
	X509 *certificate = len <= LONG_MAX ? d2i_X509(NULL, &at, (long)len) : NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = certificate && at == der + len && bio && PEM_write_bio_X509(bio, certificate) &&
	            pem_copy(bio, identity->certificate);
	BIO_free(bio);
	X509_free(certificate);
	if (!good)
		return sense_fail(err, SENSE_E_FORMAT, "link", "what the server sent is no certificate");
	return sense_identity_check(identity, err);
}

bool sense_identity_is_ca(const struct sense_identity *identity, const uint8_t fingerprint[32])
{
	uint8_t digest[32];
	unsigned len = sizeof digest;
	X509 *ca = certificate_read(identity->ca);
	bool same = ca && X509_digest(ca, EVP_sha256(), digest, &len) == 1 &&
	            !memcmp(digest, fingerprint, sizeof digest);
	X509_free(ca);
	return same;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *out)
{
	struct tm utc;
	if (!ASN1_TIME_to_tm(time, &utc))
		return false;
	*out = (int64_t)timegm(&utc);
	return true;
}

enum sense_status sense_identity_validity(const struct sense_identity *identity, int64_t *from,
                                          int64_t *until, sense_error *err)
{
	X509 *certificate = certificate_read(identity->certificate);
	bool good = certificate && seconds_of(X509_get0_notBefore(certificate), from) &&
	            seconds_of(X509_get0_notAfter(certificate), until);
	X509_free(certificate);
	return good ? SENSE_OK : fail(err, "the certificate has no time");
}
