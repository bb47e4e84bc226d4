/*
 * Asking the signer, on the event loop: requests that wait are bounded, and each is answered once, by the
 * signer or by its time being over. A request that goes unanswered for half of that is sent once more: the
 * signer may have ended with it in its hands, and to sign twice does no harm.
 *
 * One thread. Callbacks come from the loop, never from within the call that asked.
 */
#ifndef SENSE_SERVER_PKI_SIGNER_CLIENT_H
#define SENSE_SERVER_PKI_SIGNER_CLIENT_H

#include <ev.h>

#include "server/pki/key.h"

#define SENSE_SIGNER_WAITING_MAX 256u /* requests that are not answered yet */

typedef struct sense_signer_client sense_signer_client;

/* Good during the callback. */
struct sense_signed {
	enum sense_status
	    status; /* SENSE_E_IO: no answer came; SENSE_E_INTERNAL: it could not or would not */
	const char *message;
	const uint8_t *data; /* the certificate, DER */
	size_t len;
};

typedef void sense_signer_done(void *self, const struct sense_signed *result);

/* fd: an end of server/pki/signer.h, which stays the caller's. timeout: seconds of one request; 0: 5. */
sense_signer_client *sense_signer_client_new(struct ev_loop *loop, int fd, double timeout, sense_error *err);
void sense_signer_client_free(sense_signer_client *client); /* what waits is answered first, with an error */

/*
 * A certificate for an agent: point is the public key of a request that was read with sense_request_read.
 * When the status is not SENSE_OK, `done` will not be called. SENSE_E_LIMIT: too many wait already.
 */
enum sense_status sense_signer_agent(sense_signer_client *client, const char *org, const char *agent,
                                     const uint8_t point[SENSE_KEY_POINT], sense_signer_done *done,
                                     void *self, sense_error *err);

unsigned sense_signer_client_waiting(const sense_signer_client *client);

#endif
