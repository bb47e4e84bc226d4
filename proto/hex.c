#include "proto/hex.h"

void sense_hex_text(const uint8_t *bytes, size_t len, char *out)
{
	static const char digits[16] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sense_hex_bytes(const char *text, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		/* A NUL is no digit: what is too short ends here. */
		int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
		if (low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
