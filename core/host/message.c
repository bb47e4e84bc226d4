#include "core/host/message.h"

#include <string.h>

#include "proto/wire.h"

#define HEADER 16u
#define VALUE_HEADER 8u
#define COUNT_MAX 255u

struct value_header {
	uint16_t field;
	uint8_t type;
	uint8_t reserved;
	uint32_t len;
};
_Static_assert(sizeof(struct value_header) == VALUE_HEADER, "no padding");

/* ---- writing ------------------------------------------------------------------------------------- */

static void length_write(struct sense_host_message *message)
{
	uint32_t len = (uint32_t)message->len;
	memcpy(message->data + 4, &len, sizeof len);
}

void sense_host_message_begin(struct sense_host_message *message, unsigned kind, uint64_t ts_us)
{
	memset(message->data, 0, HEADER);
	message->data[0] = (uint8_t)kind;
	memcpy(message->data + 8, &ts_us, sizeof ts_us);
	message->len = HEADER;
	message->full = false;
	length_write(message);
}

/* Room for one more value, or NULL. */
static uint8_t *value_begin(struct sense_host_message *message, enum sense_field field,
                            enum sense_value_type type, size_t len)
{
	const struct value_header header = {.field = (uint16_t)field, .type = (uint8_t)type, .len = (uint32_t)len};
	if (message->data[1] == COUNT_MAX || len > sizeof message->data - message->len - VALUE_HEADER) {
		message->full = true;
		return NULL;
	}
	uint8_t *at = message->data + message->len;
	memcpy(at, &header, sizeof header);
	message->data[1]++;
	message->len += VALUE_HEADER + len;
	length_write(message);
	return at + VALUE_HEADER;
}

static void value_put(struct sense_host_message *message, enum sense_field field, enum sense_value_type type,
                      const void *value, size_t len)
{
	uint8_t *room = message->len + VALUE_HEADER <= sizeof message->data
	                    ? value_begin(message, field, type, len)
	                    : NULL;
	if (room)
		memcpy(room, value, len);
}

/* Copies with what no reader could take replaced; at most `cap` bytes, whole characters. */
static size_t text_copy(char *out, size_t cap, const char *text)
{
	size_t left = strnlen(text, cap + 4), used = 0;
	while (left) {
		size_t n = sense_utf8_char(text, left);
		bool plain = n > 1 || (n == 1 && (unsigned char)*text >= ' ' && *text != 0x7f);
		size_t takes = plain ? n : 1;
		if (used + takes > cap)
			break;
		if (plain)
			memcpy(out + used, text, n);
		else
			out[used] = '?';
		used += takes;
		n = n ? n : 1;
		text += n;
		left -= n;
	}
	return used;
}

void sense_host_message_text(struct sense_host_message *message, enum sense_field field, const char *text)
{
	char clean[SENSE_HOST_TEXT_MAX + 1];
	if (!text || !*text)
		return;
	size_t len = text_copy(clean, SENSE_HOST_TEXT_MAX, text);
	clean[len] = '\0';
	value_put(message, field, SENSE_VALUE_STRING, clean, len + 1);
}

void sense_host_message_number(struct sense_host_message *message, enum sense_field field, double number)
{
	value_put(message, field, SENSE_VALUE_NUMBER, &number, sizeof number);
}

void sense_host_message_bool(struct sense_host_message *message, enum sense_field field, bool boolean)
{
	uint8_t byte = boolean;
	value_put(message, field, SENSE_VALUE_BOOL, &byte, sizeof byte);
}

void sense_host_message_addr(struct sense_host_message *message, enum sense_field field,
                             const struct sense_addr *addr)
{
	value_put(message, field, SENSE_VALUE_ADDR, addr, sizeof *addr);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool value_read(struct sense_given *given, const struct value_header *header, const uint8_t *data)
{
	enum sense_field field = (enum sense_field)header->field;
	struct sense_addr addr;
	double number;
	if (header->field >= SENSE_FIELD_COUNT || header->type != sense_field_type(field))
		return false;
	switch ((enum sense_value_type)header->type) {
	case SENSE_VALUE_STRING:
		if (header->len < 2 || header->len > SENSE_HOST_TEXT_MAX + 1 || data[header->len - 1] ||
		    memchr(data, '\0', header->len - 1))
			return false;
		sense_given_string(given, field, (const char *)data);
		return true;
	case SENSE_VALUE_NUMBER:
		if (header->len != sizeof number)
			return false;
		memcpy(&number, data, sizeof number);
		if (!(number > -1e300 && number < 1e300))
			return false;
		sense_given_number(given, field, number);
		return true;
	case SENSE_VALUE_BOOL:
		if (header->len != 1 || data[0] > 1)
			return false;
		sense_given_bool(given, field, data[0]);
		return true;
	case SENSE_VALUE_ADDR:
		if (header->len != sizeof addr)
			return false;
		memcpy(&addr, data, sizeof addr);
		sense_given_addr(given, field, &addr);
		return true;
	default:
		return false;
	}
}

bool sense_host_message_read(const uint8_t *data, size_t len, struct sense_host_event *out)
{
	uint32_t claimed;
	size_t at = HEADER;
	if (len < HEADER || len > SENSE_HOST_MESSAGE_MAX)
		return false;
	memcpy(&claimed, data + 4, sizeof claimed);
	if (claimed != len || data[2] || data[3] || (data[0] >= SENSE_EVENT_KINDS && data[0] != SENSE_HOST_END))
		return false;
	out->kind = data[0];
	memcpy(&out->ts_us, data + 8, sizeof out->ts_us);
	memset(out->given.known, 0, sizeof out->given.known);
	for (unsigned i = 0; i < data[1]; i++) {
		struct value_header header;
		if (len - at < VALUE_HEADER)
			return false;
		memcpy(&header, data + at, sizeof header);
		at += VALUE_HEADER;
		if (header.len > len - at || !value_read(&out->given, &header, data + at))
			return false;
		at += header.len;
	}
	return at == len;
}
