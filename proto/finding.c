#include "proto/finding.h"

#include <math.h>
#include <string.h>

#include "proto/finding_spans.h"
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

/* ---- decoding: read where it lies, then texts are copied -------------------------------------------- */

struct text {
	size_t from, to; /* in struct sense_spans and in struct sense_finding */
};

#define TEXT(member)                                                                          \
	{                                                                                     \
		offsetof(struct sense_spans, member), offsetof(struct sense_finding, member) \
	}
static const struct text texts[] = {
    TEXT(type),    TEXT(severity),     TEXT(rule),     TEXT(policy),  TEXT(source_ip), TEXT(dest_ip), TEXT(host),
    TEXT(service), TEXT(service_name), TEXT(category), TEXT(process), TEXT(user),      TEXT(summary), TEXT(action),
};

struct storage {
	char *at;
	size_t room;
};

static bool keep(struct storage *storage, const struct sense_span *span, const char **out)
{
	if (span->len >= storage->room)
		return false;
	memcpy(storage->at, span->data, span->len);
	storage->at[span->len] = '\0';
	*out = storage->at;
	storage->at += span->len + 1u;
	storage->room -= span->len + 1u;
	return true;
}

static bool keep_list(struct storage *storage, const struct sense_span *spans, unsigned count, const char **list)
{
	for (unsigned i = 0; i < count; i++)
		if (!keep(storage, &spans[i], &list[i]))
			return false;
	return true;
}

static bool keep_details(struct storage *storage, const struct sense_spans *spans, struct sense_finding *finding)
{
	for (unsigned i = 0; i < spans->detail_count; i++) {
		const struct sense_span_detail *from = &spans->details[i];
		struct sense_detail *to = &finding->details[i];
		to->type = from->type;
		if (!keep(storage, &from->key, &to->key) ||
		    (from->type == SENSE_DETAIL_STRING && !keep(storage, &from->string, &to->string)))
			return false;
		to->number = from->type == SENSE_DETAIL_NUMBER ? from->number : 0;
		to->boolean = from->type == SENSE_DETAIL_BOOL && from->boolean;
	}
	finding->detail_count = spans->detail_count;
	return true;
}

static bool keep_all(struct storage *storage, const struct sense_spans *spans, struct sense_finding *finding)
{
	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const struct sense_span *span = (const void *)((const char *)spans + texts[i].from);
		if (span->data && !keep(storage, span, (const char **)(void *)((char *)finding + texts[i].to)))
			return false;
	}
	memcpy(finding->id, spans->id, sizeof(finding->id));
	finding->timestamp = spans->timestamp;
	finding->source_port = spans->source_port;
	finding->dest_port = spans->dest_port;
	finding->confidence = spans->confidence;
	finding->evidence_count = spans->evidence_count;
	finding->tag_count = spans->tag_count;
	return keep_list(storage, spans->evidence, spans->evidence_count, finding->evidence) &&
	       keep_details(storage, spans, finding) &&
	       keep_list(storage, spans->tags, spans->tag_count, finding->tags);
}

bool sense_finding_decode(const uint8_t *data, size_t len, char *storage, size_t cap,
			  struct sense_finding *finding, const char **why)
{
	struct sense_spans spans;
	struct storage into = {storage, cap};

	memset(finding, 0, sizeof(*finding));
	if (!sense_spans_read(data, len, &spans, why))
		return false;
	if (keep_all(&into, &spans, finding))
		return true;
	*why = "has more text than there is room for";
	return false;
}
