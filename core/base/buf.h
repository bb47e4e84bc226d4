/*
 * Growable byte buffer with a bound. A write that does not fit marks the buffer `failed` and is
 * dropped whole; callers check once at the end. Contents are not NUL-terminated unless asked for.
 */
#ifndef SENSE_BASE_BUF_H
#define SENSE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct sense_buf {
	char *data;
	size_t len;
	size_t cap;
	size_t limit; /* 0: none */
	bool failed;
};

void sense_buf_init(struct sense_buf *buf, size_t limit);
void sense_buf_fini(struct sense_buf *buf);
static inline void sense_buf_clear(struct sense_buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}
void sense_buf_add(struct sense_buf *buf, const void *data, size_t len);
void sense_buf_addc(struct sense_buf *buf, char c);
void sense_buf_adds(struct sense_buf *buf, const char *s);
void sense_buf_printf(struct sense_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Terminates the contents with a NUL that len does not count; "" when nothing was ever written. */
const char *sense_buf_str(struct sense_buf *buf);

#endif
