/*
 * Any bytes as a finding: either refused with a reason, or a row that COPY BINARY takes. In both cases the row of the
 * quarantine is one, too.
 */
#include <stdlib.h>

#include "server/ingest/transcode.h"
#include "t/copy_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_row_origin origin = {.received_us = UINT64_C(1790000000000000), .oldest_us = size % 3 ? 0 : 1000};
	struct sense_rows rows = {0};
	struct sense_finding_row row;

	for (unsigned i = 0; i < 2; i++) { /* the second behind the first */
		size_t before = rows.len;
		const char *why = sense_row_add(&rows, &origin, i + 1, data, size, &row);
		if (why ? !*why || rows.len != before : rows.len != before + row.len)
			abort();
		if (!why && *copy_check(COPY_FINDING, rows.data + before, row.len))
			abort();
		if (!why && (row.severity > 4 || row.time_us > origin.received_us + SENSE_ROW_FUTURE_US ||
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
