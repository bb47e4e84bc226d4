/*
 * What any decoder must stand: what it takes cut at each byte, with each byte changed, and with one more behind it.
 */
#ifndef SENSE_T_MANGLE_H
#define SENSE_T_MANGLE_H

#include <stdint.h>
#include <stdlib.h>

#include "t/tap.h"

/* Whether it is taken; *why, which is NULL before, says why not. */
typedef bool mangle_takes(const uint8_t *data, size_t len, const char **why);
/* Writes the same into out; 0: there is no room. */
typedef size_t mangle_writes(uint8_t *out, size_t cap);

/* A copy on the heap, so that a sanitizer sees the first byte too many. */
static bool mangle_give(mangle_takes *takes, const uint8_t *data, size_t len, const char **why)
{
	uint8_t *copy = malloc(len ? len : 1);
	if (len)
		memcpy(copy, data, len);
	*why = NULL;
	bool taken = takes(copy, len, why);
	free(copy);
	return taken;
}

static void mangle(mangle_takes *takes, mangle_writes *writes, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	unsigned taken = 0, silent = 0, written = 0;
	const char *why;
	for (size_t i = 0; i < len; i++) {
		taken += mangle_give(takes, data, i, &why) || !why;
		written += writes(copy, i) != 0;
	}
	is_num(taken, 0, "cut at any byte it is refused with a reason");
	is_num(written, 0, "and is never written to too small a buffer");
	memcpy(copy, data, len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bits = 1; bits < 256; bits++) {
			copy[i] = data[i] ^ (uint8_t)bits;
			silent += !mangle_give(takes, copy, len, &why) && !why;
		}
		copy[i] = data[i];
	}
	is_num(silent, 0, "each changed byte is taken, or refused with a reason");
	copy[len] = 0xc0;
	ok(!mangle_give(takes, copy, len + 1, &why) && strstr(why, "behind"), "nothing may follow it");
	free(copy);
}

#endif
