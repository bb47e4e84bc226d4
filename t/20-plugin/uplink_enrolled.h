/*
 * An agent that is enrolled, without a server that enrolled it: a CA, certificates of this and that time, the file of
 * its identity.
 */
#ifndef SENSE_T_UPLINK_ENROLLED_H
#define SENSE_T_UPLINK_ENROLLED_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "core/link/identity.h"

#define AGENT "0190a0b0-c0d0-7000-8000-000000000001"
#define ORGANIZATION "0190a0b0-c0d0-7000-8000-0000000000ff"

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

static X509 *certificate_make(EVP_PKEY *key, const char *name, const struct authority *by, const char *san,
                              long from_s, long until_s)
{
	X509 *made = X509_new();
	X509_NAME *subject = X509_get_subject_name(made);
	X509V3_CTX context;
	static long serial = 1;
	X509_set_version(made, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made), serial++ + (long)getpid() * 1000);
	X509_gmtime_adj(X509_getm_notBefore(made), from_s);
	X509_gmtime_adj(X509_getm_notAfter(made), until_s);
	X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)ORGANIZATION, -1, -1,
	                           0);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(made, by ? X509_get_subject_name(by->certificate) : subject);
	X509_set_pubkey(made, key);
	X509V3_set_ctx(&context, by ? by->certificate : made, made, NULL, NULL, 0);
	X509_EXTENSION *basic = X509V3_EXT_conf_nid(NULL, &context, NID_basic_constraints,
	                                            by ? "critical,CA:FALSE" : "critical,CA:TRUE");
	X509_add_ext(made, basic, -1);
	X509_EXTENSION_free(basic);
	X509_EXTENSION *names = san ? X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, san) : NULL;
	if (names)
		X509_add_ext(made, names, -1);
	X509_EXTENSION_free(names);
	X509_sign(made, by ? by->key : key, EVP_sha256());
	return made;
}

__attribute__((unused)) static struct authority authority_make(const char *name)
{
	struct authority made = {.key = EVP_EC_gen("P-256")};
	made.certificate = certificate_make(made.key, name, NULL, NULL, -86400, 86400 * 365);
	return made;
}

__attribute__((unused)) static void authority_free(struct authority *authority)
{
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
}

static void pem_of(X509 *certificate, char out[SENSE_IDENTITY_PEM_MAX])
{
	char *data;
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, certificate);
	long len = BIO_get_mem_data(bio, &data);
	memcpy(out, data, (size_t)len);
	out[len] = '\0';
	BIO_free(bio);
}

static EVP_PKEY *key_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return key;
}

/* Who signs policies; NULL: nobody. */
static EVP_PKEY *policy_key;

/* An agent enrolled with this authority, whose certificate has this time. */
__attribute__((unused)) static void enrolled(const char *dir, const struct authority *by, const char *server,
                                             long from_s, long until_s)
{
	static struct sense_identity identity;
	sense_error err;
	size_t len = sizeof identity.policy_key;
	identity = (struct sense_identity){.agent = AGENT, .organization = ORGANIZATION};
	if (policy_key)
		EVP_PKEY_get_raw_public_key(policy_key, identity.policy_key, &len);
	sense_identity_servers_add(&identity, server);
	sense_identity_key_make(identity.key, &err);
	EVP_PKEY *key = key_of(identity.key);
	X509 *certificate = certificate_make(key, AGENT, by, NULL, from_s, until_s);
	pem_of(certificate, identity.certificate);
	pem_of(by->certificate, identity.ca);
	if (sense_identity_write(dir, &identity, &err))
		fprintf(stderr, "# %s\n", err.message);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

#endif
