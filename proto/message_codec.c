#include "proto/message_codec.h"

#include "proto/uuid.h"

/* ---- texts --------------------------------------------------------------------------------------------- */

void sense_codec_put_text(struct sense_wire_writer *writer, const char *text, size_t max)
{
	if (!text) {
		writer->full = true;
		return;
	}
	size_t len = strnlen(text, max + 1);
	if (len > max) {
		/* Not within a character: its further bytes are 10xxxxxx. */
		len = max;
		while (len && ((uint8_t)text[len] & 0xc0) == 0x80)
			len--;
	}
	sense_wire_put_text(writer, text, len);
}

bool sense_codec_get_text(struct sense_wire_reader *reader, size_t max, const char **text)
{
	if (!sense_wire_get_string(reader, text))
		return false;
	return strnlen(*text, max + 1) <= max || sense_wire_fail(reader, "has a text that is too long");
}

bool sense_codec_one_of(const char *text, const char *const *list)
{
	while (*list && strcmp(*list, text))
		list++;
	return *list;
}

bool sense_codec_get_count(struct sense_wire_reader *reader, bool map, uint32_t max, uint32_t *count)
{
	if (!(map ? sense_wire_get_map(reader, count) : sense_wire_get_array(reader, count)))
		return false;
	return *count <= max || sense_wire_fail(reader, "has a list that is too long");
}

bool sense_codec_get_span(struct sense_wire_reader *reader, uint32_t max, uint32_t *count,
                          struct sense_wire_reader *later)
{
	if (!sense_codec_get_count(reader, false, max, count))
		return false;
	*later = *reader;
	for (uint32_t i = 0; i < *count; i++)
		if (!sense_wire_skip(reader))
			return false;
	later->end = reader->at;
	return true;
}

