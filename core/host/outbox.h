/*
 * Messages on their way from the sensor process to a worker: a SOCK_SEQPACKET socket that never makes the
 * sender wait, and a bounded queue for what does not fit into it while the worker is busy or being replaced.
 * Beyond that messages are dropped and counted.
 */
#ifndef SENSE_HOST_OUTBOX_H
#define SENSE_HOST_OUTBOX_H

#include <stdbool.h>

#include "core/host/message.h"

#define SENSE_OUTBOX_BYTES (4u << 20)

struct sense_outbox {
	int fd;
	bool patient; /* wait for room rather than drop: a scan is in no hurry */
	uint8_t *queue; /* each message after its length, u32; NULL until it is needed */
	size_t begin, end;
	uint64_t sent, dropped;
};

void sense_outbox_send(struct sense_outbox *outbox, const struct sense_host_message *message);
/* The socket can take more. */
void sense_outbox_flush(struct sense_outbox *outbox);
static inline bool sense_outbox_waits(const struct sense_outbox *outbox)
{
	return outbox->begin < outbox->end;
}
void sense_outbox_fini(struct sense_outbox *outbox);

#endif
