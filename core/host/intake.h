/*
 * The worker's end of what the sensor process tells. It is read between two batches of packets, without
 * waiting; each message is checked before it becomes an event.
 */
#ifndef SENSE_HOST_INTAKE_H
#define SENSE_HOST_INTAKE_H

#include "core/host/message.h"

struct sense_intake {
	int fd; /* -1: there is none */
	bool ended; /* a scan is over */
	uint64_t taken, malformed;
	size_t len; /* of the message in hand */
	uint8_t data[SENSE_HOST_MESSAGE_MAX + 1];
	struct sense_host_event event;
};

/*
 * The next event, or NULL: none is there now. It is good until the next call. Malformed messages are
 * counted and passed over.
 */
const struct sense_host_event *sense_intake_next(struct sense_intake *intake);

#endif