static size_t text_max(const struct sense_codec_member *member)
{
	return member->type == SENSE_CODEC_TEXT ? SENSE_MESSAGE_TEXT_MAX : SENSE_MESSAGE_NAME_MAX;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static bool is_zero(const void *data, size_t len)
{
	static const uint8_t zero[SENSE_MESSAGE_HASH];
	return !memcmp(data, zero, len);
}

static bool left_out(const struct sense_codec_member *member, const void *record)
{
	const void *at = (const char *)record + member->offset;

	if (!member->optional)
		return false;
	switch (member->type) {
	case SENSE_CODEC_NAME:
	case SENSE_CODEC_TEXT:
	case SENSE_CODEC_UUID:
		return !*(const char *const *)at;
	case SENSE_CODEC_U32:
		return is_zero(at, sizeof(uint32_t));
	case SENSE_CODEC_U64:
		return is_zero(at, sizeof(uint64_t));
	case SENSE_CODEC_HASH:
		return is_zero(at, SENSE_MESSAGE_HASH);
	case SENSE_CODEC_BYTES:
		return !((const struct sense_message_bytes *)at)->data;
	default:
		return false;
	}
}

static void put_uuid(struct sense_wire_writer *writer, const char *text)
{
	if (text && sense_uuid_is(text))
		sense_wire_put_string(writer, text);
	else
		writer->full = true;
}

static void put_bytes(struct sense_wire_writer *writer, const struct sense_codec_member *member,
                      const struct sense_message_bytes *bytes)
{
	if (bytes->len < member->min || bytes->len > member->max || (bytes->len && !bytes->data))
		writer->full = true;
	else
		sense_wire_put_bytes(writer, bytes->data ? bytes->data : (const uint8_t *)"", bytes->len);
}

static void put_member(struct sense_wire_writer *writer, const struct sense_codec_member *member,
                       const void *record)
{
	const void *at = (const char *)record + member->offset;

	sense_wire_put_string(writer, member->name);
	switch (member->type) {
	case SENSE_CODEC_NAME:
	case SENSE_CODEC_TEXT:
		sense_codec_put_text(writer, *(const char *const *)at, text_max(member));
		break;
	case SENSE_CODEC_UUID:
		put_uuid(writer, *(const char *const *)at);
		break;
	case SENSE_CODEC_U32:
		sense_wire_put_uint(writer, *(const uint32_t *)at);
		break;
	case SENSE_CODEC_U64:
		sense_wire_put_uint(writer, *(const uint64_t *)at);
		break;
	case SENSE_CODEC_BOOL:
		sense_wire_put_bool(writer, *(const bool *)at);
		break;
	case SENSE_CODEC_HASH:
		sense_wire_put_bytes(writer, at, SENSE_MESSAGE_HASH);
		break;
	case SENSE_CODEC_BYTES:
		put_bytes(writer, member, at);
		break;
	case SENSE_CODEC_LIST:
		member->put(writer, record);
		break;
	}
}

void sense_codec_put(struct sense_wire_writer *writer, const struct sense_codec *codec, const void *record)
{
	size_t set = 0;

	for (size_t i = 0; i < codec->count; i++)
		set += !left_out(&codec->members[i], record);
	sense_wire_put_map(writer, set);
	for (size_t i = 0; i < codec->count; i++)
		if (!left_out(&codec->members[i], record))
			put_member(writer, &codec->members[i], record);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static bool get_uuid(struct sense_wire_reader *reader, const char **text)
{
	if (!sense_wire_get_string(reader, text))
		return false;
	return sense_uuid_is(*text) ||
	       sense_wire_fail(reader, "has an id that is no UUID in lower case");
}

static bool get_u32(struct sense_wire_reader *reader, uint32_t *out)
{
	uint64_t number;
	if (!sense_wire_get_uint(reader, UINT32_MAX, &number))
		return false;
	*out = (uint32_t)number;
	return true;
}

static bool get_bytes(struct sense_wire_reader *reader, const struct sense_codec_member *member,
                      struct sense_message_bytes *bytes)
{
	if (!sense_wire_get_span(reader, member->max, &bytes->data, &bytes->len))
		return false;
	return bytes->len >= member->min || sense_wire_fail(reader, "has fewer bytes than it must have");
}

static bool get_member(struct sense_wire_reader *reader, const struct sense_codec_member *member,
                       void *record)
{
	void *at = (char *)record + member->offset;

	switch (member->type) {
	case SENSE_CODEC_NAME:
	case SENSE_CODEC_TEXT:
		return sense_codec_get_text(reader, text_max(member), at);
	case SENSE_CODEC_UUID:
		return get_uuid(reader, at);
	case SENSE_CODEC_U32:
		return get_u32(reader, at);
	case SENSE_CODEC_U64:
		return sense_wire_get_uint(reader, UINT64_MAX, at);
	case SENSE_CODEC_BOOL:
		return sense_wire_get_bool(reader, at);
	case SENSE_CODEC_HASH:
		return sense_wire_get_bytes(reader, at, SENSE_MESSAGE_HASH);
	case SENSE_CODEC_BYTES:
		return get_bytes(reader, member, at);
	default:
		return member->get(reader, record);
	}
}

/* The value of a key: of a member, or of none that is known here. */
static bool get_value(struct sense_wire_reader *reader, const struct sense_codec *codec,
                      const struct sense_wire_key *key, void *record, uint32_t *seen)
{
	for (size_t i = 0; i < codec->count; i++)
		if (sense_wire_is(key, codec->members[i].name)) {
			*seen |= 1u << i;
			return get_member(reader, &codec->members[i], record);
		}
	return sense_wire_skip(reader);
}

bool sense_codec_get(struct sense_wire_reader *reader, const struct sense_codec *codec, void *record)
{
	struct sense_wire_key key;
	uint32_t count, seen = 0;

	if (!sense_wire_get_map(reader, &count))
		return false;
	while (count--)
		if (!sense_wire_get_key(reader, &key) || !get_value(reader, codec, &key, record, &seen))
			return false;
	for (size_t i = 0; i < codec->count; i++)
		if (!codec->members[i].optional && !(seen >> i & 1))
			return sense_wire_fail(reader, codec->members[i].lacks);
	return true;
}

bool sense_codec_get_last(struct sense_wire_reader *reader, const struct sense_codec *codec, void *record)
{
	memset(record, 0, codec->size);
	return sense_codec_get(reader, codec, record) &&
	       (reader->at == reader->end || sense_wire_fail(reader, "has bytes behind its end"));
}

bool sense_codec_decode(const struct sense_codec *codec, const uint8_t *data, size_t len, char *storage,
                        void *record, const char **why)
{
	struct sense_wire_reader reader = {.at = data,
	                                   .end = data + len,
	                                   .storage = storage,
	                                   .room = storage ? len + SENSE_MESSAGE_STORAGE_EXTRA : 0};

	bool good = sense_codec_get_last(&reader, codec, record);
	*why = reader.why;
	return good;
}
