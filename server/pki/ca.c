#include "server/pki/ca.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/hex.h"
#include "server/pki/fail.h"

static const char *const made[] = {SENSE_CA_KEY,        SENSE_CA_POLICY_KEY,         SENSE_CA_POLICY_PUBLIC,
                                   SENSE_CA_SERVER_KEY, SENSE_CA_SERVER_CERTIFICATE, SENSE_CA_CERTIFICATE};
#define MADE (sizeof made / sizeof *made)

unsigned sense_ca_default_names(const char *names[4])
{
	static char host[HOST_NAME_MAX + 1];
	unsigned count = 0;
	if (!gethostname(host, sizeof host - 1) && sense_certificate_name_good(host) &&
	    strcmp(host, "localhost"))
		names[count++] = host;
	names[count++] = "localhost";
	names[count++] = "127.0.0.1";
	names[count++] = "::1";
	return count;
}

/* ---- making one --------------------------------------------------------------------------------------- */

static enum sense_status nothing_there(const char *dir, sense_error *err)
{
	bool whole = sense_ca_has(dir, SENSE_CA_CERTIFICATE);
	for (unsigned i = 0; i < MADE; i++) {
		if (!sense_ca_has(dir, made[i]))
			continue;
		if (!whole)
			return sense_fail(err, SENSE_E_CONFIG, "pki",
			                  "%s/%s is there already, and ca.pem is not: an init did not end, "
			                  "or files were lost. "
			                  "Bring ca.pem back from a copy; if no agent ever enrolled here, "
			                  "remove the others",
			                  dir, made[i]);
		return sense_fail(
		    err, SENSE_E_CONFIG, "pki",
		    "%s/%s is there already: a CA is made once, and agents trust no other. Nothing was "
		    "changed. For another one name another directory (--dir)",
		    dir, made[i]);
	}
	return SENSE_OK;
}

static enum sense_status passphrase_make(const char *dir, sense_error *err)
{
	uint8_t random[32];
	char text[2 * sizeof random + 2];
	if (RAND_priv_bytes(random, sizeof random) != 1)
		return sense_pki_fail(err, SENSE_E_INTERNAL, "no randomness for a passphrase");
	sense_hex_text(random, sizeof random, text);
	text[2 * sizeof random] = '\n';
	enum sense_status status =
	    sense_ca_file_write(dir, SENSE_CA_PASSPHRASE, 0600, text, 2 * sizeof random + 1, false, err);
	OPENSSL_cleanse(text, sizeof text);
	OPENSSL_cleanse(random, sizeof random);
	return status;
}

static enum sense_status public_write(const char *dir, EVP_PKEY *key, sense_error *err)
{
	char *text;
	BIO *out = BIO_new(BIO_s_mem());
	enum sense_status status;
	if (!out || PEM_write_bio_PUBKEY(out, key) != 1) {
		status =
		    sense_pki_fail(err, SENSE_E_INTERNAL, "cannot encode %s/%s", dir, SENSE_CA_POLICY_PUBLIC);
	} else {
		long len = BIO_get_mem_data(out, &text);
		status =
		    sense_ca_file_write(dir, SENSE_CA_POLICY_PUBLIC, 0644, text, (size_t)len, false, err);
	}
	BIO_free(out);
	return status;
}

struct making {
	EVP_PKEY *ca_key, *policy_key, *server_key;
	struct sense_issuer issuer;
	X509 *server;
};

static enum sense_status all_make(const struct sense_ca_init *what, struct making *m, sense_error *err)
{
	const char *defaults[4], *const *names = what->names;
	unsigned count = what->name_count;
	if (!count) {
		count = sense_ca_default_names(defaults);
		names = defaults;
	}
	m->ca_key = sense_key_make(SENSE_KEY_P256, err);
	m->policy_key = m->ca_key ? sense_key_make(SENSE_KEY_ED25519, err) : NULL;
	m->server_key = m->policy_key ? sense_key_make(SENSE_KEY_P256, err) : NULL;
	if (!m->server_key)
		return SENSE_E_INTERNAL;
	sense_signer_key_of(m->ca_key, &m->issuer.key);
	time_t now = time(NULL);
	m->issuer.certificate =
	    sense_certificate_ca(what->name ? what->name : "SENSE CA", m->ca_key, &m->issuer.key, now, err);
	if (m->issuer.certificate)
		m->server = sense_certificate_server(&m->issuer, names, count, m->server_key, now, err);
	return m->server ? SENSE_OK : SENSE_E_CONFIG;
}

