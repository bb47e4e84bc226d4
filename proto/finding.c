#include "proto/finding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/wire.h"

#define MEMBER(member, type)                                                       \
	{                                                                          \
#member, SENSE_WIRE_##type, offsetof(struct sense_finding, member) \
	}

static const struct sense_wire_member members[] = {
    MEMBER(timestamp, U64),   MEMBER(type, STRING),    MEMBER(severity, STRING),
    MEMBER(rule, STRING),     MEMBER(policy, STRING),  MEMBER(source_ip, STRING),
    MEMBER(source_port, U16), MEMBER(dest_ip, STRING), MEMBER(dest_port, U16),
    MEMBER(host, STRING),     MEMBER(service, STRING), MEMBER(service_name, STRING),
    MEMBER(category, STRING), MEMBER(confidence, U8),  MEMBER(process, STRING),
    MEMBER(user, STRING),     MEMBER(summary, STRING), MEMBER(action, STRING),
};
#define COUNT (sizeof(members) / sizeof(*members))

static void put_list(struct sense_wire_writer *writer, const char *name, const char *const *list,
		     unsigned count)
{
	sense_wire_put_string(writer, name);
	sense_wire_put_array(writer, count);
	for (unsigned i = 0; i < count; i++)
		sense_wire_put_string(writer, list[i]);
}

static void put_details(struct sense_wire_writer *writer, const struct sense_finding *finding)
{
	sense_wire_put_string(writer, "details");
	sense_wire_put_map(writer, finding->detail_count);
	for (unsigned i = 0; i < finding->detail_count; i++) {
		const struct sense_detail *detail = &finding->details[i];
		sense_wire_put_string(writer, detail->key);
		switch (detail->type) {
		case SENSE_DETAIL_STRING:
			sense_wire_put_string(writer, detail->string);
			break;
		case SENSE_DETAIL_NUMBER:
			sense_wire_put_number(writer, detail->number);
			break;
		case SENSE_DETAIL_BOOL:
			sense_wire_put_bool(writer, detail->boolean);
			break;
		}
	}
}

/* What the decoder would refuse must not be sent. */
static bool sound(const struct sense_finding *finding)
{
	if (finding->evidence_count > SENSE_FINDING_EVIDENCE_MAX ||
	    finding->detail_count > SENSE_FINDING_DETAILS_MAX ||
	    finding->tag_count > SENSE_FINDING_TAGS_MAX || finding->confidence > 100 || !finding->timestamp ||
	    !finding->rule || !finding->severity)
		return false;
	for (unsigned i = 0; i < finding->evidence_count; i++)
		if (!finding->evidence[i])
			return false;
	for (unsigned i = 0; i < finding->tag_count; i++)
		if (!finding->tags[i])
			return false;
	for (unsigned i = 0; i < finding->detail_count; i++) {
		const struct sense_detail *detail = &finding->details[i];
		if (!detail->key || (detail->type == SENSE_DETAIL_STRING && !detail->string) ||
		    (detail->type == SENSE_DETAIL_NUMBER && !isfinite(detail->number)))
			return false;
	}
	return true;
}

size_t sense_finding_encode(const struct sense_finding *finding, uint8_t *out, size_t cap)
{
	struct sense_wire_writer writer = {
	    .data = out, .cap = cap < SENSE_FINDING_BYTES_MAX ? cap : SENSE_FINDING_BYTES_MAX};

	if (!sound(finding))
		return 0;
	sense_wire_put_map(&writer, sense_wire_count(members, COUNT, finding) + 4);
	sense_wire_put_string(&writer, "id");
	sense_wire_put_bytes(&writer, finding->id, sizeof(finding->id));
	sense_wire_put_members(&writer, members, COUNT, finding);
	put_list(&writer, "evidence", finding->evidence, finding->evidence_count);
	put_details(&writer, finding);
	put_list(&writer, "tags", finding->tags, finding->tag_count);
	return writer.full ? 0 : writer.len;
}

