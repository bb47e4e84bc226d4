/*
 * Who this agent is to the fleet: one file, fleet/identity below agent.dir, of mode 0600 in a directory of mode 0700,
 * which is replaced as a whole, so that key and certificate always belong together.
 *
 *   sense-identity 1
 *   agent UUID
 *   organization UUID
 *   policy-key HEX                  Ed25519 (RFC 8032): who signs policies
 *   server HOST:PORT                one or more
 *   (a private key, the agent's certificate, the CA's certificate; PEM, in this order)
 *
 * The key is made here, never leaves this host, and is read by root alone (or whoever runs the agent).
 */
#ifndef SENSE_LINK_IDENTITY_H
#define SENSE_LINK_IDENTITY_H

#include <stdbool.h>

#include "core/base/status.h"
#include "proto/uuid.h"

#define SENSE_IDENTITY_SERVERS_MAX 16u
#define SENSE_IDENTITY_SERVER_MAX 264u /* bytes of one, with its NUL */
#define SENSE_IDENTITY_PEM_MAX 8192u
#define SENSE_IDENTITY_POLICY_KEY 32u

struct sense_identity {
	char agent[SENSE_UUID_TEXT];
	char organization[SENSE_UUID_TEXT];
	uint8_t policy_key[SENSE_IDENTITY_POLICY_KEY];
	unsigned server_count;
	char servers[SENSE_IDENTITY_SERVERS_MAX][SENSE_IDENTITY_SERVER_MAX];
	char key[SENSE_IDENTITY_PEM_MAX]; /* PEM, each */
	char certificate[SENSE_IDENTITY_PEM_MAX];
	char ca[SENSE_IDENTITY_PEM_MAX];
};

/* SENSE_E_NOTFOUND: the agent was never enrolled. Others say what is wrong with the file, and what to do. */
enum sense_status sense_identity_read(const char *agent_dir, struct sense_identity *out, sense_error *err);
/* The directories are made where they are missing. On the disk, for good, when this returns SENSE_OK. */
enum sense_status sense_identity_write(const char *agent_dir, const struct sense_identity *identity,
                                       sense_error *err);
/* Nothing of the key is left in memory. */
void sense_identity_clear(struct sense_identity *identity);

/* False: text is none; out is untouched. */
bool sense_identity_servers_add(struct sense_identity *identity, const char *server);

/* ---- keys and certificates ---- */

/* A new P-256 key as PEM (SEC 1, RFC 5915, in PKCS#8). */
enum sense_status sense_identity_key_make(char pem[SENSE_IDENTITY_PEM_MAX], sense_error *err);
/* A request for a certificate (PKCS#10, RFC 2986) of that key for this name: PEM, or DER with its length. */
enum sense_status sense_identity_request(const char *key, const char *name, char pem[SENSE_IDENTITY_PEM_MAX],
                                         sense_error *err);
enum sense_status sense_identity_request_der(const char *key, const char *name, uint8_t *out, size_t cap,
                                             size_t *len, sense_error *err);
/* The certificate is of this key, and signed by this CA. */
enum sense_status sense_identity_check(const struct sense_identity *identity, sense_error *err);
enum sense_status sense_identity_certificate_take(struct sense_identity *identity, const uint8_t *der,
                                                  size_t len, sense_error *err);
/* Whether the CA's certificate has this SHA-256 (of its DER). */
bool sense_identity_is_ca(const struct sense_identity *identity, const uint8_t fingerprint[32]);
/* When the certificate begins and ends, seconds since the epoch. */
enum sense_status sense_identity_validity(const struct sense_identity *identity, int64_t *from,
                                          int64_t *until, sense_error *err);

#endif
