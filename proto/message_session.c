/* What agent and server say about themselves: RegisterAgent, Heartbeat, RenewCertificate, errors. */
#include "proto/message_codec.h"

/* ---- RegisterAgent ------------------------------------------------------------------------------------- */

#define MEMBER(member, kind, ...) \
	SENSE_CODEC_MEMBER(struct sense_message_register, #member, member, kind, __VA_ARGS__)
static const struct sense_codec_member register_members[] = {
    MEMBER(version, NAME),
    MEMBER(host, NAME),
    MEMBER(os, NAME),
    MEMBER(kernel, NAME, .optional = true),
    MEMBER(arch, NAME, .optional = true),
    SENSE_CODEC_POLICY(struct sense_message_register),
};
#undef MEMBER
SENSE_CODEC_DEFINE(register, register_members)

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_registered, #member, member, kind)
static const struct sense_codec_member registered_members[] = {
    MEMBER(agent, UUID),      MEMBER(organization, UUID),
    MEMBER(time, U64),        MEMBER(heartbeat, U32),
    MEMBER(through, U64),     MEMBER(batch_rows, U32),
    MEMBER(batch_bytes, U32), SENSE_CODEC_POLICY(struct sense_message_registered),
};
#undef MEMBER
SENSE_CODEC_DEFINE(registered, registered_members)

/* ---- Heartbeat ----------------------------------------------------------------------------------------- */

static void put_counters(struct sense_wire_writer *writer, const void *record)
{
	const struct sense_message_heartbeat *message = record;

	if (message->counter_count > SENSE_MESSAGE_COUNTERS_MAX) {
		writer->full = true;
		return;
	}
	sense_wire_put_map(writer, message->counter_count);
	for (unsigned i = 0; i < message->counter_count; i++) {
		sense_codec_put_text(writer, message->counters[i].name, SENSE_MESSAGE_NAME_MAX);
		sense_wire_put_uint(writer, message->counters[i].value);
	}
}

static bool get_counters(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_heartbeat *message = record;
	uint32_t count;

	if (!sense_codec_get_count(reader, true, SENSE_MESSAGE_COUNTERS_MAX, &count))
		return false;
	message->counter_count = count;
	for (unsigned i = 0; i < count; i++)
		if (!sense_codec_get_text(reader, SENSE_MESSAGE_NAME_MAX, &message->counters[i].name) ||
		    !sense_wire_get_uint(reader, UINT64_MAX, &message->counters[i].value))
			return false;
	return true;
}

static void put_gaps(struct sense_wire_writer *writer, const void *record)
{
	const struct sense_message_heartbeat *message = record;

	if (message->gap_count > SENSE_MESSAGE_GAPS_MAX) {
		writer->full = true;
		return;
	}
	sense_wire_put_array(writer, message->gap_count);
	for (unsigned i = 0; i < message->gap_count; i++)
		sense_codec_put_text(writer, message->gaps[i], SENSE_MESSAGE_TEXT_MAX);
}

static bool get_gaps(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_heartbeat *message = record;
	uint32_t count;

	if (!sense_codec_get_count(reader, false, SENSE_MESSAGE_GAPS_MAX, &count))
		return false;
	message->gap_count = count;
	for (unsigned i = 0; i < count; i++)
		if (!sense_codec_get_text(reader, SENSE_MESSAGE_TEXT_MAX, &message->gaps[i]))
			return false;
	return true;
}

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_heartbeat, #member, member, kind)
static const struct sense_codec_member heartbeat_members[] = {
    MEMBER(time, U64),
    MEMBER(uptime, U64),
    SENSE_CODEC_MEMBER_LIST("counters", get_counters, put_counters),
    SENSE_CODEC_MEMBER_LIST("gaps", get_gaps, put_gaps),
    SENSE_CODEC_POLICY(struct sense_message_heartbeat),
    MEMBER(rules, U32),
    MEMBER(rules_failing, U32),
    MEMBER(rules_quarantined, U32),
};
#undef MEMBER
SENSE_CODEC_DEFINE(heartbeat, heartbeat_members)

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_beat, #member, member, kind)
static const struct sense_codec_member beat_members[] = {
    MEMBER(time, U64),
    SENSE_CODEC_POLICY(struct sense_message_beat),
    MEMBER(commands, U32),
};
#undef MEMBER
SENSE_CODEC_DEFINE(beat, beat_members)

/* ---- RenewCertificate ---------------------------------------------------------------------------------- */

struct renew {
	struct sense_message_bytes request;
};

static const struct sense_codec_member renew_members[] = {
    SENSE_CODEC_MEMBER(struct renew, "request", request, BYTES, .min = 1, .max = SENSE_MESSAGE_DER_MAX),
};
static const struct sense_codec renew_codec = SENSE_CODEC(struct renew, renew_members);

void sense_message_put_renew(struct sense_wire_writer *writer, const uint8_t *request, size_t len)
{
	sense_codec_put(writer, &renew_codec, &(struct renew){{request, len}});
}

bool sense_message_get_renew(const uint8_t *data, size_t len, struct sense_message_bytes *request,
                             const char **why)
{
	struct renew message;
	bool good = sense_codec_decode(&renew_codec, data, len, NULL, &message, why);
	*request = message.request;
	return good;
}

static void put_chain(struct sense_wire_writer *writer, const void *record)
{
	const struct sense_message_renewed *message = record;

	if (message->chain_count > SENSE_MESSAGE_CHAIN_MAX) {
		writer->full = true;
		return;
	}
	sense_wire_put_array(writer, message->chain_count);
	for (unsigned i = 0; i < message->chain_count; i++) {
		const struct sense_message_bytes *link = &message->chain[i];
		if (link->data && link->len && link->len <= SENSE_MESSAGE_DER_MAX)
			sense_wire_put_bytes(writer, link->data, link->len);
		else
			writer->full = true;
	}
}

static bool get_chain(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_renewed *message = record;
	uint32_t count;

	if (!sense_codec_get_count(reader, false, SENSE_MESSAGE_CHAIN_MAX, &count))
		return false;
	message->chain_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct sense_message_bytes *link = &message->chain[i];
		if (!sense_wire_get_span(reader, SENSE_MESSAGE_DER_MAX, &link->data, &link->len))
			return false;
		if (!link->len)
			return sense_wire_fail(reader, "has an empty certificate");
	}
	return true;
}

#define MEMBER(member, kind, ...) \
	SENSE_CODEC_MEMBER(struct sense_message_renewed, #member, member, kind, __VA_ARGS__)
static const struct sense_codec_member renewed_members[] = {
    MEMBER(certificate, BYTES, .min = 1, .max = SENSE_MESSAGE_DER_MAX),
    SENSE_CODEC_MEMBER_LIST("chain", get_chain, put_chain),
    MEMBER(expires, U64),
};
#undef MEMBER
SENSE_CODEC_DEFINE(renewed, renewed_members)

/* ---- errors, and nothing ------------------------------------------------------------------------------- */

#define MEMBER(member, kind, ...) \
	SENSE_CODEC_MEMBER(struct sense_message_error, #member, member, kind, __VA_ARGS__)
static const struct sense_codec_member error_members[] = {
    MEMBER(code, NAME),
    MEMBER(message, TEXT),
    MEMBER(retry, U32, .optional = true),
    MEMBER(through, U64, .optional = true),
};
#undef MEMBER
SENSE_CODEC_DEFINE(error, error_members)

void sense_message_put_nothing(struct sense_wire_writer *writer)
{
	sense_wire_put_map(writer, 0);
}
