/*
 * One connection, apart from what carries it: bytes in, bytes out, and when it has lasted too long. It knows
 * no sockets and no TLS, so it can be tested and fuzzed by itself; server/net/net.c joins both.
 *
 * What is spoken is a protocol's (server/rpc/calls.c, server/http/session.c), which takes whole messages out
 * of the input and says how many of them are being served. When those are as many as it allows, no more input
 * is wanted. All is bounded: input by the largest message, output by output_max, beyond which somebody does
 * not read what they asked for and is hung up on. Both are given back when they are empty, since most
 * connections are silent most of the time.
 *
 * Times are microseconds of a clock that does not go back; the caller says what time it is.
 */
#ifndef SENSE_SERVER_NET_CONNECTION_H
#define SENSE_SERVER_NET_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a connection ended. */
#define SENSE_GONE_REASONS(X)                                                         \
	X(DONE, "done")               /* all was said, and we closed it */            \
	X(PEER, "peer")               /* they closed it */                            \
	X(DRAINED, "drained")         /* this worker ends */                          \
	X(IDLE, "idle")               /* silent for too long */                       \
	X(SLOW_SENDER, "slow_sender") /* a message did not come whole in its time */  \
	X(SLOW_READER, "slow_reader") /* they do not take what they asked for */      \
	X(TOO_LARGE, "too_large")     /* a message is larger than allowed */          \
	X(MALFORMED, "malformed")     /* what came is no message */                   \
	X(REVOKED, "revoked")         /* the certificate is not valid any more */     \
	X(REPLACED, "replaced")       /* the agent has made many others since */      \
	X(HANDSHAKE, "handshake")     /* TLS was not agreed on, or not in its time */ \
	X(CERTIFICATE, "certificate") /* it is ours and says not what it has to */    \
	X(TRANSPORT, "transport")     /* TLS or the network broke */                  \
	X(MEMORY, "memory")           /* there was none */

enum sense_gone {
#define SENSE_GONE_ENUM(id, name) SENSE_GONE_##id,
	SENSE_GONE_REASONS(SENSE_GONE_ENUM)
#undef SENSE_GONE_ENUM
	    SENSE_GONE_COUNT
};

struct sense_connection_protocol {
	/*
	 * Of the input that waits, takes one message from its front: how many bytes that was. 0: it is not
	 * whole yet, or was the end of the connection (sense_connection_hang_up). Called again with the same
	 * bytes and more.
	 */
	size_t (*take)(void *self, const uint8_t *data, size_t len);
	unsigned (*serving)(const void *self); /* messages that were taken and are not answered yet */
	unsigned serving_max;
	void (*drain)(void *self); /* this worker ends: close soon, by sense_connection_close */
};

/* What is kept for several connections, all together. */
struct sense_connection_budget {
	size_t held, max; /* input, until it is whole */
	size_t waiting;   /* output, until it is sent; for others to bound */
};

struct sense_connection_limits {
	struct sense_connection_budget *budget; /* shared; whose input exceeds it is hung up on. NULL: none */
	size_t input_max, output_max;
	size_t output_high;  /* with more output waiting, no input is wanted */
	uint64_t idle_us;    /* between two messages */
	uint64_t message_us; /* from a message's first byte to its last */
	uint64_t send_us;    /* without them taking anything of what waits for them */
};

/* A queue of bytes. */
struct sense_bytes {
	uint8_t *data;
	size_t begin, end, cap;
};

enum sense_connection_state { SENSE_CONNECTION_OPEN, SENSE_CONNECTION_CLOSING, SENSE_CONNECTION_ENDED };

struct sense_connection {
	const struct sense_connection_protocol *protocol;
	void *self; /* the protocol's */
	const struct sense_connection_limits *limits;
	/* There is something to send, input is wanted again, or it ended. May come from within any call
	 * below. */
	void (*changed)(void *owner);
	void *owner;
	enum sense_connection_state state;
	enum sense_gone gone; /* CLOSING, ENDED */
	bool taking;
	uint64_t now_us, heard_us, partial_us, sent_us; /* partial: 0: no message has begun */
	struct sense_bytes input, output;
};

void sense_connection_init(struct sense_connection *connection,
                           const struct sense_connection_protocol *protocol, void *self,
                           const struct sense_connection_limits *limits, uint64_t now_us);
void sense_connection_fini(struct sense_connection *connection); /* may be all zeroes */

/* ---- from the side of what carries it ---------------------------------------------------------------- */

void sense_connection_in(struct sense_connection *connection, const uint8_t *data, size_t len,
                         uint64_t now_us);
/* They will send nothing more. */
void sense_connection_in_end(struct sense_connection *connection, uint64_t now_us);
bool sense_connection_wants(const struct sense_connection *connection);
/* What is to be sent; *len 0: nothing. */
const uint8_t *sense_connection_out(const struct sense_connection *connection, size_t *len);
void sense_connection_sent(struct sense_connection *connection, size_t len, uint64_t now_us);
/* When to ask again what time it is; 0: never. */
uint64_t sense_connection_due(const struct sense_connection *connection);
void sense_connection_time(struct sense_connection *connection, uint64_t now_us);

/* ---- from the side of the protocol -------------------------------------------------------------------- */

/* Copied. What is too much for output_max ends the connection. */
void sense_connection_put(struct sense_connection *connection, const void *data, size_t len);
/* Fewer messages are being served than before: goes on with input that waited for it. */
void sense_connection_resume(struct sense_connection *connection);
/* No more input; ends when what is being served is answered and sent. */
void sense_connection_close(struct sense_connection *connection, enum sense_gone why);
/* Ends at once. Memory stays valid: who owns the connection frees it, later. */
void sense_connection_hang_up(struct sense_connection *connection, enum sense_gone why);

const char *sense_gone_name(enum sense_gone why);

#endif
