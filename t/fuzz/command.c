/*
 * Command lines: the result is bounded, printable UTF-8 on one line, the same when made again, and what is
 * handed over by --api-key behind any arguments is not in it. First byte: how much room there is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/names/command.h"
#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char tail[] = "\0--api-key\0Zq7Zq7Zq7";
	static char line[65536];
	if (size < 1 || size > 30000 || memmem(data, size, "Zq7", 3))
		return 0;
	size_t cap = data[0] & 1 ? sizeof line : data[0];
	size_t len = size - 1 + sizeof tail;
	char *exact = malloc(len), *out = malloc(cap ? cap : 1);
	check(exact && out);
	memcpy(exact, data + 1, size - 1);
	memcpy(exact + size - 1, tail, sizeof tail);
	size_t n = sense_command_line(exact, len, out, cap);
	check(n < cap || (!n && !cap));
	for (size_t at = 0, used; at < n; at += used) {
		used = sense_utf8_char(out + at, n - at);
		check(used && (unsigned char)out[at] >= ' ' && out[at] != 0x7f);
	}
	if (cap)
		check(out[n] == '\0' && !strstr(out, "Zq7Zq7Zq7"));
	free(exact);
	free(out);
	return 0;
}
