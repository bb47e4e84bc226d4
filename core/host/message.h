/*
 * An event of this host as bytes: from the sensor process to a worker, and as what the board of actors
 * holds of a process.
 *
 *   kind u8, count u8, reserved u16, length u32 (of all of it), time u64, then `count` values:
 *   field u16, type u8, reserved u8, length u32, that many bytes
 *
 * Host byte order: both ends are one program on one machine. The reader takes any bytes: it never reads past
 * the end and accepts no field, type or length that the writer would not write.
 */
#ifndef SENSE_HOST_MESSAGE_H
#define SENSE_HOST_MESSAGE_H

#include "core/rules/event.h"

#define SENSE_HOST_MESSAGE_MAX 16384u
#define SENSE_HOST_TEXT_MAX 4096u /* bytes of one text; what is longer is cut */

/* Kinds beyond those of events. */
enum {
	SENSE_HOST_END = 255 /* a scan is over: no more will come */
};

/* An event as it is being put together. Texts are copied. */
struct sense_host_message {
	size_t len;
	bool full; /* a value did not fit, and is left out */
	uint8_t data[SENSE_HOST_MESSAGE_MAX];
};

void sense_host_message_begin(struct sense_host_message *message, unsigned kind, uint64_t ts_us);
/* Bytes that are not UTF-8 become '?', control characters too. Empty texts are left out. */
void sense_host_message_text(struct sense_host_message *message, enum sense_field field, const char *text);
void sense_host_message_number(struct sense_host_message *message, enum sense_field field, double number);
void sense_host_message_bool(struct sense_host_message *message, enum sense_field field, bool boolean);
void sense_host_message_addr(struct sense_host_message *message, enum sense_field field,
                             const struct sense_addr *addr);

/* A message that was read. Texts lie in the bytes that it was read from. */
struct sense_host_event {
	unsigned kind;
	uint64_t ts_us;
	struct sense_given given;
};

/* False: malformed. */
bool sense_host_message_read(const uint8_t *data, size_t len, struct sense_host_event *out);

#endif
