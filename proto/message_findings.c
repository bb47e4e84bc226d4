/* ReportFindings: a batch is written and read finding by finding. */
#include "proto/message_codec.h"

void sense_message_put_findings(struct sense_wire_writer *writer, uint64_t after, uint32_t count)
{
	if (count > SENSE_MESSAGE_FINDINGS_MAX)
		writer->full = true;
	sense_wire_put_map(writer, 2);
	sense_wire_put_string(writer, "after");
	sense_wire_put_uint(writer, after);
	sense_wire_put_string(writer, "findings");
	sense_wire_put_array(writer, count);
}

void sense_message_put_finding(struct sense_wire_writer *writer, uint64_t sequence, const uint8_t *finding,
                               size_t len)
{
	sense_wire_put_array(writer, 2);
	sense_wire_put_uint(writer, sequence);
	sense_wire_put_bytes(writer, finding, len);
}

static bool get_batch(struct sense_wire_reader *reader, void *record)
{
	struct sense_message_findings *message = record;

	return sense_codec_get_span(reader, SENSE_MESSAGE_FINDINGS_MAX, &message->count, &message->reader);
}

static const struct sense_codec_member findings_members[] = {
    SENSE_CODEC_MEMBER(struct sense_message_findings, "after", after, U64),
    SENSE_CODEC_MEMBER_LIST("findings", get_batch, NULL),
};
static const struct sense_codec findings_codec = SENSE_CODEC(struct sense_message_findings, findings_members);

bool sense_message_get_findings(const uint8_t *data, size_t len, struct sense_message_findings *message,
                                const char **why)
{
	bool good = sense_codec_decode(&findings_codec, data, len, NULL, message, why);
	message->last = message->after;
	return good;
}

static bool take_finding(struct sense_message_findings *message, struct sense_message_finding *out)
{
	struct sense_wire_reader *reader = &message->reader;
	uint32_t parts;

	if (!sense_wire_get_array(reader, &parts))
		return false;
	if (parts < 2)
		return sense_wire_fail(reader, "has a finding without sequence or bytes");
	if (!sense_wire_get_uint(reader, UINT64_MAX, &out->sequence) ||
	    !sense_wire_get_span(reader, SIZE_MAX, &out->finding.data, &out->finding.len))
		return false;
	for (; parts > 2; parts--)
		if (!sense_wire_skip(reader))
			return false;
	return out->sequence > message->last ||
	       sense_wire_fail(reader, "has findings whose sequences do not ascend");
}

bool sense_message_finding_next(struct sense_message_findings *message, struct sense_message_finding *out)
{
	struct sense_wire_reader *reader = &message->reader;

	if (reader->why || reader->at == reader->end || !take_finding(message, out))
		return false;
	message->last = out->sequence;
	return true;
}

#define MEMBER(member, kind) SENSE_CODEC_MEMBER(struct sense_message_reported, #member, member, kind)
static const struct sense_codec_member reported_members[] = {
    MEMBER(through, U64),
    MEMBER(refused, U32),
};
#undef MEMBER
SENSE_CODEC_DEFINE(reported, reported_members)
