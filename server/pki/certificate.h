/*
 * Certificates (X.509, RFC 5280) as this CA makes them: its own, the listener's, and those of agents.
 *
 * Everything in them is ours; of whoever asks only the public key is taken. Serial numbers are 128 random
 * bits. Certificates begin five minutes back, for clocks that are a little behind, and none outlives the CA's
 * own.
 */
#ifndef SENSE_SERVER_PKI_CERTIFICATE_H
#define SENSE_SERVER_PKI_CERTIFICATE_H

#include <openssl/x509.h>
#include <time.h>

#include "proto/uuid.h"
#include "server/pki/key.h"

#define SENSE_CERTIFICATE_CA_DAYS 7305u /* 20 years */
#define SENSE_CERTIFICATE_SERVER_DAYS 365u
#define SENSE_CERTIFICATE_AGENT_DAYS 90u
#define SENSE_CERTIFICATE_MAX 2048u  /* bytes of an agent's, DER */
#define SENSE_CERTIFICATE_SERIAL 20u /* bytes of a serial at most (RFC 5280, 4.1.2.2) */
#define SENSE_CERTIFICATE_NAMES_MAX 32u
#define SENSE_CERTIFICATE_URI "sense:agent:"

/* What signs: a certificate and its key. */
struct sense_issuer {
	X509 *certificate;
	struct sense_signer_key key;
};

/* All return NULL when they failed; X509_free. */
X509 *sense_certificate_ca(const char *name, EVP_PKEY *public, const struct sense_signer_key *key, time_t now,
                           sense_error *err);
/* org, agent: UUIDs as text. */
X509 *sense_certificate_agent(const struct sense_issuer *issuer, const char *org, const char *agent,
                              EVP_PKEY *public, time_t now, sense_error *err);
/* names: DNS names and IP addresses, at least one. */
X509 *sense_certificate_server(const struct sense_issuer *issuer, const char *const *names, unsigned count,
                               EVP_PKEY *public, time_t now, sense_error *err);

/* A DNS name (with a wildcard as its first label, if any) or an IP address. */
bool sense_certificate_name_good(const char *name);

/* Two thirds of its time are over: it is to be made anew. */
bool sense_certificate_is_due(const X509 *certificate, time_t now);
time_t sense_certificate_end(const X509 *certificate); /* notAfter; 0: unreadable */
/* Big-endian, without leading zeroes. Its length; 0: it has none that is positive and short enough. */
size_t sense_certificate_serial(const X509 *certificate, uint8_t serial[SENSE_CERTIFICATE_SERIAL]);
/* SHA-256 of its DER: what tokens name the CA by. */
bool sense_certificate_fingerprint(const X509 *certificate, uint8_t out[32]);

/* PEM, one behind the other, in the directory. */
enum sense_status sense_certificate_write(const char *dir, const char *name, X509 *const *chain,
                                          unsigned count, bool replace, sense_error *err);
/* The first certificate of a file. */
enum sense_status sense_certificate_read(const char *dir, const char *name, X509 **out, sense_error *err);

#endif
