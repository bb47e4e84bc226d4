/*
 * How the messages of proto/message.h are described: one table of members for each, by which it is written
 * and read. Nobody but proto/message_*.c includes this.
 *
 * Of a message that a decoder would refuse (a count above its bound, a name that is NULL) nothing is sent:
 * the writer is marked as full. Texts that are too long are cut where a character ends.
 */
#ifndef SENSE_PROTO_MESSAGE_CODEC_H
#define SENSE_PROTO_MESSAGE_CODEC_H

#include "proto/message.h"

enum sense_codec_type {
	SENSE_CODEC_NAME, /* const char *, at most SENSE_MESSAGE_NAME_MAX bytes; NULL: not there */
	SENSE_CODEC_TEXT, /* the same with SENSE_MESSAGE_TEXT_MAX */
	SENSE_CODEC_UUID, /* const char *, the usual form in lower case */
	SENSE_CODEC_U32,  /* one that may be missing is left out when it is 0 */
	SENSE_CODEC_U64,  /* the same */
	SENSE_CODEC_BOOL,
	SENSE_CODEC_HASH,  /* uint8_t[SENSE_MESSAGE_HASH]; one that may be missing is left out when all zeroes
	                    */
	SENSE_CODEC_BYTES, /* struct sense_message_bytes */
	SENSE_CODEC_LIST   /* by get and put */
};

struct sense_codec_member {
	const char *name, *lacks;
	enum sense_codec_type type;
	bool optional;
	size_t offset;
	size_t min, max; /* of BYTES */
	bool (*get)(struct sense_wire_reader *reader, void *record);
	void (*put)(struct sense_wire_writer *writer, const void *record);
};
/* Behind these come .optional, .min, .max where they are not 0. */
#define SENSE_CODEC_MEMBER(record, key, member, kind, ...)                            \
	{                                                                             \
		.name = (key), .lacks = "lacks its " key, .type = SENSE_CODEC_##kind, \
		.offset = offsetof(record, member), __VA_ARGS__                       \
	}
#define SENSE_CODEC_MEMBER_LIST(key, getter, putter)                                                 \
	{                                                                                            \
		.name = (key), .lacks = "lacks its " key, .type = SENSE_CODEC_LIST, .get = (getter), \
		.put = (putter)                                                                      \
	}

struct sense_codec {
	const struct sense_codec_member *members;
	size_t count; /* at most 32 */
	size_t size;  /* of the struct */
};
#define SENSE_CODEC(record, table)                                        \
	{                                                                 \
		(table), sizeof(table) / sizeof(*(table)), sizeof(record) \
	}

/* Which policies an agent runs, or should run, beside other things. */
#define SENSE_CODEC_POLICY(record)                                               \
	SENSE_CODEC_MEMBER(record, "policy_generation", policy.generation, U64), \
	    SENSE_CODEC_MEMBER(record, "policy_hash", policy.hash, HASH, .optional = true)

/* What proto/message.h declares for a message that its table says all about. */
#define SENSE_CODEC_DEFINE(name, table)                                                                 \
	static const struct sense_codec name##_codec = SENSE_CODEC(struct sense_message_##name, table); \
	void sense_message_put_##name(struct sense_wire_writer *writer,                                 \
	                              const struct sense_message_##name *message)                       \
	{                                                                                               \
		sense_codec_put(writer, &name##_codec, message);                                        \
	}                                                                                               \
	bool sense_message_get_##name(const uint8_t *data, size_t len, char *storage,                   \
	                              struct sense_message_##name *message, const char **why)           \
	{                                                                                               \
		return sense_codec_decode(&name##_codec, data, len, storage, message, why);             \
	}

void sense_codec_put(struct sense_wire_writer *writer, const struct sense_codec *codec, const void *record);
/* The next value, which is the map. */
bool sense_codec_get(struct sense_wire_reader *reader, const struct sense_codec *codec, void *record);
/* The same, and nothing may follow it. */
bool sense_codec_get_last(struct sense_wire_reader *reader, const struct sense_codec *codec, void *record);
bool sense_codec_decode(const struct sense_codec *codec, const uint8_t *data, size_t len, char *storage,
                        void *record, const char **why);

/* ---- for the lists ------------------------------------------------------------------------------------ */

void sense_codec_put_text(struct sense_wire_writer *writer, const char *text, size_t max);
bool sense_codec_get_text(struct sense_wire_reader *reader, size_t max, const char **text);
/* How many; false and a reason when there are more than may be. */
bool sense_codec_get_count(struct sense_wire_reader *reader, bool map, uint32_t max, uint32_t *count);
/* An array to be read later, value by value, from *later on; that each is a value is seen by walking over them. */
bool sense_codec_get_span(struct sense_wire_reader *reader, uint32_t max, uint32_t *count,
                          struct sense_wire_reader *later);
/* Whether the text is one of these; the list ends with NULL. */
bool sense_codec_one_of(const char *text, const char *const *list);

#endif
