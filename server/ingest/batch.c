/* One batch: the findings as rows, ready to be sent, and as they came, for those that are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ingest/internal.h"

void sense_ingest_batch_free(struct sense_ingest_batch *batch)
{
	if (!batch)
		return;
	sense_rows_fini(&batch->rows);
	sense_arena_fini(&batch->reasons);
	free(batch->raw);
	free(batch);
}

static bool fill(struct sense_ingest_batch *batch, struct sense_message_findings *findings)
{
	const uint8_t *begin = findings->reader.at;
	struct sense_message_finding finding;

	while (batch->count < findings->count && sense_message_finding_next(findings, &finding)) {
		struct sense_ingest_item *item = &batch->items[batch->count];
		*item = (struct sense_ingest_item){.sequence = finding.sequence,
		                                   .at = (uint32_t)batch->rows.len,
		                                   .raw_at = (uint32_t)(finding.finding.data - begin),
		                                   .raw_len = (uint32_t)finding.finding.len};
		if (finding.sequence <= batch->last || finding.sequence > INT64_MAX)
			return false;
		item->reason = sense_row_add(&batch->rows, &batch->origin, finding.sequence,
		                             finding.finding.data, finding.finding.len, &item->row);
		batch->last = finding.sequence;
		batch->refused += item->reason != NULL;
		batch->count++;
	}
	return !findings->reader.why && batch->count == findings->count;
}

struct sense_ingest_batch *sense_ingest_batch_new(const char *org, const char *agent, uint64_t after,
                                                  uint64_t received_us, uint64_t oldest_us,
                                                  struct sense_message_findings *findings,
                                                  enum sense_ingest_submit *outcome)
{
	size_t raw_len = (size_t)(findings->reader.end - findings->reader.at);
	const uint8_t *begin = findings->reader.at;

	*outcome = SENSE_INGEST_INVALID;
	if (findings->count > SENSE_MESSAGE_FINDINGS_MAX || after > INT64_MAX)
		return NULL;
	struct sense_ingest_batch *batch =
	    calloc(1, sizeof(*batch) + findings->count * sizeof(struct sense_ingest_item));
	if (!batch)
		goto memory;
	if (!sense_uuid_bytes(org, batch->origin.org) || !sense_uuid_bytes(agent, batch->origin.agent))
		goto out;
	snprintf(batch->org, sizeof(batch->org), "%s", org);
	snprintf(batch->agent, sizeof(batch->agent), "%s", agent);
	batch->origin.received_us = received_us;
	batch->origin.oldest_us = oldest_us;
	batch->after = batch->last = after;
	if (!fill(batch, findings))
		goto out;
	batch->raw = malloc(raw_len ? raw_len : 1);
	if (!batch->raw || batch->rows.failed)
		goto memory;
	if (raw_len)
		memcpy(batch->raw, begin, raw_len);
	if (batch->rows.len) {
		uint8_t *fitting = realloc(batch->rows.data, batch->rows.len);
		batch->rows.data = fitting ? fitting : batch->rows.data;
		batch->rows.cap = fitting ? batch->rows.len : batch->rows.cap;
	}
	batch->bytes = sizeof(*batch) + batch->count * sizeof(*batch->items) + batch->rows.cap + raw_len;
	*outcome = SENSE_INGEST_TAKEN;
	return batch;
memory:
	*outcome = SENSE_INGEST_FULL;
out:
	sense_ingest_batch_free(batch);
	return NULL;
}
