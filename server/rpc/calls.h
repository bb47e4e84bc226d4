/*
 * MessagePack-RPC of one worker's agents: from the input of a connection to the method that serves it, and
 * back.
 *
 * Methods are registered before connections begin. A message that is none ends its connection, since behind
 * it nothing can be found any more; an unknown method is answered with the error `unknown_method`. At most
 * SENSE_RPC_OUTSTANDING_MAX calls of a connection are being served at one time: more wait unread, and the id
 * of one that is being served cannot be used for another.
 *
 * An agent has one connection, and some that are not known to be dead yet. Of more than
 * SENSE_RPC_SESSIONS_MAX to a worker the oldest goes, so that one that was taken over leaves room for others.
 *
 * One thread. A method may answer from within the call, or any time later.
 */
#ifndef SENSE_SERVER_RPC_CALLS_H
#define SENSE_SERVER_RPC_CALLS_H

#include "core/base/status.h"
#include "server/net/connection.h"
#include "server/net/revoked.h"
#include "server/rpc/call.h"

#define SENSE_METHODS_MAX 32u
#define SENSE_RPC_SESSIONS_MAX 16u

typedef struct sense_rpc_session sense_rpc_session;

extern const struct sense_connection_protocol sense_calls_protocol;

/* Registers what the worker counts here, before there are workers. */
enum sense_status sense_calls_metrics(sense_error *err);

/* For so many connections at one time. revoked (may be NULL) is asked before each message. */
sense_calls *sense_calls_new(uint32_t connections, const sense_revoked *revoked);
void sense_calls_free(sense_calls *calls);
/* Copied. False: too many, or one of this name is there. */
bool sense_calls_method(sense_calls *calls, const struct sense_method *method);

/* An agent is there. The connection's protocol is sense_calls_protocol, its `self` what this gives. NULL: no
 * room. */
sense_rpc_session *sense_calls_begin(sense_calls *calls, struct sense_connection *connection,
                                     const struct sense_peer *peer);
void sense_calls_end(sense_rpc_session *session);
unsigned sense_calls_connected(const sense_calls *calls);

#endif
