/*
 * Reads a row of findings as PostgreSQL's COPY BINARY reads it: lengths add up, each value has the form that its type's
 * receive function wants. "" when it is one, else what is wrong.
 */
#ifndef SENSE_T_COPY_ROWS_H
#define SENSE_T_COPY_ROWS_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/wire.h"

struct copy_cursor {
	const uint8_t *at, *end;
};

static bool copy_take(struct copy_cursor *cursor, void *out, size_t len)
{
	if ((size_t)(cursor->end - cursor->at) < len)
		return false;
	memcpy(out, cursor->at, len);
	cursor->at += len;
	return true;
}

static bool copy_int32(struct copy_cursor *cursor, int32_t *out)
{
	uint32_t raw;
	if (!copy_take(cursor, &raw, 4))
		return false;
	*out = (int32_t)ntohl(raw);
	return true;
}

/* UTF-8 without NUL, as a database in that encoding takes it. */
static bool copy_is_text(const uint8_t *data, size_t len)
{
	for (size_t at = 0, size; at < len; at += size)
		if (!data[at] || !(size = sense_utf8_char((const char *)data + at, len - at)))
			return false;
	return true;
}

static bool copy_is_inet(const uint8_t *data, size_t len)
{
	return (len == 8 && data[0] == 2 && data[1] <= 32 && data[2] <= 1 && data[3] == 4) ||
	       (len == 20 && data[0] == 3 && data[1] <= 128 && data[2] <= 1 && data[3] == 16);
}

static bool copy_is_texts(const uint8_t *data, size_t len)
{
	struct copy_cursor cursor = {data, data + len};
	int32_t dimensions, flags, oid, count = 0, lower, size;

	if (!copy_int32(&cursor, &dimensions) || !copy_int32(&cursor, &flags) || !copy_int32(&cursor, &oid) ||
	    dimensions < 0 || dimensions > 1 || flags != 0 || oid != 25)
		return false;
	if (dimensions &&
	    (!copy_int32(&cursor, &count) || !copy_int32(&cursor, &lower) || count < 1 || lower != 1))
		return false;
	for (; count > 0; count--) {
		if (!copy_int32(&cursor, &size) || size < 0 || size > cursor.end - cursor.at ||
		    !copy_is_text(cursor.at, (size_t)size))
			return false;
		cursor.at += size;
	}
	return cursor.at == cursor.end;
}

static bool copy_is_object(const uint8_t *data, size_t len)
{
	json_error_t error;
	if (!len || data[0] != 1 || !copy_is_text(data + 1, len - 1))
		return false;
	/* Numbers as reals: jsonb takes any size, and so does this. */
	json_t *json = json_loadb((const char *)data + 1, len - 1, JSON_DECODE_INT_AS_REAL, &error);
	bool good = json_is_object(json);
	json_decref(json);
	return good;
}

/* A letter a column: u uuid, b bigint or time, s smallint, t text, T text not null, i inet, p integer, l text[], j jsonb. */
static bool copy_is_value(char kind, const uint8_t *data, int32_t len)
{
	if (len < 0)
		return len == -1 && strchr("tip", kind) != NULL;
	size_t size = (size_t)len;
	switch (kind) {
	case 'u':
		return size == 16;
	case 'b':
		return size == 8;
	case 's':
		return size == 2;
	case 'p':
		return size == 4;
	case 't':
	case 'T':
		return copy_is_text(data, size);
	case 'i':
		return copy_is_inet(data, size);
	case 'l':
		return copy_is_texts(data, size);
	case 'j':
		return copy_is_object(data, size);
	default:
		return true; /* bytes */
	}
}

#define COPY_FINDING         \
	"uuubbbtsTtipiptttt" \
	"sl"                 \
	"tttjlt"
#define COPY_QUARANTINE "uubbTx"

static const char *copy_check(const char *kinds, const uint8_t *row, size_t len)
{
	static char wrong[64];
	struct copy_cursor cursor = {row, row + len};
	uint16_t count;
	int32_t size;

	if (!copy_take(&cursor, &count, 2) || ntohs(count) != strlen(kinds))
		return "the count of columns";
	for (const char *kind = kinds; *kind; kind++) {
		if (!copy_int32(&cursor, &size) || size > cursor.end - cursor.at)
			return "a length";
		if (!copy_is_value(*kind, cursor.at, size)) {
			snprintf(wrong, sizeof(wrong), "column %d", (int)(kind - kinds) + 1);
			return wrong;
		}
		cursor.at += size > 0 ? size : 0;
	}
	return cursor.at == cursor.end ? "" : "bytes behind the row";
}

#endif
