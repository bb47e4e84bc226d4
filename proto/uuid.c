#include "proto/uuid.h"

#include <string.h>

#include "proto/hex.h"

/* Groups of 4, 2, 2, 2 and 6 bytes, with a hyphen between two (RFC 9562, section 4). */
static const unsigned char groups[] = {4, 2, 2, 2, 6};

void sense_uuid_text(const uint8_t bytes[SENSE_UUID], char out[SENSE_UUID_TEXT])
{
	for (unsigned i = 0; i < sizeof groups; i++) {
		if (i)
			*out++ = '-';
		sense_hex_text(bytes, groups[i], out);
		bytes += groups[i];
		out += 2 * groups[i];
	}
}

bool sense_uuid_bytes(const char *text, uint8_t out[SENSE_UUID])
{
	char again[SENSE_UUID_TEXT];
	const char *at = text;
	uint8_t *byte = out;
	for (unsigned i = 0; i < sizeof groups; i++) {
		if ((i && *at++ != '-') || !sense_hex_bytes(at, byte, groups[i]))
			return false;
		at += 2 * groups[i];
		byte += groups[i];
	}
	/* Neither in capital letters nor longer. */
	sense_uuid_text(out, again);
	return !strcmp(text, again);
}

bool sense_uuid_is(const char *text)
{
	uint8_t bytes[SENSE_UUID];
	return sense_uuid_bytes(text, bytes);
}
