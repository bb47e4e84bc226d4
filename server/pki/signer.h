/*
 * The signer: a child of the master that alone holds the key of the CA.
 *
 * It reads and decrypts it itself, so it never is in the master's memory, and is locked down then
 * (sense_platform_lockdown): no files, no network, no privileges; it reads requests
 * (server/pki/signer_wire.h), signs and answers. The master makes a pair of sockets for itself and for each
 * process that asks, and holds both ends of all. So neither the death of who asked nor that of the signer
 * loses a request that nobody had taken yet: the successor goes on where the other left off.
 *
 * It has no list of who may get what: a process that was taken over can have certificates of agents signed as
 * long as it is there, and take no key with it. The key of policies is not here: rollouts are signed by the
 * command that makes them.
 */
#ifndef SENSE_SERVER_PKI_SIGNER_H
#define SENSE_SERVER_PKI_SIGNER_H

#include <stdbool.h>

#include "server/pki/ca.h"

#define SENSE_SIGNER_ENDS_MAX 512u
#define SENSE_SIGNER_MASTER 0u /* its end: from there alone comes a request for the server's certificate */

struct sense_signer_config {         /* must stay as long as the signer */
	const char *dir;             /* of the CA (server/pki/place.h) */
	const char *passphrase_file; /* NULL: see sense_ca_passphrase_read */
	const char *const *names;    /* of the server: what its certificate may be made for */
	unsigned name_count;         /* 0: sense_ca_default_names */
	unsigned ends;               /* the master's, and one of each process that asks */
};

typedef struct sense_signer sense_signer;

/* ---- in the master ------------------------------------------------------------------------------------- */

/* Makes the sockets. */
sense_signer *sense_signer_new(const struct sense_signer_config *config, sense_error *err);
void sense_signer_free(sense_signer *signer);
/* Where to ask (server/pki/signer_client.h). Two processes must not ask at one end at the same time. */
int sense_signer_end(const sense_signer *signer, unsigned number);

/* ---- in a child, after fork ---------------------------------------------------------------------------- */

/* An end for this process, all others being closed. It belongs to the caller. The signer is of no more use
 * here. */
int sense_signer_take(sense_signer *signer, unsigned number);

/*
 * The signer itself: returns only when it failed, with an exit code. `ready` is called once: why NULL when it
 * is about to serve, and is locked down next, which closes all descriptors but stderr; else with what was
 * wrong.
 */
int sense_signer_run(sense_signer *signer, void (*ready)(void *self, const sense_error *why), void *self);

/* ---- what it does with one message; for itself and for tests ------------------------------------------- */

/*
 * Answers into out (SENSE_SIGNER_ANSWER_MAX bytes); the length, 0: no answer, since it was no request.
 * master: it came from the master.
 */
size_t sense_signer_answer(const struct sense_issuer *ca, const struct sense_signer_config *config,
                           bool master, const uint8_t *data, size_t len, uint8_t *out);

#endif