static bool get_list(struct sense_wire_reader *reader, const char **list, unsigned max, unsigned *used)
{
	uint32_t count;

	if (!sense_wire_get_array(reader, &count))
		return false;
	if (count > max)
		return sense_wire_fail(reader, "has a list that is too long");
	for (*used = 0; *used < count; ++*used)
		if (!sense_wire_get_string(reader, &list[*used]))
			return false;
	return true;
}

static bool get_detail(struct sense_wire_reader *reader, struct sense_detail *detail)
{
	if (!sense_wire_get_string(reader, &detail->key))
		return false;
	switch (sense_wire_kind(reader)) {
	case SENSE_WIRE_KIND_STRING:
		detail->type = SENSE_DETAIL_STRING;
		return sense_wire_get_string(reader, &detail->string);
	case SENSE_WIRE_KIND_NUMBER:
		detail->type = SENSE_DETAIL_NUMBER;
		return sense_wire_get_number(reader, &detail->number);
	case SENSE_WIRE_KIND_BOOL:
		detail->type = SENSE_DETAIL_BOOL;
		return sense_wire_get_bool(reader, &detail->boolean);
	case SENSE_WIRE_KIND_END:
		return sense_wire_fail(reader, "ends early");
	default:
		return sense_wire_fail(reader, "has a detail that is no text, number or boolean");
	}
}

static bool get_details(struct sense_wire_reader *reader, struct sense_finding *finding)
{
	uint32_t count;

	if (!sense_wire_get_map(reader, &count))
		return false;
	if (count > SENSE_FINDING_DETAILS_MAX)
		return sense_wire_fail(reader, "has too many details");
	for (finding->detail_count = 0; finding->detail_count < count; finding->detail_count++)
		if (!get_detail(reader, &finding->details[finding->detail_count]))
			return false;
	return true;
}

static bool get_field(struct sense_wire_reader *reader, const struct sense_wire_key *key,
		      struct sense_finding *finding, bool *has_id)
{
	bool known;

	if (sense_wire_is(key, "id")) {
		*has_id = true;
		return sense_wire_get_bytes(reader, finding->id, sizeof(finding->id));
	}
	if (sense_wire_is(key, "evidence"))
		return get_list(reader, finding->evidence, SENSE_FINDING_EVIDENCE_MAX,
				&finding->evidence_count);
	if (sense_wire_is(key, "tags"))
		return get_list(reader, finding->tags, SENSE_FINDING_TAGS_MAX, &finding->tag_count);
	if (sense_wire_is(key, "details"))
		return get_details(reader, finding);
	if (!sense_wire_get_member(reader, key, members, COUNT, finding, &known))
		return false;
	return known || sense_wire_skip(reader);
}

static bool read_finding(struct sense_wire_reader *reader, struct sense_finding *finding)
{
	struct sense_wire_key key;
	uint32_t count;
	bool has_id = false;

	if (!sense_wire_get_map(reader, &count))
		return false;
	while (count--)
		if (!sense_wire_get_key(reader, &key) || !get_field(reader, &key, finding, &has_id))
			return false;
	if (reader->at != reader->end)
		return sense_wire_fail(reader, "has bytes behind its end");
	if (!has_id || !finding->timestamp || !finding->rule || !finding->severity)
		return sense_wire_fail(reader, "lacks its id, timestamp, rule or severity");
	return finding->confidence <= 100 || sense_wire_fail(reader, "is more than sure");
}

bool sense_finding_decode(const uint8_t *data, size_t len, char *storage, size_t cap,
			  struct sense_finding *finding, const char **why)
{
	struct sense_wire_reader reader = {.at = data, .end = data + len, .storage = storage, .room = cap};

	memset(finding, 0, sizeof(*finding));
	bool good = len <= SENSE_FINDING_BYTES_MAX
		      ? read_finding(&reader, finding)
		      : sense_wire_fail(&reader, "is larger than a finding may be");
	*why = reader.why;
	return good;
}

void sense_finding_id_format(const uint8_t id[16], char out[37])
{
	for (unsigned i = 0, at = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		at += (unsigned)snprintf(out + at, 37 - at, "%02x", id[i]);
	}
}
