#include "server/pki/certificate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include "proto/uuid.h"
#include "server/pki/fail.h"

#define BACK_S (5 * 60)
#define DAY_S (24 * 60 * 60)
#define NAME_TEXT_MAX 64 /* of a common name (RFC 5280, ub-common-name) */

/* ---- parts of a certificate ---------------------------------------------------------------------------- */

static bool serial_set(X509 *certificate)
{
	uint8_t random[16];
	if (RAND_bytes(random, sizeof random) != 1)
		return false;
	/* So all are equally long, and none is zero: 127 bits are left to chance. */
	random[0] |= 0x80;
	BIGNUM *number = BN_bin2bn(random, sizeof random, NULL);
	bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
	BN_free(number);
	return good;
}

static bool time_set(X509 *certificate, const X509 *issuer, unsigned days, time_t now)
{
	time_t end = now + (time_t)days * DAY_S;
	time_t last = issuer ? sense_certificate_end(issuer) : end;
	if (last < end)
		end = last;
	return X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -BACK_S, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), 0, 0, &end);
}

static bool name_add(X509_NAME *name, const char *field, const char *text)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1, -1,
	                                  0) == 1;
}

/* One that needs no configuration: its value is a constant of ours. */
static bool extension_add(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer ? issuer : certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool good = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

static bool general_name_add(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
	GENERAL_NAME *name = value ? GENERAL_NAME_new() : NULL;
	if (name && sk_GENERAL_NAME_push(names, name)) {
		GENERAL_NAME_set0_value(name, type, value);
		return true;
	}
	GENERAL_NAME_free(name);
	ASN1_STRING_free(value);
	return false;
}

static ASN1_STRING *string_of(int type, const void *data, size_t len)
{
	ASN1_STRING *string = ASN1_STRING_type_new(type);
	if (string && ASN1_STRING_set(string, data, (int)len) == 1)
		return string;
	ASN1_STRING_free(string);
	return NULL;
}

static bool names_add(X509 *certificate, GENERAL_NAMES *names)
{
	return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
}

/* ---- signing ------------------------------------------------------------------------------------------ */

/*
 * OpenSSL signs only with a key that it has itself, so algorithm and signature are put where it would put
 * them. Its accessors say const; it is our certificate.
 */
static bool certificate_sign(X509 *certificate, const struct sense_signer_key *key)
{
	uint8_t signature[SENSE_SIGNATURE_MAX];
	const X509_ALGOR *outer;
	const ASN1_BIT_STRING *bits;
	unsigned char *tbs = NULL;
	X509_get0_signature(&bits, &outer, certificate);
	X509_ALGOR *algorithms[] = {(X509_ALGOR *)(uintptr_t)outer,
	                            (X509_ALGOR *)(uintptr_t)X509_get0_tbs_sigalg(certificate)};
	for (unsigned i = 0; i < 2; i++)
		if (!X509_ALGOR_set0(algorithms[i], OBJ_nid2obj(NID_ecdsa_with_SHA256), V_ASN1_UNDEF, NULL))
			return false;
	int len = i2d_re_X509_tbs(certificate, &tbs);
	size_t signed_len = len > 0 ? key->sign(key->self, tbs, (size_t)len, signature) : 0;
	OPENSSL_free(tbs);
	ASN1_BIT_STRING *out = (ASN1_BIT_STRING *)(uintptr_t)bits;
	if (!signed_len || ASN1_STRING_set(out, signature, (int)signed_len) != 1)
		return false;
	out->flags = (out->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 7)) | ASN1_STRING_FLAG_BITS_LEFT;
	return true;
}

/* What all have in common, but for names and extensions. */
static X509 *certificate_begin(const X509 *issuer, EVP_PKEY *public, unsigned days, time_t now)
{
	X509 *certificate = X509_new();
	if (certificate && X509_set_version(certificate, X509_VERSION_3) && serial_set(certificate) &&
	    time_set(certificate, issuer, days, now) && X509_set_pubkey(certificate, public) &&
	    (!issuer || X509_set_issuer_name(certificate, X509_get_subject_name(issuer))))
		return certificate;
	X509_free(certificate);
	return NULL;
}

static X509 *certificate_end(X509 *certificate, bool good, const struct sense_signer_key *key,
                             const char *what, sense_error *err)
{
	if (good && certificate_sign(certificate, key))
		return certificate;
	X509_free(certificate);
	sense_pki_fail(err, SENSE_E_INTERNAL, "cannot make the certificate of %s", what);
	return NULL;
}

/* ---- the three kinds ---------------------------------------------------------------------------------- */

