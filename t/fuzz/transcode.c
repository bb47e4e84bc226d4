/*
 * Any bytes as a finding: either refused with a reason, or a row that COPY BINARY takes. In both cases the row of the
 * quarantine is one, too. What is read where it lies is what proto/finding.h reads.
 */
#include <stdlib.h>

#include "proto/finding_spans.h"
#include "server/ingest/transcode.h"
#include "t/copy_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct sense_span *span, const char *text)
{
	if (!span->data != !text ||
	    (text && (strlen(text) != span->len || memcmp(text, span->data, span->len) != 0)))
		abort();
}

static void same_details(const struct sense_spans *spans, const struct sense_finding *finding)
{
	if (spans->detail_count != finding->detail_count)
		abort();
	for (unsigned i = 0; i < finding->detail_count; i++) {
		const struct sense_detail *detail = &finding->details[i];
		same(&spans->details[i].key, detail->key);
		if (spans->details[i].type != detail->type)
			abort();
		if (detail->type == SENSE_DETAIL_STRING)
			same(&spans->details[i].string, detail->string);
		else if (detail->type == SENSE_DETAIL_NUMBER ? spans->details[i].number != detail->number
		                                             : spans->details[i].boolean != detail->boolean)
			abort();
	}
}

static void compare(const uint8_t *data, size_t size)
{
	static char storage[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding;
	struct sense_spans spans;
	const char *why, *why_spans;

	bool good = sense_finding_decode(data, size, storage, sizeof(storage), &finding, &why);
	if (sense_spans_read(data, size, &spans, &why_spans) != good ||
	    (!good && strcmp(why, why_spans) != 0))
		abort();
	if (!good)
		return;
#define SAME(member) same(&spans.member, finding.member)
	SAME(type), SAME(severity), SAME(rule), SAME(policy), SAME(source_ip), SAME(dest_ip), SAME(host),
	    SAME(service);
	SAME(service_name), SAME(category), SAME(process), SAME(user), SAME(summary), SAME(action);
#undef SAME
	if (memcmp(spans.id, finding.id, 16) != 0 || spans.timestamp != finding.timestamp ||
	    spans.source_port != finding.source_port || spans.dest_port != finding.dest_port ||
	    spans.confidence != finding.confidence || spans.evidence_count != finding.evidence_count ||
	    spans.tag_count != finding.tag_count)
		abort();
	for (unsigned i = 0; i < finding.evidence_count; i++)
		same(&spans.evidence[i], finding.evidence[i]);
	for (unsigned i = 0; i < finding.tag_count; i++)
		same(&spans.tags[i], finding.tags[i]);
	same_details(&spans, &finding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_row_origin origin = {.received_us = UINT64_C(1790000000000000),
	                                  .oldest_us = size % 3 ? 0 : 1000};
	struct sense_rows rows = {0};
	struct sense_finding_row row;

	compare(data, size);
	for (unsigned i = 0; i < 2; i++) { /* the second behind the first */
		size_t before = rows.len;
		const char *why = sense_row_add(&rows, &origin, i + 1, data, size, &row);
		if (why ? !*why || rows.len != before : rows.len != before + row.len)
			abort();
		if (!why && *copy_check(COPY_FINDING, rows.data + before, row.len))
			abort();
		if (!why &&
		    (row.severity > 4 || row.time_us > origin.received_us + SENSE_ROW_FUTURE_US ||
		     row.type.at + row.type.len > row.len || row.service.at + row.service.len > row.len ||
		     row.category.at + row.category.len > row.len))
			abort();
		before = rows.len;
		sense_row_quarantine(&rows, &origin, i + 1, why ? why : "no reason", data, size);
		if (*copy_check(COPY_QUARANTINE, rows.data + before, rows.len - before))
			abort();
	}
	sense_rows_fini(&rows);
	return 0;
}
