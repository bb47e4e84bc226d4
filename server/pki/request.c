#include "server/pki/request.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "server/pki/fail.h"

static const char armour[] = "-----BEGIN ";

/* What OpenSSL says of a stranger's bytes is of no use to him. */
static enum sense_status refuse(sense_error *err, enum sense_status status, const char *why)
{
	ERR_clear_error();
	return sense_fail(err, status, "pki", "certificate request: %s", why);
}

/* One block without headers; nothing but white space behind it. */
static enum sense_status unarmour(const uint8_t *data, size_t len, unsigned char **der, long *der_len,
                                  sense_error *err)
{
	char *name = NULL, *header = NULL, rest;
	BIO *in = BIO_new_mem_buf(data, (int)len);
	bool good = in && PEM_read_bio(in, &name, &header, der, der_len) == 1 && !*header &&
	            (!strcmp(name, PEM_STRING_X509_REQ) || !strcmp(name, PEM_STRING_X509_REQ_OLD));
	while (good && BIO_read(in, &rest, 1) == 1)
		good = rest == '\n' || rest == '\r' || rest == ' ' || rest == '\t';
	OPENSSL_free(name);
	OPENSSL_free(header);
	BIO_free(in);
	return good ? SENSE_OK : refuse(err, SENSE_E_FORMAT, "not one PEM block CERTIFICATE REQUEST");
}

/* The key as it is written, before anything is worked out with it. */
static enum sense_status point_take(X509_REQ *request, uint8_t point[SENSE_KEY_POINT], sense_error *err)
{
	const unsigned char *bits;
	const void *curve;
	const ASN1_OBJECT *algorithm;
	X509_ALGOR *how;
	ASN1_OBJECT *what;
	int len, type;
	X509_PUBKEY *public = X509_REQ_get_X509_PUBKEY(request);
	if (!public || X509_PUBKEY_get0_param(&what, &bits, &len, &how, public) != 1)
		return refuse(err, SENSE_E_FORMAT, "no public key");
	X509_ALGOR_get0(&algorithm, &type, &curve, how);
	if (OBJ_obj2nid(algorithm) != NID_X9_62_id_ecPublicKey)
		return refuse(err, SENSE_E_UNSUPPORTED, "the key must be one of elliptic curves, on P-256");
	if (type != V_ASN1_OBJECT || OBJ_obj2nid(curve) != NID_X9_62_prime256v1)
		return refuse(err, SENSE_E_UNSUPPORTED, "the curve must be P-256, by its name");
	if (len != (int)SENSE_KEY_POINT || bits[0] != 4)
		return refuse(err, SENSE_E_UNSUPPORTED, "the key must be an uncompressed point");
	memcpy(point, bits, SENSE_KEY_POINT);
	return SENSE_OK;
}

static enum sense_status possession_check(X509_REQ *request, const uint8_t point[SENSE_KEY_POINT],
                                          sense_error *err)
{
	int how = X509_REQ_get_signature_nid(request);
	if (how != NID_ecdsa_with_SHA256 && how != NID_ecdsa_with_SHA384 && how != NID_ecdsa_with_SHA512)
		return refuse(err, SENSE_E_UNSUPPORTED,
		              "it must be signed by ECDSA with SHA-256, SHA-384 or SHA-512");
	EVP_PKEY *key = sense_key_of_point(point);
	if (!key)
		return refuse(err, SENSE_E_FORMAT, "the key is no point of P-256");
	bool good = X509_REQ_verify(request, key) == 1;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good ? SENSE_OK : refuse(err, SENSE_E_FORMAT, "it is not signed with the key that it names");
}

enum sense_status sense_request_read(const uint8_t *data, size_t len, uint8_t point[SENSE_KEY_POINT],
                                     sense_error *err)
{
	unsigned char *unpacked = NULL;
	const unsigned char *der = data;
	long der_len = (long)len;
	X509_REQ *request = NULL;
	if (len > SENSE_REQUEST_MAX)
		return refuse(err, SENSE_E_LIMIT, "longer than 4096 bytes");
	enum sense_status status = SENSE_OK;
	if (len > sizeof armour - 1 && !memcmp(data, armour, sizeof armour - 1)) {
		status = unarmour(data, len, &unpacked, &der_len, err);
		der = unpacked;
	}
	if (status)
		goto out;
	const unsigned char *end = der + der_len;
	request = d2i_X509_REQ(NULL, &der, der_len);
	if (!request || der != end) {
		status = refuse(err, SENSE_E_FORMAT, "not PKCS#10");
		goto out;
	}
	status = point_take(request, point, err);
	if (!status)
		status = possession_check(request, point, err);
out:
	X509_REQ_free(request);
	OPENSSL_free(unpacked);
	return status;
}
