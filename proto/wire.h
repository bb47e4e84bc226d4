/*
 * MessagePack (specification 2.0) as the records of proto/ use it: maps whose keys are names.
 *
 * A record is described once, by a table of its plain members; encoding and decoding follow it. The
 * reader takes any bytes: it never reads past the end, never recurses, allocates nothing, and accepts
 * a count only when that many values can still follow. Strings must be UTF-8 (RFC 3629) without NUL.
 */
#ifndef SENSE_PROTO_WIRE_H
#define SENSE_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- plain members -------------------------------------------------------------------------- */

enum sense_wire_type {
	SENSE_WIRE_STRING, /* const char *; NULL is left out */
	SENSE_WIRE_U8,
	SENSE_WIRE_U16,
	SENSE_WIRE_U64,
	SENSE_WIRE_BOOL
};

struct sense_wire_member {
	const char *name;
	enum sense_wire_type type;
	size_t offset;
};

/* ---- writing ---------------------------------------------------------------------------------- */

struct sense_wire_writer {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool full; /* something did not fit; what was written is worth nothing */
};

void sense_wire_put_map(struct sense_wire_writer *writer, size_t count);
void sense_wire_put_array(struct sense_wire_writer *writer, size_t count);
/* Bytes that are not UTF-8 become '?': what one end sends, the other must be able to read. */
void sense_wire_put_string(struct sense_wire_writer *writer, const char *string);
void sense_wire_put_bytes(struct sense_wire_writer *writer, const void *data, size_t len);
void sense_wire_put_uint(struct sense_wire_writer *writer, uint64_t number);
void sense_wire_put_number(struct sense_wire_writer *writer, double number); /* whole ones as integers */
void sense_wire_put_bool(struct sense_wire_writer *writer, bool boolean);
void sense_wire_put_nil(struct sense_wire_writer *writer);
/* As put_string, of text that does not end with a NUL. */
void sense_wire_put_text(struct sense_wire_writer *writer, const char *text, size_t len);
/* Values that are encoded already, as they are. */
void sense_wire_put_raw(struct sense_wire_writer *writer, const void *data, size_t len);
/* Key and value of each member that is set; sense_wire_count says how many those are. */
void sense_wire_put_members(struct sense_wire_writer *writer, const struct sense_wire_member *members,
			    size_t count, const void *record);
size_t sense_wire_count(const struct sense_wire_member *members, size_t count, const void *record);

/* ---- reading ------------------------------------------------------------------------------------ */

struct sense_wire_reader {
	const uint8_t *at, *end;
	char *storage; /* where strings are copied to, NUL-terminated */
	size_t room;
	const char *why; /* what was wrong; NULL as long as nothing was */
};

/* A name within the input: not NUL-terminated. */
struct sense_wire_key {
	const char *text;
	size_t len;
};

/* All return false, and set why, on input that is not what is asked for. */
bool sense_wire_fail(struct sense_wire_reader *reader, const char *why);
bool sense_wire_get_map(struct sense_wire_reader *reader, uint32_t *count);
bool sense_wire_get_array(struct sense_wire_reader *reader, uint32_t *count);
bool sense_wire_get_key(struct sense_wire_reader *reader, struct sense_wire_key *key);
bool sense_wire_get_string(struct sense_wire_reader *reader, const char **string);
bool sense_wire_get_bytes(struct sense_wire_reader *reader, uint8_t *out, size_t len);
/* Bytes where they lie within the input, at most max of them. */
bool sense_wire_get_span(struct sense_wire_reader *reader, size_t max, const uint8_t **data, size_t *len);
bool sense_wire_get_uint(struct sense_wire_reader *reader, uint64_t max, uint64_t *number);
bool sense_wire_get_number(struct sense_wire_reader *reader, double *number); /* finite */
bool sense_wire_get_bool(struct sense_wire_reader *reader, bool *boolean);
bool sense_wire_get_nil(struct sense_wire_reader *reader);
bool sense_wire_skip(struct sense_wire_reader *reader);
/* A map as it is encoded, where it lies within the input. */
bool sense_wire_get_map_span(struct sense_wire_reader *reader, const uint8_t **data, size_t *len);

enum sense_wire_kind {
	SENSE_WIRE_KIND_END,
	SENSE_WIRE_KIND_NIL,
	SENSE_WIRE_KIND_BOOL,
	SENSE_WIRE_KIND_NUMBER,
	SENSE_WIRE_KIND_STRING,
	SENSE_WIRE_KIND_ARRAY,
	SENSE_WIRE_KIND_MAP,
	SENSE_WIRE_KIND_OTHER
};
enum sense_wire_kind sense_wire_kind(const struct sense_wire_reader *reader); /* of the next value */

/* ---- the form of a value, for those who walk over values of any kind ---------------------------- */

#define SENSE_WIRE_HEAD_MAX 5u /* a first byte, and the length or count behind it */

struct sense_wire_form {
	uint64_t behind; /* bytes of it behind its head */
	uint64_t inside; /* values that follow as its items; a map has two an entry */
	bool nests;      /* it is an array or a map */
};
/* How many bytes the head of a value has that begins with `first`; 0: the byte that is never used, 0xc1. */
unsigned sense_wire_head_size(uint8_t first);
/* bytes: a whole head. */
struct sense_wire_form sense_wire_form(const uint8_t *bytes);

bool sense_wire_is(const struct sense_wire_key *key, const char *name);
/* The value of a key that names a member. *known is false when none is named so: nothing was read. */
bool sense_wire_get_member(struct sense_wire_reader *reader, const struct sense_wire_key *key,
			   const struct sense_wire_member *members, size_t count, void *record, bool *known);

/*
 * How many bytes from s on are printable ASCII, which is nearly all that texts consist of: eight at a
 * time, by the usual tests for a byte below, above or equal to another within a word (Warren,
 * Hacker's Delight, 6-1).
 */
static inline size_t sense_utf8_plain(const char *s, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	size_t n = 0;
	for (; n + 8 <= len; n += 8) {
		uint64_t w;
		memcpy(&w, s + n, sizeof w);
		uint64_t deletes = w ^ ones * 0x7f;
		if ((w | (w - ones * 0x20) | (deletes - ones)) & tops)
			break;
	}
	while (n < len && s[n] >= 0x20 && s[n] < 0x7f)
		n++;
	return n;
}

/* Length of the UTF-8 character at s (1 to 4), 0 when it is malformed or does not end before len. */
size_t sense_utf8_char(const char *s, size_t len);

#endif