/* The CA's certificate comes last: with it the directory is whole. */
static enum sense_status all_write(const char *dir, const struct making *m, const char *passphrase,
                                   sense_error *err)
{
	X509 *chain[] = {m->server, m->issuer.certificate};
	enum sense_status status = sense_key_write(dir, SENSE_CA_KEY, m->ca_key, passphrase, err);
	if (!status)
		status = sense_key_write(dir, SENSE_CA_POLICY_KEY, m->policy_key, passphrase, err);
	if (!status)
		status = public_write(dir, m->policy_key, err);
	if (!status)
		status = sense_key_write(dir, SENSE_CA_SERVER_KEY, m->server_key, NULL, err);
	if (!status)
		status = sense_certificate_write(dir, SENSE_CA_SERVER_CERTIFICATE, chain, 2, false, err);
	if (!status)
		status = sense_certificate_write(dir, SENSE_CA_CERTIFICATE, chain + 1, 1, false, err);
	return status;
}

static void making_free(struct making *m)
{
	sense_signer_key_free(&m->issuer.key);
	X509_free(m->issuer.certificate);
	X509_free(m->server);
	EVP_PKEY_free(m->ca_key);
	EVP_PKEY_free(m->policy_key);
	EVP_PKEY_free(m->server_key);
}

static void remove_made(const char *dir, bool passphrase)
{
	char path[PATH_MAX];
	for (unsigned i = 0; i <= MADE; i++) {
		if (i == MADE && !passphrase)
			break;
		if (snprintf(path, sizeof path, "%s/%s", dir, i < MADE ? made[i] : SENSE_CA_PASSPHRASE) <
		    PATH_MAX)
			unlink(path);
	}
}

enum sense_status sense_ca_init(const struct sense_ca_init *what, bool *made_passphrase, sense_error *err)
{
	struct making m = {0};
	char *passphrase = NULL;
	bool writing = false;
	*made_passphrase = false;
	enum sense_status status = sense_ca_dir_make(what->dir, err);
	if (!status)
		status = nothing_there(what->dir, err);
	if (!status)
		status = all_make(what, &m, err);
	if (status)
		goto out;
	status = sense_ca_passphrase_read(what->dir, what->passphrase_file, &passphrase, err);
	if (status == SENSE_E_NOTFOUND && !what->passphrase_file) {
		status = passphrase_make(what->dir, err);
		*made_passphrase = !status;
		if (!status)
			status = sense_ca_passphrase_read(what->dir, NULL, &passphrase, err);
	}
	if (status)
		goto out;
	writing = true;
	status = all_write(what->dir, &m, passphrase, err);
out:
	if (status && writing)
		remove_made(what->dir, *made_passphrase);
	if (passphrase)
		sense_ca_text_free(passphrase, strlen(passphrase));
	making_free(&m);
	return status;
}

/* ---- using one ---------------------------------------------------------------------------------------- */

static enum sense_status policy_key_read(const char *dir, uint8_t out[32], sense_error *err)
{
	char path[PATH_MAX], *text;
	size_t len, size = 32;
	if (snprintf(path, sizeof path, "%s/%s", dir, SENSE_CA_POLICY_PUBLIC) >= PATH_MAX)
		return sense_fail(err, SENSE_E_CONFIG, "pki", "the path of %s is too long",
		                  SENSE_CA_POLICY_PUBLIC);
	enum sense_status status = sense_ca_file_read(path, SENSE_CA_FILE_PUBLIC, &text, &len, err);
	if (status)
		return status;
	BIO *in = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = in ? PEM_read_bio_PUBKEY(in, NULL, NULL, NULL) : NULL;
	if (!key || !sense_key_is(key, SENSE_KEY_ED25519) ||
	    EVP_PKEY_get_raw_public_key(key, out, &size) != 1)
		status = sense_pki_fail(err, SENSE_E_FORMAT, "%s is not a public key of Ed25519", path);
	EVP_PKEY_free(key);
	BIO_free(in);
	sense_ca_text_free(text, len);
	return status;
}

static char *pem_of(X509 *certificate)
{
	char *text, *copy = NULL;
	BIO *out = BIO_new(BIO_s_mem());
	if (out && PEM_write_bio_X509(out, certificate) == 1) {
		long len = BIO_get_mem_data(out, &text);
		copy = strndup(text, (size_t)len);
	}
	BIO_free(out);
	return copy;
}

