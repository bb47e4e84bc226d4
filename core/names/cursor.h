/*
 * Reading big-endian fields from untrusted bytes. A read past the end marks the cursor `failed` and
 * gives zero or an empty range from then on, so a parser may check once after a group of reads.
 */
#ifndef SENSE_NAMES_CURSOR_H
#define SENSE_NAMES_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sense_bytes {
	const uint8_t *at;
	size_t len;
};

struct sense_cursor {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline struct sense_cursor sense_cursor_of(const uint8_t *data, size_t len)
{
	return (struct sense_cursor){.at = data, .left = len};
}

/* The next n bytes, in place. */
static inline struct sense_bytes sense_cursor_take(struct sense_cursor *c, size_t n)
{
	if (n > c->left) {
		c->failed = true;
		c->left = 0;
		return (struct sense_bytes){.at = c->at};
	}
	struct sense_bytes out = {.at = c->at, .len = n};
	c->at += n;
	c->left -= n;
	return out;
}

/* An unsigned number of 1 to 4 bytes. */
static inline uint32_t sense_cursor_uint(struct sense_cursor *c, unsigned width)
{
	struct sense_bytes raw = sense_cursor_take(c, width);
	uint32_t value = 0;
	for (size_t i = 0; i < raw.len; i++)
		value = value << 8 | raw.at[i];
	return value;
}

/* A range behind its length of `width` bytes: TLS's opaque<..>. */
static inline struct sense_bytes sense_cursor_vector(struct sense_cursor *c, unsigned width)
{
	return sense_cursor_take(c, sense_cursor_uint(c, width));
}

static inline uint16_t sense_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t sense_be24(const uint8_t *at)
{
	return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

#endif
