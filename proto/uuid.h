/*
 * UUIDs (RFC 9562): 16 bytes, or their usual text, which is always in lower case here.
 */
#ifndef SENSE_PROTO_UUID_H
#define SENSE_PROTO_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define SENSE_UUID 16u
#define SENSE_UUID_TEXT 37u /* with its NUL */

bool sense_uuid_is(const char *text);
/* False: it is none; out is then half filled. */
bool sense_uuid_bytes(const char *text, uint8_t out[SENSE_UUID]);
void sense_uuid_text(const uint8_t bytes[SENSE_UUID], char out[SENSE_UUID_TEXT]);

#endif
