/*
 * From findings as agents send them (proto/finding.h) to rows of PostgreSQL's binary COPY (docs, "COPY", "Binary
 * Format"; the types as their receive functions read them), written straight into a buffer: nothing is allocated for
 * a row, nothing is parsed twice by us and no text by the database.
 *
 * What times become:
 *   - more than a day ahead of when it was received: it counts as received now, and what it claimed is kept in
 *     details.timestamp_claimed (microseconds since the epoch);
 *   - before `oldest_us`, where findings are not kept any more: refused;
 *   - any other: as it is, however late. A day without a partition is the database's affair (002_findings.sql).
 *
 * What is refused goes to findings_quarantine with the reason, and the rest of its batch is kept.
 */
#ifndef SENSE_SERVER_INGEST_TRANSCODE_H
#define SENSE_SERVER_INGEST_TRANSCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_ROW_FUTURE_US UINT64_C(86400000000)
#define SENSE_ROW_KEY_MAX 200u /* bytes of a type, service or category: they are keys of indexes */
#define SENSE_COPY_HEADER 19u
#define SENSE_COPY_TRAILER 2u

/* Rows, one behind the other. */
struct sense_rows {
	uint8_t *data;
	size_t len, cap;
	bool failed; /* no memory; the last row is not there */
};
void sense_rows_fini(struct sense_rows *rows);

/* What all rows of a batch have in common. */
struct sense_row_origin {
	uint8_t org[16], agent[16];
	uint64_t received_us; /* since the epoch */
	uint64_t oldest_us;   /* 0: any */
};

struct sense_row_text {
	uint32_t at; /* from the row's beginning */
	uint32_t len;
};

/* What of a row is counted. */
struct sense_finding_row {
	uint32_t len;
	uint64_t time_us;
	uint8_t severity;                              /* 0 info to 4 critical */
	struct sense_row_text type, service, category; /* len 0: not known */
};

/* Appends a row to `rows`. NULL: done; else why the finding is refused, a text that stays. */
const char *sense_row_add(struct sense_rows *rows, const struct sense_row_origin *origin, uint64_t sequence,
                          const uint8_t *finding, size_t len, struct sense_finding_row *out);
/* A row of findings_quarantine; the reason is cut when it is long. */
void sense_row_quarantine(struct sense_rows *rows, const struct sense_row_origin *origin, uint64_t sequence,
                          const char *reason, const uint8_t *finding, size_t len);

/* A row of findings_hourly_new. hour_us: the beginning of it. */
struct sense_row_count {
	const uint8_t *org; /* 16 bytes */
	uint64_t hour_us;
	uint8_t severity;
	const char *type, *service, *category; /* not NUL-terminated */
	uint32_t type_len, service_len, category_len;
	uint64_t count;
};
void sense_row_count(struct sense_rows *rows, const struct sense_row_count *count);

extern const uint8_t sense_copy_header[SENSE_COPY_HEADER], sense_copy_trailer[SENSE_COPY_TRAILER];

#endif
