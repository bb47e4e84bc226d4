#include "proto/finding_spans.h"

#include <string.h>

#include "proto/wire.h"

enum kind { TEXT, U8, U16, U64, ID, EVIDENCE, DETAILS, TAGS };

struct member {
	const char *name;
	uint32_t len;
	enum kind kind;
	size_t offset;
};

#define MEMBER(member, kind)                                                             \
	{                                                                                \
#member, sizeof(#member) - 1, kind, offsetof(struct sense_spans, member) \
	}
/* In the order in which agents write them. */
static const struct member members[] = {
    MEMBER(id, ID),
    MEMBER(timestamp, U64),
    MEMBER(type, TEXT),
    MEMBER(severity, TEXT),
    MEMBER(rule, TEXT),
    MEMBER(policy, TEXT),
    MEMBER(source_ip, TEXT),
    MEMBER(source_port, U16),
    MEMBER(dest_ip, TEXT),
    MEMBER(dest_port, U16),
    MEMBER(host, TEXT),
    MEMBER(service, TEXT),
    MEMBER(service_name, TEXT),
    MEMBER(category, TEXT),
    MEMBER(confidence, U8),
    MEMBER(process, TEXT),
    MEMBER(user, TEXT),
    MEMBER(summary, TEXT),
    MEMBER(action, TEXT),
    MEMBER(evidence, EVIDENCE),
    MEMBER(details, DETAILS),
    MEMBER(tags, TAGS),
};
enum { COUNT = sizeof(members) / sizeof(*members) };

/* The member that a key names; *next is where the search begins: nearly always it is the first one looked at. */
static const struct member *find(const struct sense_wire_key *key, unsigned *next)
{
	for (unsigned i = 0, at = *next; i < COUNT; i++, at = at + 1 < COUNT ? at + 1 : 0) {
		if (members[at].len != key->len || memcmp(members[at].name, key->text, key->len) != 0)
			continue;
		*next = at + 1 < COUNT ? at + 1 : 0;
		return &members[at];
	}
	return NULL;
}

static bool get_text(struct sense_wire_reader *reader, struct sense_span *out)
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
	*out = (struct sense_span){text.text, (uint32_t)text.len};
	return true;
}

static bool get_list(struct sense_wire_reader *reader, struct sense_span *list, unsigned max, unsigned *used)
{
	uint32_t count;

	if (!sense_wire_get_array(reader, &count))
		return false;
	if (count > max)
		return sense_wire_fail(reader, "has a list that is too long");
	for (*used = 0; *used < count; ++*used)
		if (!get_text(reader, &list[*used]))
			return false;
	return true;
}

static bool get_detail(struct sense_wire_reader *reader, struct sense_span_detail *detail)
{
	if (!get_text(reader, &detail->key))
		return false;
	switch (sense_wire_kind(reader)) {
	case SENSE_WIRE_KIND_STRING:
		detail->type = SENSE_DETAIL_STRING;
		return get_text(reader, &detail->string);
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

static bool get_details(struct sense_wire_reader *reader, struct sense_spans *out)
{
	uint32_t count;

	if (!sense_wire_get_map(reader, &count))
		return false;
	if (count > SENSE_FINDING_DETAILS_MAX)
		return sense_wire_fail(reader, "has too many details");
	for (out->detail_count = 0; out->detail_count < count; out->detail_count++)
		if (!get_detail(reader, &out->details[out->detail_count]))
			return false;
	return true;
}

static bool get_value(struct sense_wire_reader *reader, const struct member *member, struct sense_spans *out)
{
	void *at = (char *)out + member->offset;
	uint64_t number;

	switch (member->kind) {
	case TEXT:
		return get_text(reader, at);
	case U8:
		if (!sense_wire_get_uint(reader, UINT8_MAX, &number))
			return false;
		*(uint8_t *)at = (uint8_t)number;
		return true;
	case U16:
		if (!sense_wire_get_uint(reader, UINT16_MAX, &number))
			return false;
		*(uint16_t *)at = (uint16_t)number;
		return true;
	case U64:
		return sense_wire_get_uint(reader, UINT64_MAX, at);
	case ID:
		return sense_wire_get_bytes(reader, at, 16);
	case EVIDENCE:
		return get_list(reader, out->evidence, SENSE_FINDING_EVIDENCE_MAX, &out->evidence_count);
	case DETAILS:
		return get_details(reader, out);
	case TAGS:
		return get_list(reader, out->tags, SENSE_FINDING_TAGS_MAX, &out->tag_count);
	}
	return false;
}

static bool read_members(struct sense_wire_reader *reader, struct sense_spans *out)
{
	struct sense_wire_key key;
	bool has_id = false;
	unsigned next = 0;
	uint32_t count;

	if (!sense_wire_get_map(reader, &count))
		return false;
	for (; count; count--) {
		if (!sense_wire_get_key(reader, &key))
			return false;
		const struct member *member = find(&key, &next);
		if (member ? !get_value(reader, member, out) : !sense_wire_skip(reader))
			return false;
		has_id = has_id || (member && member->kind == ID);
	}
	if (reader->at != reader->end)
		return sense_wire_fail(reader, "has bytes behind its end");
	if (!has_id || !out->timestamp || !out->rule.data || !out->severity.data)
		return sense_wire_fail(reader, "lacks its id, timestamp, rule or severity");
	return out->confidence <= 100 || sense_wire_fail(reader, "is more than sure");
}

bool sense_spans_read(const uint8_t *data, size_t len, struct sense_spans *out, const char **why)
{
	struct sense_wire_reader reader = {.at = data, .end = data + len};

	/* What the lists hold counts only as far as their counts say. */
	memset(out, 0, offsetof(struct sense_spans, evidence));
	bool good = len <= SENSE_FINDING_BYTES_MAX
	              ? read_members(&reader, out)
	              : sense_wire_fail(&reader, "is larger than a finding may be");
	*why = reader.why;
	return good;
}
