/* A growable buffer with a bound: what does not fit is refused as a whole. */
#ifndef UPLINK_BYTES_H
#define UPLINK_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	uint8_t *data;
	size_t len, cap;
};

/* Room for so much more behind len. False: that would be above max, or memory is short. */
static inline bool bytes_room(struct bytes *bytes, size_t more, size_t max)
{
	if (more > max || bytes->len > max - more)
		return false;
	if (bytes->len + more <= bytes->cap)
		return true;
	size_t cap = bytes->cap ? bytes->cap : 4096;
	while (cap < bytes->len + more)
		cap *= 2;
	uint8_t *data = realloc(bytes->data, cap);
	if (!data)
		return false;
	bytes->data = data;
	bytes->cap = cap;
	return true;
}

static inline bool bytes_add(struct bytes *bytes, const void *data, size_t len, size_t max)
{
	if (!bytes_room(bytes, len, max))
		return false;
	if (len)
		memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	return true;
}

/* Empty; what was large goes back to the system. */
static inline void bytes_clear(struct bytes *bytes)
{
	bytes->len = 0;
	if (bytes->cap <= 65536)
		return;
	free(bytes->data);
	*bytes = (struct bytes){0};
}

static inline void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}

#endif
