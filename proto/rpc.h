/*
 * MessagePack-RPC: messages as arrays one behind the other on a stream
 * (github.com/msgpack-rpc/msgpack-rpc, spec.md).
 *
 *   request       [0, id, method, params]
 *   response      [1, id, error, result]     one of both is nil
 *   notification  [2, method, params]
 *
 * Here params is an array of exactly one map, result one map, and error a map (proto/message.h). The stream has no
 * lengths, so where a message ends is found by walking over its values: incrementally, with a stack of its own, each
 * byte looked at once. A message that is larger or nested deeper than allowed, or no message at all, is an error of
 * the stream, behind which nothing can be found any more.
 */
#ifndef SENSE_PROTO_RPC_H
#define SENSE_PROTO_RPC_H

#include "proto/wire.h"

#define SENSE_RPC_ALPN "sense/1"
#define SENSE_RPC_MESSAGE_MAX ((size_t)4 << 20)
#define SENSE_RPC_DEPTH_MAX 16u
#define SENSE_RPC_OUTSTANDING_MAX 64u /* calls of one side that were not answered yet */
#define SENSE_RPC_METHOD_MAX 32u      /* bytes of a method's name */

enum sense_rpc_kind { SENSE_RPC_REQUEST, SENSE_RPC_RESPONSE, SENSE_RPC_NOTIFICATION };

/* ---- where messages end ------------------------------------------------------------------------------- */

enum sense_rpc_scan { SENSE_RPC_MORE, SENSE_RPC_WHOLE, SENSE_RPC_BROKEN };

struct sense_rpc_scanner {
	size_t max;    /* bytes of a message */
	size_t seen;   /* of the message so far, without a head that is not whole */
	uint64_t skip; /* bytes of a value that are still to come */
	uint64_t owed; /* values that have not begun yet, at all depths: a byte each at the least */
	uint32_t left[SENSE_RPC_DEPTH_MAX]; /* values that are not over yet, by depth */
	unsigned depth;
	uint8_t head[SENSE_WIRE_HEAD_MAX]; /* of a value, when it did not come together */
	unsigned head_len, head_size;
	const char *why; /* SENSE_RPC_BROKEN: what was wrong */
};

void sense_rpc_scan_init(struct sense_rpc_scanner *scanner, size_t max);
/*
 * Walks on over data. WHOLE: *used bytes of it end a message, and the next call begins another; MORE: all of it was
 * used, the message goes on; BROKEN: for good.
 */
enum sense_rpc_scan sense_rpc_scan(struct sense_rpc_scanner *scanner, const uint8_t *data, size_t len,
                                   size_t *used);

/* ---- its parts ---------------------------------------------------------------------------------------- */

/* Pointers into the message. */
struct sense_rpc_message {
	enum sense_rpc_kind kind;
	uint32_t id;                  /* not of a notification */
	struct sense_wire_key method; /* not of a response */
	const uint8_t *body;          /* the map: of params, or the result; NULL: an error instead */
	size_t body_len;
	const uint8_t *error; /* the map of an error; NULL: none */
	size_t error_len;
};

/* data: one message as the scanner found it. False: it is none of the above; *why says what is wrong. */
bool sense_rpc_parse(const uint8_t *data, size_t len, struct sense_rpc_message *out, const char **why);

/* ---- writing: what comes before the map, which the caller puts behind it ------------------------------- */

void sense_rpc_put_request(struct sense_wire_writer *writer, uint32_t id, const char *method);
void sense_rpc_put_notification(struct sense_wire_writer *writer, const char *method);
void sense_rpc_put_result(struct sense_wire_writer *writer, uint32_t id);
void sense_rpc_put_error(struct sense_wire_writer *writer,
                         uint32_t id);                      /* behind its map: sense_rpc_end_error */
void sense_rpc_end_error(struct sense_wire_writer *writer); /* the result, which is nil */

#endif
