#include "core/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sense_buf_init(struct sense_buf *buf, size_t limit)
{
	*buf = (struct sense_buf){.limit = limit};
}

void sense_buf_fini(struct sense_buf *buf)
{
	free(buf->data);
	*buf = (struct sense_buf){.limit = buf->limit};
}

/* Room for `extra` bytes and a terminating NUL. */
static bool reserve(struct sense_buf *buf, size_t extra)
{
	if (buf->failed || extra > SIZE_MAX / 4 - buf->len)
		goto fail;
	size_t need = buf->len + extra + 1;
	if (buf->limit && need > buf->limit + 1)
		goto fail;
	if (need <= buf->cap)
		return true;
	size_t cap = buf->cap ? buf->cap * 2 : 256;
	if (cap < need)
		cap = need;
	char *data = realloc(buf->data, cap);
	if (!data)
		goto fail;
	buf->data = data;
	buf->cap = cap;
	return true;
fail:
	buf->failed = true;
	return false;
}

void sense_buf_add(struct sense_buf *buf, const void *data, size_t len)
{
	if (!len || !reserve(buf, len))
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void sense_buf_addc(struct sense_buf *buf, char c)
{
	sense_buf_add(buf, &c, 1);
}

void sense_buf_adds(struct sense_buf *buf, const char *s)
{
	sense_buf_add(buf, s, strlen(s));
}

void sense_buf_printf(struct sense_buf *buf, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, fmt, args);
	if (length >= 0 && reserve(buf, (size_t)length)) {
		vsnprintf(buf->data + buf->len, (size_t)length + 1, fmt, again);
		buf->len += (size_t)length;
	}
	va_end(again);
	va_end(args);
}

const char *sense_buf_str(struct sense_buf *buf)
{
	if (!buf->data)
		return "";
	buf->data[buf->len] = '\0'; /* reserve keeps this byte */
	return buf->data;
}
