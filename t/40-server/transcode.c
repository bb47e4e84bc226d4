/* From a finding's bytes to a row, and back through a real COPY. */
#include "server/ingest/transcode.h"
#include "t/40-server/ingest.h"
#include "t/copy_rows.h"

static const struct sense_row_origin origin = {
    .org = {0xaa}, .agent = {0xbb}, .received_us = UINT64_C(1790000000000000)};

static size_t encode(const struct sense_finding *finding, uint8_t *out)
{
	return sense_finding_encode(finding, out, SENSE_FINDING_BYTES_MAX);
}

/* Stores one, so that SQL can be asked about it. "" or what PostgreSQL says. */
static const char *copy(const struct sense_rows *rows, const char *table)
{
	static char said[512];
	char text[64];

	snprintf(text, sizeof(text), "COPY %s FROM STDIN BINARY", table);
	PQclear(PQexec(stores.conn, text));
	PQputCopyData(stores.conn, (const char *)sense_copy_header, SENSE_COPY_HEADER);
	PQputCopyData(stores.conn, (const char *)rows->data, (int)rows->len);
	PQputCopyData(stores.conn, (const char *)sense_copy_trailer, SENSE_COPY_TRAILER);
	PQputCopyEnd(stores.conn, NULL);
	PGresult *result = PQgetResult(stores.conn);
	snprintf(said, sizeof(said), "%s",
	         PQresultStatus(result) == PGRES_COMMAND_OK ? "" : PQresultErrorMessage(result));
	PQclear(result);
	while ((result = PQgetResult(stores.conn)))
		PQclear(result);
	return said;
}

static const char *put(const struct sense_finding *finding, const struct sense_row_origin *from)
{
	static uint8_t bytes[SENSE_FINDING_BYTES_MAX];
	struct sense_rows rows = {0};
	struct sense_finding_row row;
	static char said[512];

	size_t len = encode(finding, bytes);
	const char *why = len ? sense_row_add(&rows, from, 7, bytes, len, &row) : "cannot be encoded";
	if (!why)
		why = copy_check(COPY_FINDING, rows.data, rows.len);
	snprintf(said, sizeof(said), "%s", why);
	if (!*why) {
		sql("TRUNCATE sense.findings");
		snprintf(said, sizeof(said), "%s", copy(&rows, "sense.findings"));
	}
	sense_rows_fini(&rows);
	return said;
}

static void bare(void)
{
	struct sense_finding finding = {
	    .timestamp = UINT64_C(1789999999123456), .rule = "r", .severity = "critical"};

	is_str(put(&finding, &origin), "", "a finding with nothing but what it must have");
	is_str(
	    sql("SELECT extract(epoch FROM ts)::numeric || ' ' || severity || ' ' || sequence || ' ' || rule FROM "
	        "sense.findings"),
	    "1789999999.123456 4 7 r", "is a row");
	is_str(
	    sql("SELECT num_nulls(type, policy, source_ip, source_port, dest_ip, dest_port, host, service, service_name, "
	        "category, process, \"user\", summary, action) FROM sense.findings"),
	    "14", "what is not known is NULL");
	is_str(sql("SELECT evidence || tags || ARRAY[details::text] FROM sense.findings"), "{\"{}\"}",
	       "lists are empty");
	is_str(
	    sql("SELECT org_id || ' ' || agent_id || ' ' || extract(epoch FROM received)::bigint FROM sense.findings"),
	    "aa000000-0000-0000-0000-000000000000 bb000000-0000-0000-0000-000000000000 1790000000",
	    "organization, agent and time are who sent it, and when");
}

static void odd(void)
{
	static const char awkward[] =
	    "q\" b\\ /\x01\n\t\x1f\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbf";
	struct sense_finding finding = {
	    .timestamp = UINT64_C(1790000000000000),
	    .rule = awkward,
	    .severity = "info",
	    .source_ip = "::ffff:1.2.3.4",
	    .source_port = 65535,
	    .dest_ip = "255.255.255.255",
	    .summary = "",
	    .confidence = 100,
	    .detail_count = 7,
	    .details = {{awkward, SENSE_DETAIL_STRING, awkward, 0, false},
	                {"big", SENSE_DETAIL_NUMBER, NULL, 1.7976931348623157e308, false},
	                {"small", SENSE_DETAIL_NUMBER, NULL, 5e-324, false},
	                {"tenth", SENSE_DETAIL_NUMBER, NULL, 0.1, false},
	                {"whole", SENSE_DETAIL_NUMBER, NULL, -9007199254740992.0, false},
	                {"", SENSE_DETAIL_BOOL, NULL, 0, false},
	                {"tenth", SENSE_DETAIL_NUMBER, NULL, 0.2, false}},
	    .evidence_count = SENSE_FINDING_EVIDENCE_MAX,
	    .tag_count = SENSE_FINDING_TAGS_MAX};
	for (unsigned i = 0; i < SENSE_FINDING_EVIDENCE_MAX; i++)
		finding.evidence[i] = i ? awkward : "";
	for (unsigned i = 0; i < SENSE_FINDING_TAGS_MAX; i++)
		finding.tags[i] = "NULL";
	is_str(put(&finding, &origin), "", "texts with all that JSON, arrays and SQL could stumble over");
	is_str(sql("SELECT rule FROM sense.findings"), awkward, "are as they were");
	is_str(sql("SELECT details->>rule FROM sense.findings"), awkward, "as JSON");
	is_str(sql("SELECT evidence[8] FROM sense.findings"), awkward, "in a list");
	is_str(
	    sql("SELECT cardinality(evidence) || ' ' || cardinality(tags) || ' ' || (tags[16] = 'NULL') || (evidence[1] = "
	        "'') FROM sense.findings"),
	    "8 16 truetrue", "lists as long as they may be");
	is_str(
	    sql("SELECT (details->>'big')::float8 = 1.7976931348623157e308 AND (details->>'small')::float8 = 5e-324 AND "
	        "(details->>'whole')::bigint = -9007199254740992 AND details->'' = 'false' FROM sense.findings"),
	    "t", "numbers at their ends");
	is_str(sql("SELECT (details->>'tenth')::float8 FROM sense.findings"), "0.2",
	       "of a key that comes twice the last");
	is_str(
	    sql("SELECT host(source_ip) || ' ' || masklen(source_ip) || ' ' || source_port || ' ' || dest_ip FROM "
	        "sense.findings"),
	    "::ffff:1.2.3.4 128 65535 255.255.255.255/32", "addresses");
	is_str(sql("SELECT coalesce(summary, 'NULL') FROM sense.findings"), "", "an empty text is not NULL");
}

