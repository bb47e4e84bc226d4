/*
 * Bytes as hexadecimal digits, two each, the high half first.
 */
#ifndef SENSE_PROTO_HEX_H
#define SENSE_PROTO_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In lower case, with a NUL behind: 2 * len + 1 bytes of out. */
void sense_hex_text(const uint8_t *bytes, size_t len, char *out);
/* len bytes from the 2 * len digits at text, of either case. False: one is none; out is then half filled. */
bool sense_hex_bytes(const char *text, uint8_t *out, size_t len);

#endif
