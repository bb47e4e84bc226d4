/*
 * Messages from a worker to its supervisor over a SOCK_SEQPACKET socket.
 *
 * One message carries a batch of records. It is built in shared memory (struct sense_shared_batch)
 * and sent when it is full or flushed, so that 50,000 flows cost a few hundred system calls; and
 * the supervisor still finds the records of a batch that its worker could not send. A number on
 * each batch keeps one that was sent and not yet cleared from counting twice.
 *
 *   message: number u64, used u32, reserved u32, then `used` bytes of records (host byte order)
 *   record:  kind u8, length u24, payload
 */
#ifndef SENSE_SHARED_IPC_H
#define SENSE_SHARED_IPC_H

#include "core/shared/page.h"

#define SENSE_IPC_HEADER_BYTES 16u
#define SENSE_IPC_MESSAGE_MAX (SENSE_IPC_HEADER_BYTES + SENSE_SHARED_BATCH_BYTES)
#define SENSE_IPC_RECORD_HEADER_BYTES 4u
#define SENSE_IPC_TEXT_MAX 1024u

enum sense_ipc_kind {
	SENSE_IPC_FINDING = 1, /* payload: proto/finding.h */
	SENSE_IPC_FLOW,        /* payload: proto/flowrecord.h */
	SENSE_IPC_LOG,         /* payload: level u8, subsystem, NUL, text */
	SENSE_IPC_FAIL,        /* as LOG; the run goes on and ends with exit code 1 */
	SENSE_IPC_PROBLEM,     /* as LOG; of the policies that are being loaded */
	SENSE_IPC_HOST_EVENT,  /* payload: core/host/message.h */
	SENSE_IPC_LOADED       /* struct sense_ipc_loaded: how that ended */
};

/* The sending end. */
struct sense_ipc_sender {
	int fd;
	struct sense_shared_batch *batch;
};

void sense_ipc_sender_init(struct sense_ipc_sender *sender, int fd, struct sense_shared_batch *batch);
/*
 * Room for a record of at most `max` payload bytes, flushing first when the batch is too full; NULL
 * when max is more than any batch holds or the supervisor is gone. commit with the real length.
 */
uint8_t *sense_ipc_reserve(struct sense_ipc_sender *sender, size_t max);
void sense_ipc_commit(struct sense_ipc_sender *sender, enum sense_ipc_kind kind, size_t len);
bool sense_ipc_flush(struct sense_ipc_sender *sender); /* false: the supervisor is gone */

/* The receiving end: everything in a message is checked before it is used. */
struct sense_ipc_record {
	enum sense_ipc_kind kind;
	const uint8_t *data;
	size_t len;
};

/* False: not a record (malformed), or *used == len (the end). Starts with *used = 0. */
bool sense_ipc_next(const uint8_t *records, size_t len, size_t *used, struct sense_ipc_record *out);

/* Splits a LOG or FAIL payload; strings are copied, cut, and NUL-terminated. False: malformed. */
struct sense_ipc_text {
	enum sense_log_level level;
	char subsystem[24];
	char text[SENSE_IPC_TEXT_MAX];
};
bool sense_ipc_text_decode(const uint8_t *data, size_t len, struct sense_ipc_text *out);

/* How the loading of a bundle of policies ended. */
struct sense_ipc_loaded {
	uint64_t ticket;   /* which */
	uint64_t took_us;
	uint32_t status;   /* enum sense_status: SENSE_OK when its rules are at work */
	uint32_t files, rules;
	uint32_t problems; /* all; only the first were sent */
	uint32_t params;   /* settings that a server sent with them */
	uint32_t reserved;
};
bool sense_ipc_loaded_decode(const uint8_t *data, size_t len, struct sense_ipc_loaded *out);

/* A pair of connected sockets: [0] the supervisor's, non-blocking; [1] the worker's. */
enum sense_status sense_ipc_pair(int fds[2], sense_error *err);

#endif