/* The most that a byte can become, all the way to the largest finding. */
static void large(void)
{
	static char text[SENSE_FINDING_BYTES_MAX];
	struct sense_finding finding = {.timestamp = 1, .rule = "r", .severity = "low", .detail_count = 1};
	size_t len = 16000;

	memset(text, 1, len);
	finding.details[0] = (struct sense_detail){"k", SENSE_DETAIL_STRING, text, 0, false};
	is_str(put(&finding, &origin), "", "16,000 control characters in a detail");
	is_str(
	    sql("SELECT length(details->>'k') || ' ' || extract(epoch FROM ts)::numeric FROM sense.findings"),
	    "16000 0.000001", "are all there, at the first microsecond there is");
	finding = (struct sense_finding){.timestamp = 1, .rule = text, .severity = "low"};
	memset(text, 'x', len);
	is_str(put(&finding, &origin), "", "a rule's id of 16,000 bytes: it is in no index");
	text[201] = '\0';
	finding = (struct sense_finding){.timestamp = 1, .rule = "r", .severity = "low", .type = text};
	ok(strstr(put(&finding, &origin), "more than 200") != NULL, "a type of 201 is refused");
	text[200] = '\0';
	is_str(put(&finding, &origin), "", "and of 200 is not");
}

static void times(void)
{
	struct sense_row_origin from = origin;
	struct sense_finding finding = {.rule = "r", .severity = "low"};

	from.oldest_us = from.received_us - 1000;
	finding.timestamp = from.received_us - 1000;
	is_str(put(&finding, &from), "", "the oldest that is kept");
	finding.timestamp--;
	ok(strstr(put(&finding, &from), "older") != NULL, "one that is older is refused");
	finding.timestamp = from.received_us + SENSE_ROW_FUTURE_US;
	is_str(put(&finding, &from), "", "a day ahead");
	is_str(sql("SELECT ts - received || ' ' || details FROM sense.findings"), "1 day {}",
	       "is taken as it is");
	finding.timestamp++;
	is_str(put(&finding, &from), "", "more than that");
	is_str(
	    sql("SELECT ts = received AND (details->>'timestamp_claimed')::numeric = 1790086400000001 FROM sense.findings"),
	    "t", "counts as now, and says what it claimed");
	finding.timestamp = UINT64_MAX;
	is_str(put(&finding, &from), "", "the end of time");
	is_str(sql("SELECT details->>'timestamp_claimed' FROM sense.findings"), "18446744073709551615",
	       "likewise");
}

static void aside(void)
{
	static uint8_t bytes[SENSE_FINDING_BYTES_MAX];
	struct sense_rows rows = {0};
	char reason[1200];

	memset(reason, 0, sizeof(reason));
	for (unsigned i = 0; i + 4 < sizeof(reason); i += 3)
		memcpy(reason + i, "\xe2\x82\xac", 3);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	sense_row_quarantine(&rows, &origin, 9, reason, bytes, sizeof(bytes));
	is_str(copy_check(COPY_QUARANTINE, rows.data, rows.len), "", "a row of the quarantine");
	is_str(copy(&rows, "sense.findings_quarantine"), "", "is taken");
	is_str(
	    sql("SELECT length(finding) || ' ' || length(reason) || ' ' || sequence FROM sense.findings_quarantine"),
	    "16384 166 9", "with all its bytes, and a reason that is cut between two characters");
	sense_rows_fini(&rows);
}

int main(void)
{
	if (!ok(stores_start(false) && make_schema(1), "a database"))
		return tap_done();
	bare();
	odd();
	large();
	times();
	aside();
	return tap_done();
}
