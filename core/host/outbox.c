#include "core/host/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* False: there is no room now. Any other failure is the receiver's end, and the message's too. */
static bool put(struct sense_outbox *outbox, const uint8_t *data, size_t len)
{
	int flags = MSG_NOSIGNAL | (outbox->patient ? 0 : MSG_DONTWAIT);
	ssize_t sent;
	do
		sent = send(outbox->fd, data, len, flags);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return false;
	outbox->sent += sent >= 0;
	outbox->dropped += sent < 0;
	return true;
}

static void queue_put(struct sense_outbox *outbox, const uint8_t *data, size_t len)
{
	uint32_t size = (uint32_t)len;
	if (!outbox->queue && !(outbox->queue = malloc(SENSE_OUTBOX_BYTES))) {
		outbox->dropped++;
		return;
	}
	if (outbox->begin && SENSE_OUTBOX_BYTES - outbox->end < sizeof size + len) {
		memmove(outbox->queue, outbox->queue + outbox->begin, outbox->end - outbox->begin);
		outbox->end -= outbox->begin;
		outbox->begin = 0;
	}
	if (SENSE_OUTBOX_BYTES - outbox->end < sizeof size + len) {
		outbox->dropped++;
		return;
	}
	memcpy(outbox->queue + outbox->end, &size, sizeof size);
	memcpy(outbox->queue + outbox->end + sizeof size, data, len);
	outbox->end += sizeof size + len;
}

void sense_outbox_flush(struct sense_outbox *outbox)
{
	while (outbox->begin < outbox->end) {
		uint32_t size;
		memcpy(&size, outbox->queue + outbox->begin, sizeof size);
		if (!put(outbox, outbox->queue + outbox->begin + sizeof size, size))
			return;
		outbox->begin += sizeof size + size;
	}
	outbox->begin = outbox->end = 0;
}

void sense_outbox_send(struct sense_outbox *outbox, const struct sense_host_message *message)
{
	if (sense_outbox_waits(outbox))
		sense_outbox_flush(outbox);
	if (sense_outbox_waits(outbox) || !put(outbox, message->data, message->len))
		queue_put(outbox, message->data, message->len);
}

void sense_outbox_fini(struct sense_outbox *outbox)
{
	free(outbox->queue);
	*outbox = (struct sense_outbox){.fd = -1};
}
