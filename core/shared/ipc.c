#include "core/shared/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BUFFER (1 << 20)

enum sense_status sense_ipc_pair(int fds[2], sense_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return sense_fail_errno(err, "proc", "socketpair");
	/* A deep queue lets the worker compute while results are printed; a shallow one works too. */
	int size = SOCKET_BUFFER;
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK)) {
		sense_fail_errno(err, "proc", "fcntl");
		close(fds[0]);
		close(fds[1]);
		return SENSE_E_IO;
	}
	return SENSE_OK;
}

/* ---- the sending end ------------------------------------------------------------------------------ */

void sense_ipc_sender_init(struct sense_ipc_sender *sender, int fd, struct sense_shared_batch *batch)
{
	*sender = (struct sense_ipc_sender){.fd = fd, .batch = batch};
}

bool sense_ipc_flush(struct sense_ipc_sender *sender)
{
	struct sense_shared_batch *batch = sender->batch;
	if (!batch->used)
		return true;
	size_t size = SENSE_IPC_HEADER_BYTES + batch->used;
	ssize_t sent;
	do
		sent = send(sender->fd, batch, size, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return false;
	/* The number goes first: between these two stores the batch looks sent, or empty. */
	__atomic_store_n(&batch->used, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&batch->number, batch->number + 1, __ATOMIC_RELEASE);
	return true;
}

uint8_t *sense_ipc_reserve(struct sense_ipc_sender *sender, size_t max)
{
	struct sense_shared_batch *batch = sender->batch;
	if (max > SENSE_SHARED_BATCH_BYTES - SENSE_IPC_RECORD_HEADER_BYTES)
		return NULL;
	if (batch->used + SENSE_IPC_RECORD_HEADER_BYTES + max > SENSE_SHARED_BATCH_BYTES &&
	    !sense_ipc_flush(sender))
		return NULL;
	return batch->data + batch->used + SENSE_IPC_RECORD_HEADER_BYTES;
}

void sense_ipc_commit(struct sense_ipc_sender *sender, enum sense_ipc_kind kind, size_t len)
{
	struct sense_shared_batch *batch = sender->batch;
	uint32_t header = (uint32_t)len << 8 | (uint32_t)kind;
	memcpy(batch->data + batch->used, &header, sizeof header);
	/* Last, so that a worker that dies here leaves whole records only. */
	uint32_t used = batch->used + SENSE_IPC_RECORD_HEADER_BYTES + (uint32_t)len;
	__atomic_store_n(&batch->used, used, __ATOMIC_RELEASE);
}

/* ---- the receiving end ---------------------------------------------------------------------------- */

bool sense_ipc_next(const uint8_t *records, size_t len, size_t *used, struct sense_ipc_record *out)
{
	uint32_t header;
	if (*used > len || len - *used < sizeof header)
		return false;
	memcpy(&header, records + *used, sizeof header);
	size_t size = header >> 8;
	if (size > len - *used - sizeof header)
		return false;
	*out = (struct sense_ipc_record){
	    .kind = (enum sense_ipc_kind)(header & 0xff),
	    .data = records + *used + sizeof header,
	    .len = size,
	};
	*used += sizeof header + size;
	return true;
}

static void text_copy(char *out, size_t cap, const uint8_t *data, size_t len)
{
	if (len >= cap)
		len = cap - 1;
	memcpy(out, data, len);
	out[len] = '\0';
}

bool sense_ipc_text_decode(const uint8_t *data, size_t len, struct sense_ipc_text *out)
{
	const uint8_t *end = len > 1 ? memchr(data + 1, '\0', len - 1) : NULL;
	if (!end || data[0] > SENSE_LOG_DEBUG)
		return false;
	out->level = (enum sense_log_level)data[0];
	text_copy(out->subsystem, sizeof out->subsystem, data + 1, (size_t)(end - data - 1));
	text_copy(out->text, sizeof out->text, end + 1, len - (size_t)(end + 1 - data));
	return true;
}

bool sense_ipc_loaded_decode(const uint8_t *data, size_t len, struct sense_ipc_loaded *out)
{
	if (len != sizeof *out)
		return false;
	memcpy(out, data, sizeof *out);
	return out->status <= SENSE_E_INTERNAL && (!out->status || !out->rules);
}