X509 *sense_certificate_ca(const char *name, EVP_PKEY *public, const struct sense_signer_key *key, time_t now,
                           sense_error *err)
{
	X509 *ca = certificate_begin(NULL, public, SENSE_CERTIFICATE_CA_DAYS, now);
	bool good = ca && name_add(X509_get_subject_name(ca), "CN", name) &&
	            X509_set_issuer_name(ca, X509_get_subject_name(ca)) &&
	            extension_add(ca, NULL, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	            extension_add(ca, NULL, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	            extension_add(ca, NULL, NID_subject_key_identifier, "hash");
	return certificate_end(ca, good, key, "the CA", err);
}

static bool leaf_extensions_add(X509 *certificate, X509 *issuer, const char *usage)
{
	return extension_add(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
	       extension_add(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
	       extension_add(certificate, issuer, NID_ext_key_usage, usage) &&
	       extension_add(certificate, issuer, NID_subject_key_identifier, "hash") &&
	       extension_add(certificate, issuer, NID_authority_key_identifier, "keyid:always");
}

X509 *sense_certificate_agent(const struct sense_issuer *issuer, const char *org, const char *agent,
                              EVP_PKEY *public, time_t now, sense_error *err)
{
	char uri[sizeof SENSE_CERTIFICATE_URI + SENSE_UUID_TEXT];
	if (!sense_uuid_is(org) || !sense_uuid_is(agent)) {
		sense_fail(err, SENSE_E_FORMAT, "pki", "organization and agent must be UUIDs");
		return NULL;
	}
	int len = snprintf(uri, sizeof uri, SENSE_CERTIFICATE_URI "%s", agent);
	X509 *certificate = certificate_begin(issuer->certificate, public, SENSE_CERTIFICATE_AGENT_DAYS, now);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool good = certificate && names && name_add(X509_get_subject_name(certificate), "O", org) &&
	            name_add(X509_get_subject_name(certificate), "CN", agent) &&
	            leaf_extensions_add(certificate, issuer->certificate, "clientAuth") &&
	            general_name_add(names, GEN_URI, string_of(V_ASN1_IA5STRING, uri, (size_t)len)) &&
	            names_add(certificate, names);
	GENERAL_NAMES_free(names);
	return certificate_end(certificate, good, &issuer->key, "an agent", err);
}

static bool server_name_add(GENERAL_NAMES *names, const char *name)
{
	uint8_t address[16];
	if (inet_pton(AF_INET, name, address) == 1)
		return general_name_add(names, GEN_IPADD, string_of(V_ASN1_OCTET_STRING, address, 4));
	if (inet_pton(AF_INET6, name, address) == 1)
		return general_name_add(names, GEN_IPADD, string_of(V_ASN1_OCTET_STRING, address, 16));
	return general_name_add(names, GEN_DNS, string_of(V_ASN1_IA5STRING, name, strlen(name)));
}

X509 *sense_certificate_server(const struct sense_issuer *issuer, const char *const *names, unsigned count,
                               EVP_PKEY *public, time_t now, sense_error *err)
{
	bool named = count && count <= SENSE_CERTIFICATE_NAMES_MAX;
	for (unsigned i = 0; named && i < count; i++)
		named = sense_certificate_name_good(names[i]);
	if (!named) {
		sense_fail(err, SENSE_E_CONFIG, "pki",
		           "a server needs 1 to %u names, each a DNS name or an IP address",
		           SENSE_CERTIFICATE_NAMES_MAX);
		return NULL;
	}
	X509 *certificate =
	    certificate_begin(issuer->certificate, public, SENSE_CERTIFICATE_SERVER_DAYS, now);
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	const char *common = strlen(names[0]) <= NAME_TEXT_MAX ? names[0] : "sense-server";
	bool good = certificate && all && name_add(X509_get_subject_name(certificate), "CN", common) &&
	            leaf_extensions_add(certificate, issuer->certificate, "serverAuth");
	for (unsigned i = 0; good && i < count; i++)
		good = server_name_add(all, names[i]);
	good = good && names_add(certificate, all);
	GENERAL_NAMES_free(all);
	return certificate_end(certificate, good, &issuer->key, "the server", err);
}

/* ---- names and UUIDs ----------------------------------------------------------------------------------- */

static bool label_good(const char *label, size_t len)
{
	if (!len || len > 63 || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
			return false;
	return true;
}

bool sense_certificate_name_good(const char *name)
{
	uint8_t address[16];
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return true;
	if (strlen(name) > 253)
		return false;
	if (!strncmp(name, "*.", 2))
		name += 2;
	/* Digits and dots alone are an address with a mistake in it. */
	if (!name[strspn(name, "0123456789.")])
		return false;
	for (;;) {
		size_t len = strcspn(name, ".");
		if (!label_good(name, len))
			return false;
		if (!name[len])
			return true;
		name += len + 1;
	}
}
