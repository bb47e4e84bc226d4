#include "proto/wire.h"

#include <math.h>
#include <msgpack.h>
#include <string.h>

/* ---- text -------------------------------------------------------------------------------------- */

size_t sense_utf8_char(const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	uint8_t first = len ? *p : 0x80;
	size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (first > 0xf4 || size > len)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((first == 0xe0 && p[1] < 0xa0) || (first == 0xed && p[1] > 0x9f) ||
	    (first == 0xf0 && p[1] < 0x90) || (first == 0xf4 && p[1] > 0x8f))
		return 0;
	return size;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static int append(void *context, const char *data, size_t len)
{
	struct sense_wire_writer *writer = context;
	if (writer->full || len > writer->cap - writer->len) {
		writer->full = true;
		return -1;
	}
	memcpy(writer->data + writer->len, data, len);
	writer->len += len;
	return 0;
}

static msgpack_packer packer(struct sense_wire_writer *writer)
{
	return (msgpack_packer){.data = writer, .callback = append};
}

void sense_wire_put_map(struct sense_wire_writer *writer, size_t count)
{
	msgpack_packer pk = packer(writer);
	msgpack_pack_map(&pk, count);
}

void sense_wire_put_array(struct sense_wire_writer *writer, size_t count)
{
	msgpack_packer pk = packer(writer);
	msgpack_pack_array(&pk, count);
}

void sense_wire_put_text(struct sense_wire_writer *writer, const char *text, size_t len)
{
	msgpack_packer pk = packer(writer);
	size_t good = 0;

	msgpack_pack_str(&pk, len);
	while (good < len) {
		size_t start = good, size;
		good += sense_utf8_plain(text + good, len - good);
		while (good < len && text[good] && (size = sense_utf8_char(text + good, len - good)))
			good += size;
		msgpack_pack_str_body(&pk, text + start, good - start);
		if (good < len && ++good)
			msgpack_pack_str_body(&pk, "?", 1);
	}
}

void sense_wire_put_string(struct sense_wire_writer *writer, const char *string)
{
	sense_wire_put_text(writer, string, strlen(string));
}

void sense_wire_put_bytes(struct sense_wire_writer *writer, const void *data, size_t len)
{
	msgpack_packer pk = packer(writer);
	msgpack_pack_bin(&pk, len);
	msgpack_pack_bin_body(&pk, data, len);
}

void sense_wire_put_uint(struct sense_wire_writer *writer, uint64_t number)
{
	msgpack_packer pk = packer(writer);
	msgpack_pack_uint64(&pk, number);
}

void sense_wire_put_number(struct sense_wire_writer *writer, double number)
{
	msgpack_packer pk = packer(writer);
	/* Up to 2^53 each whole number is exact, and shorter as an integer. */
	if (fabs(number) <= 9007199254740992.0 && number == floor(number))
		msgpack_pack_int64(&pk, (int64_t)number);
	else
		msgpack_pack_double(&pk, number);
}

void sense_wire_put_bool(struct sense_wire_writer *writer, bool boolean)
{
	msgpack_packer pk = packer(writer);
	if (boolean)
		msgpack_pack_true(&pk);
	else
		msgpack_pack_false(&pk);
}

void sense_wire_put_nil(struct sense_wire_writer *writer)
{
	msgpack_packer pk = packer(writer);
	msgpack_pack_nil(&pk);
}

void sense_wire_put_raw(struct sense_wire_writer *writer, const void *data, size_t len)
{
	if (len)
		append(writer, data, len);
}

static const void *place(const struct sense_wire_member *member, const void *record)
{
	return (const char *)record + member->offset;
}

static bool left_out(const struct sense_wire_member *member, const void *record)
{
	return member->type == SENSE_WIRE_STRING && !*(const char *const *)place(member, record);
}

size_t sense_wire_count(const struct sense_wire_member *members, size_t count, const void *record)
{
	size_t set = 0;
	for (size_t i = 0; i < count; i++)
		set += !left_out(&members[i], record);
	return set;
}

void sense_wire_put_members(struct sense_wire_writer *writer, const struct sense_wire_member *members,
			    size_t count, const void *record)
{
	for (size_t i = 0; i < count; i++) {
		const void *at = place(&members[i], record);
		if (left_out(&members[i], record))
			continue;
		sense_wire_put_string(writer, members[i].name);
		switch (members[i].type) {
		case SENSE_WIRE_STRING:
			sense_wire_put_string(writer, *(const char *const *)at);
			break;
		case SENSE_WIRE_U8:
			sense_wire_put_uint(writer, *(const uint8_t *)at);
			break;
		case SENSE_WIRE_U16:
			sense_wire_put_uint(writer, *(const uint16_t *)at);
			break;
		case SENSE_WIRE_U64:
			sense_wire_put_uint(writer, *(const uint64_t *)at);
			break;
		case SENSE_WIRE_BOOL:
			sense_wire_put_bool(writer, *(const bool *)at);
			break;
		}
	}
}

/* ---- reading ------------------------------------------------------------------------------------ */

bool sense_wire_fail(struct sense_wire_reader *reader, const char *why)
{
	if (!reader->why)
		reader->why = why;
	return false;
}

static size_t left(const struct sense_wire_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

/* The first byte of a value, without taking it; 0xc1 (never used) at the end. */
static uint8_t head(const struct sense_wire_reader *reader)
{
	return reader->at < reader->end ? *reader->at : 0xc1;
}

/* Takes the first byte and the big-endian number of `bytes` bytes behind it. */
static bool take_number(struct sense_wire_reader *reader, unsigned bytes, uint64_t *number)
{
	if (left(reader) < 1 + (size_t)bytes)
		return sense_wire_fail(reader, "ends early");
	reader->at++;
	*number = 0;
	for (unsigned i = 0; i < bytes; i++)
		*number = *number << 8 | *reader->at++;
	return true;
}

/*
 * A length of one of the forms that a type has: within the first byte (fix, up to mask), and in
 * 1, 2 or 4 bytes behind it (first8 == 0: the type has no form of 1 byte).
 */
static bool take_length(struct sense_wire_reader *reader, uint8_t fix, uint8_t mask, uint8_t first8,
			uint8_t first16, uint64_t *length)
{
	uint8_t first = head(reader);

	*length = 0;
	if (mask && (first & ~mask) == fix) {
		*length = first & mask;
		reader->at++;
		return true;
	}
	if (first8 && first == first8)
		return take_number(reader, 1, length);
	if (first == first16)
		return take_number(reader, 2, length);
	if (first == first16 + 1)
		return take_number(reader, 4, length);
	return sense_wire_fail(reader,
			       reader->at < reader->end ? "has a value of the wrong type" : "ends early");
}

static bool take_count(struct sense_wire_reader *reader, uint64_t count, unsigned values, uint32_t *out)
{
	if (count > left(reader) / values)
		return sense_wire_fail(reader, "counts more values than it holds");
	*out = (uint32_t)count;
	return true;
}

bool sense_wire_get_map(struct sense_wire_reader *reader, uint32_t *count)
{
	uint64_t length;
	return take_length(reader, 0x80, 0x0f, 0, 0xde, &length) && take_count(reader, length, 2, count);
}

bool sense_wire_get_array(struct sense_wire_reader *reader, uint32_t *count)
{
	uint64_t length;
	return take_length(reader, 0x90, 0x0f, 0, 0xdc, &length) && take_count(reader, length, 1, count);
}

bool sense_wire_get_key(struct sense_wire_reader *reader, struct sense_wire_key *key)
{
	uint64_t length;
	if (!take_length(reader, 0xa0, 0x1f, 0xd9, 0xda, &length))
		return false;
	if (length > left(reader))
		return sense_wire_fail(reader, "ends early");
	key->text = (const char *)reader->at;
	key->len = (size_t)length;
	reader->at += length;
	return true;
}

bool sense_wire_get_string(struct sense_wire_reader *reader, const char **string)
{
	struct sense_wire_key text;
	size_t size;

	if (!sense_wire_get_key(reader, &text))
		return false;
	for (size_t i = sense_utf8_plain(text.text, text.len); i < text.len; i += size) {
		size = sense_utf8_char(text.text + i, text.len - i);
		if (!size || !text.text[i])
			return sense_wire_fail(reader, "has a string that is not UTF-8 text");
	}
	if (text.len >= reader->room)
		return sense_wire_fail(reader, "has more text than there is room for");
	memcpy(reader->storage, text.text, text.len);
	reader->storage[text.len] = '\0';
	*string = reader->storage;
	reader->storage += text.len + 1;
	reader->room -= text.len + 1;
	return true;
}

bool sense_wire_get_bytes(struct sense_wire_reader *reader, uint8_t *out, size_t len)
{
	uint64_t length;
	if (!take_length(reader, 0, 0, 0xc4, 0xc5, &length))
		return false;
	if (length != len || length > left(reader))
		return sense_wire_fail(reader, "has bytes of the wrong length");
	memcpy(out, reader->at, len);
	reader->at += len;
	return true;
}

bool sense_wire_get_span(struct sense_wire_reader *reader, size_t max, const uint8_t **data, size_t *len)
{
	uint64_t length;
	if (!take_length(reader, 0, 0, 0xc4, 0xc5, &length))
		return false;
	if (length > left(reader))
		return sense_wire_fail(reader, "ends early");
	if (length > max)
		return sense_wire_fail(reader, "has more bytes than it may have");
	*data = reader->at;
	*len = (size_t)length;
	reader->at += length;
	return true;
}

/* Any integer as sign and bits: a negative one has the bits of its two's complement. */
static bool take_integer(struct sense_wire_reader *reader, bool *negative, uint64_t *number)
{
	uint8_t first = head(reader);

	*negative = false;
	*number = 0;
	if (first <= 0x7f || first >= 0xe0) {
		*negative = first >= 0xe0;
		*number = (uint64_t)(int8_t)first;
		reader->at++;
		return true;
	}
	if (first >= 0xcc && first <= 0xcf)
		return take_number(reader, 1u << (first - 0xcc), number);
	if (first < 0xd0 || first > 0xd3)
		return sense_wire_fail(reader, reader->at < reader->end ? "has a value of the wrong type"
									: "ends early");
	unsigned bits = 8u << (first - 0xd0);
	if (!take_number(reader, bits / 8, number))
		return false;
	*negative = *number >> (bits - 1) & 1;
	if (*negative && bits < 64)
		*number |= UINT64_MAX << bits;
	return true;
}

bool sense_wire_get_uint(struct sense_wire_reader *reader, uint64_t max, uint64_t *number)
{
	bool negative;
	if (!take_integer(reader, &negative, number))
		return false;
	if (negative || *number > max)
		return sense_wire_fail(reader, "has a number out of range");
	return true;
}

bool sense_wire_get_number(struct sense_wire_reader *reader, double *number)
{
	uint64_t bits = 0;
	float single;
	bool negative;

	if (head(reader) == 0xca) {
		if (!take_number(reader, 4, &bits))
			return false;
		uint32_t half = (uint32_t)bits;
		memcpy(&single, &half, sizeof(single));
		*number = single;
	} else if (head(reader) == 0xcb) {
		if (!take_number(reader, 8, &bits))
			return false;
		memcpy(number, &bits, sizeof(*number));
	} else {
		if (!take_integer(reader, &negative, &bits))
			return false;
		*number = negative ? (double)(int64_t)bits : (double)bits;
	}
	return isfinite(*number) || sense_wire_fail(reader, "has a number that is not finite");
}

bool sense_wire_get_bool(struct sense_wire_reader *reader, bool *boolean)
{
	uint8_t first = head(reader);
	if (first != 0xc2 && first != 0xc3)
		return sense_wire_fail(reader, reader->at < reader->end ? "has a value of the wrong type"
									: "ends early");
	*boolean = first == 0xc3;
	reader->at++;
	return true;
}

enum sense_wire_kind sense_wire_kind(const struct sense_wire_reader *reader)
{
	uint8_t first = head(reader);
	if (reader->at == reader->end)
		return SENSE_WIRE_KIND_END;
	if (first == 0xc0)
		return SENSE_WIRE_KIND_NIL;
	if (first == 0xc2 || first == 0xc3)
		return SENSE_WIRE_KIND_BOOL;
	if (first <= 0x7f || first >= 0xe0 || (first >= 0xca && first <= 0xd3))
		return SENSE_WIRE_KIND_NUMBER;
	if ((first & 0xe0) == 0xa0 || (first >= 0xd9 && first <= 0xdb))
		return SENSE_WIRE_KIND_STRING;
	if ((first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd)
		return SENSE_WIRE_KIND_ARRAY;
	if ((first & 0xf0) == 0x80 || first == 0xde || first == 0xdf)
		return SENSE_WIRE_KIND_MAP;
	return SENSE_WIRE_KIND_OTHER;
}

bool sense_wire_get_nil(struct sense_wire_reader *reader)
{
	if (head(reader) != 0xc0)
		return sense_wire_fail(reader, reader->at < reader->end ? "has a value of the wrong type"
									: "ends early");
	reader->at++;
	return true;
}

/* ---- forms --------------------------------------------------------------------------------------- */

/* Strings, bytes and extensions with a length of their own, arrays and maps with a count. */
static bool is_counted(uint8_t first)
{
	return (first >= 0xc4 && first <= 0xc9) || (first >= 0xd9 && first <= 0xdf);
}

/* Bytes behind the first one of the formats 0xc0 to 0xdf; of the counted ones those of the length. */
static unsigned fixed(uint8_t first)
{
	static const uint8_t bytes[32] = {0, 0, 0, 0, 1, 2, 4, 1, 2,  4, 4, 8, 1, 2, 4, 8,
					  1, 2, 4, 8, 2, 3, 5, 9, 17, 1, 2, 4, 2, 4, 2, 4};
	return bytes[first - 0xc0];
}

unsigned sense_wire_head_size(uint8_t first)
{
	if (first == 0xc1)
		return 0;
	return is_counted(first) ? 1 + fixed(first) : 1;
}

struct sense_wire_form sense_wire_form(const uint8_t *bytes)
{
	uint8_t first = *bytes;
	uint64_t length = 0;

	if (first >= 0x80 && first <= 0x8f)
		return (struct sense_wire_form){.inside = 2 * (uint64_t)(first & 0x0f), .nests = true};
	if (first >= 0x90 && first <= 0x9f)
		return (struct sense_wire_form){.inside = first & 0x0f, .nests = true};
	if ((first & 0xe0) == 0xa0)
		return (struct sense_wire_form){.behind = first & 0x1f};
	if (first < 0xc0 || first >= 0xe0)
		return (struct sense_wire_form){0};
	if (!is_counted(first))
		return (struct sense_wire_form){.behind = fixed(first)};
	for (unsigned i = 1; i <= fixed(first); i++)
		length = length << 8 | bytes[i];
	if (first >= 0xdc)
		return (struct sense_wire_form){.inside = first >= 0xde ? 2 * length : length, .nests = true};
	/* An extension has a type before its bytes. */
	return (struct sense_wire_form){.behind = length + (first >= 0xc7 && first <= 0xc9)};
}

static bool skip_one(struct sense_wire_reader *reader, uint64_t *inside)
{
	if (reader->at == reader->end)
		return sense_wire_fail(reader, "ends early");
	unsigned size = sense_wire_head_size(*reader->at);
	if (!size)
		return sense_wire_fail(reader, "has a byte that MessagePack does not use");
	if (size > left(reader))
		return sense_wire_fail(reader, "ends early");
	struct sense_wire_form form = sense_wire_form(reader->at);
	reader->at += size;
	if (form.behind > left(reader) || form.inside > left(reader) - form.behind)
		return sense_wire_fail(reader, "ends early");
	reader->at += form.behind;
	*inside = form.inside;
	return true;
}

/* Counts instead of recursing: how deep the value nests does not matter. */
bool sense_wire_skip(struct sense_wire_reader *reader)
{
	for (uint64_t values = 1, inside; values; values += inside - 1)
		if (!skip_one(reader, &inside))
			return false;
	return true;
}

bool sense_wire_get_map_span(struct sense_wire_reader *reader, const uint8_t **data, size_t *len)
{
	if (reader->at < reader->end && sense_wire_kind(reader) != SENSE_WIRE_KIND_MAP)
		return sense_wire_fail(reader, "has a value of the wrong type");
	*data = reader->at;
	if (!sense_wire_skip(reader))
		return false;
	*len = (size_t)(reader->at - *data);
	return true;
}

/* ---- members ------------------------------------------------------------------------------------ */

bool sense_wire_is(const struct sense_wire_key *key, const char *name)
{
	/* Most of the names that a key is compared with begin otherwise. */
	return key->len && *name == *key->text && strlen(name) == key->len && !memcmp(name, key->text, key->len);
}

static bool get_value(struct sense_wire_reader *reader, enum sense_wire_type type, void *at)
{
	uint64_t number;

	switch (type) {
	case SENSE_WIRE_STRING:
		return sense_wire_get_string(reader, at);
	case SENSE_WIRE_BOOL:
		return sense_wire_get_bool(reader, at);
	case SENSE_WIRE_U64:
		return sense_wire_get_uint(reader, UINT64_MAX, at);
	case SENSE_WIRE_U16:
		if (!sense_wire_get_uint(reader, UINT16_MAX, &number))
			return false;
		*(uint16_t *)at = (uint16_t)number;
		return true;
	default:
		if (!sense_wire_get_uint(reader, UINT8_MAX, &number))
			return false;
		*(uint8_t *)at = (uint8_t)number;
		return true;
	}
}

bool sense_wire_get_member(struct sense_wire_reader *reader, const struct sense_wire_key *key,
			   const struct sense_wire_member *members, size_t count, void *record, bool *known)
{
	*known = false;
	for (size_t i = 0; i < count && !*known; i++) {
		if (!sense_wire_is(key, members[i].name))
			continue;
		*known = true;
		return get_value(reader, members[i].type, (char *)record + members[i].offset);
	}
	return true;
}
