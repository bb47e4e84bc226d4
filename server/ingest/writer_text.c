/*
 * What a transaction sends: one query of several statements, whose COPYs are then fed. So it takes as many round trips
 * as there are COPYs, and one of them is the claim's, too.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/ingest/internal.h"

#define PIECE ((size_t)256 << 10) /* of a COPY, handed over at a time */

static const char findings_columns[] =
    "id, org_id, agent_id, ts, received, sequence, type, severity, rule, policy, source_ip, source_port, dest_ip, "
    "dest_port, host, service, service_name, category, confidence, evidence, process, \"user\", summary, details, tags, "
    "action";

static void put_numbers(struct sense_buf *text, const struct sense_ingest_writer *writer, size_t offset)
{
	sense_buf_adds(text, "','{");
	for (unsigned i = 0; i < writer->claim_count; i++) {
		uint64_t number;
		memcpy(&number, (const char *)&writer->claims[i] + offset, sizeof(number));
		sense_buf_printf(text, "%s%llu", i ? "," : "", (unsigned long long)number);
	}
	sense_buf_adds(text, "}");
}

static void put_times(struct sense_buf *text, const struct sense_ingest_writer *writer, size_t offset)
{
	sense_buf_adds(text, "','{");
	for (unsigned i = 0; i < writer->claim_count; i++) {
		char when[40];
		struct tm parts;
		uint64_t us;
		memcpy(&us, (const char *)&writer->claims[i] + offset, sizeof(us));
		time_t seconds = (time_t)(us / 1000000);
		gmtime_r(&seconds, &parts);
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
		sense_buf_printf(text, "%s\"%s.%06u+00\"", i ? "," : "", when, (unsigned)(us % 1000000));
	}
	sense_buf_adds(text, "}");
}

/* Nothing in it comes from outside but UUIDs that were read, and numbers. */
bool sense_ingest_compose(struct sense_ingest_writer *writer)
{
	struct sense_buf *text = &writer->text;

	sense_buf_clear(text);
	sense_buf_adds(text, "BEGIN;SELECT batch, through FROM sense.claim('{");
	for (unsigned i = 0; i < writer->claim_count; i++)
		sense_buf_printf(text, "%s%s", i ? "," : "", writer->claims[i].batch->org);
	sense_buf_adds(text, "}','{");
	for (unsigned i = 0; i < writer->claim_count; i++)
		sense_buf_printf(text, "%s%s", i ? "," : "", writer->claims[i].batch->agent);
	sense_buf_adds(text, "}");
	put_numbers(text, writer, offsetof(struct sense_ingest_claim, after));
	put_numbers(text, writer, offsetof(struct sense_ingest_claim, last));
	put_times(text, writer, offsetof(struct sense_ingest_claim, first_us));
	put_times(text, writer, offsetof(struct sense_ingest_claim, last_us));
	sense_buf_printf(text, "');COPY sense.findings (%s) FROM STDIN BINARY;", findings_columns);
	if (writer->quarantines)
		sense_buf_adds(
		    text,
		    "COPY sense.findings_quarantine (org_id, agent_id, sequence, received, reason, finding) "
		    "FROM STDIN BINARY;");
	sense_buf_adds(
	    text,
	    "COPY sense.findings_hourly_new (org_id, hour, severity, type, service, category, findings) "
	    "FROM STDIN BINARY;COMMIT");
	return !text->failed;
}

/* ---- feeding ---------------------------------------------------------------------------------------------- */

static bool put(struct sense_ingest_writer *writer, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len; at += PIECE) {
		size_t piece = len - at < PIECE ? len - at : PIECE;
		if (PQputCopyData(writer->link.conn, (const char *)data + at, (int)piece) != 1)
			return false;
	}
	return true;
}

/* The first row of a part that is to be taken: those before it are kept already, or there is a gap. */
static uint32_t first_taken(const struct sense_ingest_writer *writer, const struct sense_ingest_part *part)
{
	const struct sense_ingest_claim *claim = &writer->claims[part->claim];
	uint32_t at = part->from;

	if (!claim->known || claim->after > claim->through)
		return part->to;
	while (at < part->to && part->batch->items[at].sequence <= claim->through)
		at++;
	return at;
}

/* Neighbours go out together. */
static bool put_findings(struct sense_ingest_writer *writer, const struct sense_ingest_part *part)
{
	const struct sense_ingest_batch *batch = part->batch;
	uint32_t first = first_taken(writer, part);
	size_t begin = 0, end = 0;

	if (writer->claims[part->claim].known &&
	    writer->claims[part->claim].after <= writer->claims[part->claim].through)
		writer->duplicates += first - part->from;
	for (uint32_t i = first; i < part->to; i++) {
		const struct sense_ingest_item *item = &batch->items[i];
		if (item->reason) {
			writer->quarantined++;
			continue;
		}
		writer->rows_taken++;
		sense_tally_add(&writer->tally, batch->origin.org, &item->row, batch->rows.data + item->at);
		if (item->at != end) {
			if (!put(writer, batch->rows.data + begin, end - begin))
				return false;
			begin = item->at;
		}
		end = item->at + item->row.len;
	}
	return put(writer, batch->rows.data + begin, end - begin);
}

static void put_quarantine(struct sense_ingest_writer *writer, const struct sense_ingest_part *part)
{
	const struct sense_ingest_batch *batch = part->batch;

	for (uint32_t i = first_taken(writer, part); i < part->to; i++) {
		const struct sense_ingest_item *item = &batch->items[i];
		if (item->reason)
			sense_row_quarantine(&writer->quarantine, &batch->origin, item->sequence,
			                     item->reason, batch->raw + item->raw_at, item->raw_len);
	}
}

static bool put_all_findings(struct sense_ingest_writer *writer)
{
	bool good = true;

	writer->counts.len = 0;
	writer->rows_taken = writer->quarantined = writer->duplicates = 0;
	sense_tally_begin(&writer->tally, &writer->counts);
	for (unsigned i = 0; i < writer->part_count && good; i++)
		good = put_findings(writer, &writer->parts[i]);
	sense_tally_end(&writer->tally);
	return good;
}

bool sense_ingest_send_copy(struct sense_ingest_writer *writer)
{
	bool good = put(writer, sense_copy_header, SENSE_COPY_HEADER);

	switch (writer->copy) {
	case SENSE_COPY_FINDINGS:
		good = good && put_all_findings(writer);
		writer->copy = writer->quarantines ? SENSE_COPY_QUARANTINE : SENSE_COPY_COUNTS;
		break;
	case SENSE_COPY_QUARANTINE:
		writer->quarantine.len = 0;
		for (unsigned i = 0; i < writer->part_count; i++)
			put_quarantine(writer, &writer->parts[i]);
		good = good && put(writer, writer->quarantine.data, writer->quarantine.len);
		writer->copy = SENSE_COPY_COUNTS;
		break;
	case SENSE_COPY_COUNTS:
		good = good && put(writer, writer->counts.data, writer->counts.len);
		writer->copy = SENSE_COPY_NONE;
		break;
	case SENSE_COPY_NONE:
		return false;
	}
	return good && !writer->counts.failed && !writer->quarantine.failed &&
	       put(writer, sense_copy_trailer, SENSE_COPY_TRAILER) &&
	       PQputCopyEnd(writer->link.conn, NULL) == 1;
}
