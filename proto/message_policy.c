/* Policies: PolicyChanged, GetPolicies, AcknowledgePolicy. */
#include "proto/message_codec.h"

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_policy, #member, member, kind)
static const struct sense_codec_member policy_members[] = {
    MEMBER(generation, U64),
    MEMBER(hash, HASH),
};
#undef MEMBER
SENSE_CODEC_DEFINE(policy, policy_members)

/* ---- GetPolicies --------------------------------------------------------------------------------------- */

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_get_policies, #member, member, kind)
static const struct sense_codec_member get_policies_members[] = {
    MEMBER(generation, U64),
    MEMBER(offset, U64),
};
#undef MEMBER
SENSE_CODEC_DEFINE(get_policies, get_policies_members)

#define MEMBER(key, member, kind, ...) \
	SENSE_CODEC_MEMBER(struct sense_message_policies, key, member, kind, __VA_ARGS__)
static const struct sense_codec_member policies_members[] = {
    MEMBER("generation", policy.generation, U64),
    MEMBER("hash", policy.hash, HASH),
    MEMBER("manifest", manifest, BYTES, .min = 1, .max = SENSE_MESSAGE_MANIFEST_MAX),
    MEMBER("signature", signature, BYTES, .min = SENSE_MESSAGE_SIGNATURE, .max = SENSE_MESSAGE_SIGNATURE),
    MEMBER("size", size, U64),
    MEMBER("offset", offset, U64),
    MEMBER("bytes", bytes, BYTES, .max = SENSE_MESSAGE_PIECE_MAX),
};
#undef MEMBER
static const struct sense_codec policies_codec = SENSE_CODEC(struct sense_message_policies, policies_members);

/* A piece lies within the bundle that it is a piece of. */
static bool within(const struct sense_message_policies *message)
{
	return message->offset <= message->size && message->bytes.len <= message->size - message->offset;
}

void sense_message_put_policies(struct sense_wire_writer *writer,
                                const struct sense_message_policies *message)
{
	if (!within(message))
		writer->full = true;
	sense_codec_put(writer, &policies_codec, message);
}

bool sense_message_get_policies(const uint8_t *data, size_t len, char *storage,
                                struct sense_message_policies *message, const char **why)
{
	if (!sense_codec_decode(&policies_codec, data, len, storage, message, why))
		return false;
	if (within(message))
		return true;
	*why = "has bytes behind the end of the bundle";
	return false;
}

/* ---- AcknowledgePolicy --------------------------------------------------------------------------------- */

static const char *const states[] = {"loaded", "failed", "quarantined", NULL};

static void put_rule_count(struct sense_wire_writer *writer, const void *record)
{
	const struct sense_message_acknowledge *message = record;
	if (message->count > SENSE_MESSAGE_RULES_MAX)
		writer->full = true;
	sense_wire_put_array(writer, message->count);
}

static bool get_rules(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_acknowledge *message = record;

	return sense_codec_get_span(reader, SENSE_MESSAGE_RULES_MAX, &message->count, &message->reader);
}

#define MEMBER(key, member, kind, ...) \
	SENSE_CODEC_MEMBER(struct sense_message_acknowledge, key, member, kind, __VA_ARGS__)
static const struct sense_codec_member acknowledge_members[] = {
    MEMBER("generation", policy.generation, U64),
    MEMBER("hash", policy.hash, HASH),
    MEMBER("loaded", loaded, BOOL),
    MEMBER("problem", problem, TEXT, .optional = true),
    SENSE_CODEC_MEMBER_LIST("rules", get_rules, put_rule_count), /* last: the rules follow */
};
#undef MEMBER
static const struct sense_codec acknowledge_codec =
    SENSE_CODEC(struct sense_message_acknowledge, acknowledge_members);

void sense_message_put_acknowledge(struct sense_wire_writer *writer,
                                   const struct sense_message_acknowledge *message)
{
	sense_codec_put(writer, &acknowledge_codec, message);
}

void sense_message_put_rule(struct sense_wire_writer *writer, const struct sense_message_rule *rule)
{
	if (!rule->state || !sense_codec_one_of(rule->state, states)) {
		writer->full = true;
		return;
	}
	sense_wire_put_array(writer, rule->message ? 3 : 2);
	sense_codec_put_text(writer, rule->id, SENSE_MESSAGE_NAME_MAX);
	sense_wire_put_string(writer, rule->state);
	if (rule->message)
		sense_codec_put_text(writer, rule->message, SENSE_MESSAGE_RULE_TEXT_MAX);
}

bool sense_message_get_acknowledge(const uint8_t *data, size_t len, char *storage,
                                   struct sense_message_acknowledge *message, const char **why)
{
	struct sense_wire_reader reader = {
	    .at = data, .end = data + len, .storage = storage, .room = len + SENSE_MESSAGE_STORAGE_EXTRA};

	bool good = sense_codec_get_last(&reader, &acknowledge_codec, message);
	/* Keys come in any order: the texts of the rules go behind all that were copied by now. */
	message->reader.storage = reader.storage;
	message->reader.room = reader.room;
	*why = reader.why;
	return good;
}

static bool take_rule(struct sense_wire_reader *reader, struct sense_message_rule *out)
{
	uint32_t parts;

	*out = (struct sense_message_rule){0};
	if (!sense_wire_get_array(reader, &parts))
		return false;
	if (parts < 2)
		return sense_wire_fail(reader, "has a rule without id or state");
	if (!sense_codec_get_text(reader, SENSE_MESSAGE_NAME_MAX, &out->id) ||
	    !sense_codec_get_text(reader, SENSE_MESSAGE_NAME_MAX, &out->state))
		return false;
	if (!sense_codec_one_of(out->state, states))
		return sense_wire_fail(reader, "has a rule in a state that is not known");
	if (parts > 2 && !sense_codec_get_text(reader, SENSE_MESSAGE_RULE_TEXT_MAX, &out->message))
		return false;
	for (; parts > 3; parts--)
		if (!sense_wire_skip(reader))
			return false;
	return true;
}

bool sense_message_rule_next(struct sense_message_acknowledge *message, struct sense_message_rule *out)
{
	struct sense_wire_reader *reader = &message->reader;
	return !reader->why && reader->at != reader->end && take_rule(reader, out);
}
