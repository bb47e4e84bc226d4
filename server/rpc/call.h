/*
 * A call of an agent, from when it came until it is answered. What serves it keeps a reference, which goes stale with
 * the connection: an answer to a stale one is dropped, so nobody needs to know whether the agent is still there.
 */
#ifndef SENSE_SERVER_RPC_CALL_H
#define SENSE_SERVER_RPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/uuid.h"

/* Who calls, by the certificate and by nothing else. UUIDs as text. */
struct sense_peer {
	char agent[SENSE_UUID_TEXT];
	char org[SENSE_UUID_TEXT];
	uint8_t serial[20]; /* of the certificate, big-endian, leading zeroes left out */
	size_t serial_len;
	char address[48];
};

struct sense_call_ref {
	uint32_t connection; /* number of its place */
	uint32_t generation; /* of the place */
	uint32_t id;         /* of the request */
};

typedef struct sense_calls sense_calls; /* the connections of a worker, to which answers go */

/* Whether something still waits to be sent on the call's connection. */
bool sense_call_waits(const sense_calls *calls, struct sense_call_ref ref);
/* body: the map of the result, encoded. It is copied. */
void sense_call_answer(sense_calls *calls, struct sense_call_ref ref, const uint8_t *body, size_t len);
void sense_call_fail(sense_calls *calls, struct sense_call_ref ref, const struct sense_message_error *error);
/* To each connection of this agent, wherever its place is. Returns to how many. */
unsigned sense_call_notify(sense_calls *calls, const char *agent, const char *method, const uint8_t *body,
                           size_t len);
/* Each connection once: an agent may have several. */
void sense_call_each(const sense_calls *calls, void (*each)(void *self, const struct sense_peer *peer),
                     void *self);
/* Ends the agent's connections: its certificate is not valid any more. */
unsigned sense_call_hang_up(sense_calls *calls, const char *agent);

/* What serves one method. peer, params (the map) are good during the call; ref is kept by value. */
typedef void sense_method_serve(void *self, sense_calls *calls, struct sense_call_ref ref,
                                const struct sense_peer *peer, const uint8_t *params, size_t len);

struct sense_method {
	const char *name;
	sense_method_serve *serve;
	void *self;
};

#endif
