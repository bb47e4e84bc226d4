/*
 * The signer: a child of the master that alone holds the keys of the CA and of policies.
 *
 * It reads and decrypts them itself, so they never are in the master's memory, and is locked down then
 * (sense_platform_lockdown): no files, no network, no privileges; it reads requests
 * (server/pki/signer_wire.h), signs and answers. The master holds both ends of a socket for itself and for
 * each worker. So neither the death of a worker nor that of the signer loses a request that nobody had taken
 * yet: the successor goes on where the other left off.
 *
 * It has no list of who may get what: a worker that was taken over can have certificates and policies signed
 * as long as it is there, and take no key with it.
 */
#ifndef SENSE_SERVER_PKI_SIGNER_H
#define SENSE_SERVER_PKI_SIGNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/pki/ca.h"

#define SENSE_SIGNER_WORKERS_MAX 256u

struct sense_signer_config {         /* must stay as long as the signer */
	const char *dir;             /* of the CA (server/pki/place.h) */
	const char *passphrase_file; /* NULL: see sense_ca_passphrase_read */
	const char *const *names;    /* of the server: what its certificate may be made for */
	unsigned name_count;         /* 0: sense_ca_default_names */
	unsigned workers;            /* at most SENSE_SIGNER_WORKERS_MAX */
};

typedef struct sense_signer sense_signer;

/* ---- in the master ------------------------------------------------------------------------------------- */

/* Makes the sockets; nothing runs yet. */
sense_signer *sense_signer_new(const struct sense_signer_config *config, sense_error *err);
/*
 * Starts it, and again after it has ended. Returns when it serves, or with its own sentence why it does not.
 * For a process of one thread.
 */
enum sense_status sense_signer_start(sense_signer *signer, sense_error *err);
/* Of a child that waitpid gave: true when it was the signer; it is to be started again. */
bool sense_signer_exited(sense_signer *signer, pid_t pid, int status);
pid_t sense_signer_pid(const sense_signer *signer); /* 0: does not run */
/* The master's own end, for server/pki/signer_client.h: it alone can have the server's certificate made. */
int sense_signer_master_end(const sense_signer *signer);
/* Ends it. */
void sense_signer_free(sense_signer *signer);

/* The end of a worker (from 0), as it will be after fork. */
int sense_signer_end(const sense_signer *signer, unsigned worker);

/* ---- in a worker, after fork ----------------------------------------------------------------------------
 */

/* The end of this worker (from 0), all others being closed. It belongs to the caller. */
int sense_signer_worker_end(sense_signer *signer, unsigned worker);

/* ---- what it does with one message; for itself and for tests ---------------------------------------------
 */

/*
 * Answers into out (SENSE_SIGNER_MESSAGE_MAX bytes); the length, 0: no answer, since it was no request.
 * master: it came from the master.
 */
size_t sense_signer_answer(const struct sense_ca *ca, const struct sense_signer_config *config, bool master,
                           const uint8_t *data, size_t len, uint8_t *out);

#endif
