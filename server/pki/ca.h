/*
 * The CA of a fleet: made once, its public parts for everybody, its keys for few.
 *
 * Two keys belong together: that of the CA (P-256), which certificates hang on, and that of policies
 * (Ed25519), which agents pin when they enrol. Both lie encrypted in the directory (server/pki/place.h).
 */
#ifndef SENSE_SERVER_PKI_CA_H
#define SENSE_SERVER_PKI_CA_H

#include "server/pki/certificate.h"
#include "server/pki/place.h"

struct sense_ca_init {
	const char *dir;
	const char *name;            /* of the CA: its common name; NULL: "SENSE CA" */
	const char *passphrase_file; /* NULL: see sense_ca_passphrase_read; one is made when there is none */
	const char *const *names;    /* of the server; none: this host's name and loopback */
	unsigned name_count;
};

/* Makes all files, or none. Refuses when any of them is there. *made_passphrase: ca.passphrase is new. */
enum sense_status sense_ca_init(const struct sense_ca_init *what, bool *made_passphrase, sense_error *err);

/* What everybody may know. */
struct sense_ca_public {
	X509 *certificate;
	char *pem; /* of the certificate alone */
	uint8_t fingerprint[32];
	uint8_t policy_key[32]; /* Ed25519 (RFC 8032) */
};

enum sense_status sense_ca_public_read(const char *dir, struct sense_ca_public *out, sense_error *err);
void sense_ca_public_free(struct sense_ca_public *ca); /* may be all zeroes */

/*
 * Each reads and decrypts its key, and checks that it belongs to its public half: that of the CA, for the
 * signer, and that of policies, for whoever rolls them out.
 */
enum sense_status sense_ca_unlock(const char *dir, const char *passphrase_file, struct sense_issuer *out,
                                  sense_error *err);
enum sense_status sense_ca_unlock_policy(const char *dir, const char *passphrase_file,
                                         struct sense_signer_key *out, sense_error *err);
void sense_ca_lock(struct sense_issuer *ca); /* forgets its key; may be all zeroes */

/*
 * Writes server.pem anew for these names, with the key that is there. For a command: a running server asks
 * its signer (server/pki/renewal.h).
 */
enum sense_status sense_ca_server_renew(const char *dir, const struct sense_issuer *ca,
                                        const char *const *names, unsigned count, sense_error *err);

/* Names a server has when none are given. They live as long as the program. Returns how many. */
unsigned sense_ca_default_names(const char *names[4]);

#endif