enum sense_status sense_ca_public_read(const char *dir, struct sense_ca_public *out, sense_error *err)
{
	*out = (struct sense_ca_public){0};
	enum sense_status status = sense_certificate_read(dir, SENSE_CA_CERTIFICATE, &out->certificate, err);
	if (!status)
		status = policy_key_read(dir, out->policy_key, err);
	if (!status) {
		out->pem = pem_of(out->certificate);
		if (!out->pem || !sense_certificate_fingerprint(out->certificate, out->fingerprint))
			status = sense_pki_fail(err, SENSE_E_MEMORY, "cannot take %s/%s in", dir,
			                        SENSE_CA_CERTIFICATE);
	}
	if (status)
		sense_ca_public_free(out);
	return status;
}

void sense_ca_public_free(struct sense_ca_public *ca)
{
	X509_free(ca->certificate);
	free(ca->pem);
	*ca = (struct sense_ca_public){0};
}

static enum sense_status key_unlock(const char *dir, const char *passphrase_file, const char *name,
                                    enum sense_key_kind kind, EVP_PKEY **out, sense_error *err)
{
	char *passphrase = NULL;
	*out = NULL;
	enum sense_status status = sense_ca_passphrase_read(dir, passphrase_file, &passphrase, err);
	if (!status)
		status = sense_key_read(dir, name, kind, passphrase, out, err);
	if (passphrase)
		sense_ca_text_free(passphrase, strlen(passphrase));
	return status;
}

static enum sense_status half_check(bool same, const char *dir, const char *name, const char *public,
                                    sense_error *err)
{
	return same ? SENSE_OK
	            : sense_pki_fail(err, SENSE_E_CONFIG, "%s/%s is not the key of %s beside it", dir, name,
	                             public);
}

enum sense_status sense_ca_unlock(const char *dir, const char *passphrase_file, struct sense_issuer *out,
                                  sense_error *err)
{
	EVP_PKEY *key = NULL;
	*out = (struct sense_issuer){0};
	enum sense_status status = sense_certificate_read(dir, SENSE_CA_CERTIFICATE, &out->certificate, err);
	if (!status)
		status = key_unlock(dir, passphrase_file, SENSE_CA_KEY, SENSE_KEY_P256, &key, err);
	if (!status)
		status = half_check(X509_check_private_key(out->certificate, key) == 1, dir, SENSE_CA_KEY,
		                    SENSE_CA_CERTIFICATE, err);
	if (!status)
		sense_signer_key_of(key, &out->key);
	else
		sense_ca_lock(out);
	EVP_PKEY_free(key);
	return status;
}

enum sense_status sense_ca_unlock_policy(const char *dir, const char *passphrase_file,
                                         struct sense_signer_key *out, sense_error *err)
{
	uint8_t raw[32], public[32];
	size_t len = sizeof raw;
	EVP_PKEY *key = NULL;
	*out = (struct sense_signer_key){0};
	enum sense_status status = policy_key_read(dir, public, err);
	if (!status)
		status = key_unlock(dir, passphrase_file, SENSE_CA_POLICY_KEY, SENSE_KEY_ED25519, &key, err);
	if (!status)
		status = half_check(EVP_PKEY_get_raw_public_key(key, raw, &len) == 1 &&
		                        !memcmp(raw, public, sizeof raw),
		                    dir, SENSE_CA_POLICY_KEY, SENSE_CA_POLICY_PUBLIC, err);
	if (!status)
		sense_signer_key_of(key, out);
	EVP_PKEY_free(key);
	return status;
}

void sense_ca_lock(struct sense_issuer *ca)
{
	sense_signer_key_free(&ca->key);
	X509_free(ca->certificate);
	*ca = (struct sense_issuer){0};
}

enum sense_status sense_ca_server_renew(const char *dir, const struct sense_issuer *ca,
                                        const char *const *names, unsigned count, sense_error *err)
{
	EVP_PKEY *key;
	enum sense_status status = sense_key_read(dir, SENSE_CA_SERVER_KEY, SENSE_KEY_P256, NULL, &key, err);
	if (status)
		return status;
	X509 *server = sense_certificate_server(ca, names, count, key, time(NULL), err);
	X509 *chain[] = {server, ca->certificate};
	status = server ? sense_certificate_write(dir, SENSE_CA_SERVER_CERTIFICATE, chain, 2, true, err)
	                : SENSE_E_CONFIG;
	X509_free(server);
	EVP_PKEY_free(key);
	return status;
}
