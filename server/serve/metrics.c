#include "server/serve/metrics.h"

#include "server/metrics.h"

enum {
	ROWS,
	BATCHES,
	DUPLICATES,
	GAPS,
	AWAY,
	DENIED,
	FULL,
	QUARANTINED,
	TRANSACTIONS,
	RETRIES,
	WAITING,
	BYTES,
	DB_ASKED,
	DB_REFUSED,
	DB_AWAY,
	DB_TIMEOUTS,
	DB_CONNECTED,
	DB_WAITING,
	METRICS
};

static struct sense_metric metrics[METRICS] = {
    [ROWS] = SENSE_COUNTER("sense_ingest_findings_total", NULL, "Findings that were stored."),
    [BATCHES] = SENSE_COUNTER("sense_ingest_batches_total", "result=\"stored\"",
                              "Batches of findings, by what became of them."),
    [DUPLICATES] = SENSE_COUNTER("sense_ingest_batches_total", "result=\"known\"", NULL),
    [GAPS] = SENSE_COUNTER("sense_ingest_batches_total", "result=\"gap\"", NULL),
    [AWAY] = SENSE_COUNTER("sense_ingest_batches_total", "result=\"away\"", NULL),
    [DENIED] = SENSE_COUNTER("sense_ingest_batches_total", "result=\"denied\"", NULL),
    [FULL] = SENSE_COUNTER("sense_ingest_batches_total", "result=\"full\"", NULL),
    [QUARANTINED] =
	SENSE_COUNTER("sense_ingest_quarantined_total", NULL, "Findings that were set aside, as they came."),
    [TRANSACTIONS] =
	SENSE_COUNTER("sense_ingest_transactions_total", NULL, "Transactions that stored findings."),
    [RETRIES] = SENSE_COUNTER("sense_ingest_retries_total", NULL, "Transactions that were tried again."),
    [WAITING] = SENSE_GAUGE("sense_ingest_batches", NULL, "Batches that are under way."),
    [BYTES] = SENSE_GAUGE("sense_ingest_bytes", NULL, "Bytes of batches that are under way."),
    [DB_ASKED] = SENSE_COUNTER("sense_database_statements_total", NULL, "Statements that were asked."),
    [DB_REFUSED] = SENSE_COUNTER("sense_database_failures_total", "reason=\"refused\"",
                                 "Statements without an answer, by the reason."),
    [DB_AWAY] = SENSE_COUNTER("sense_database_failures_total", "reason=\"away\"", NULL),
    [DB_TIMEOUTS] = SENSE_COUNTER("sense_database_failures_total", "reason=\"timeout\"", NULL),
    [DB_CONNECTED] = SENSE_GAUGE("sense_database_connections", NULL,
                                 "Connections to the database, those of ingest apart."),
    [DB_WAITING] = SENSE_GAUGE("sense_database_waiting", NULL, "Statements that wait for a connection."),
};

enum sense_status sense_serve_metrics(sense_error *err)
{
	return sense_metrics_register(metrics, METRICS, err);
}

static void more(unsigned metric, uint64_t now, uint64_t before)
{
	if (now > before)
		sense_metric_add(&metrics[metric], now - before);
}

void sense_serve_metrics_take(const sense_ingest *ingest, const sense_db *db,
                              struct sense_ingest_stats *before, struct sense_db_stats *db_before)
{
	struct sense_ingest_stats now;
	struct sense_db_stats db_now;
	sense_ingest_stats(ingest, &now);
	sense_db_stats(db, &db_now);
	more(ROWS, now.stored_rows, before->stored_rows);
	more(BATCHES, now.stored_batches, before->stored_batches);
	more(QUARANTINED, now.quarantined, before->quarantined);
	more(DUPLICATES, now.duplicates, before->duplicates);
	more(GAPS, now.gaps, before->gaps);
	more(AWAY, now.away, before->away);
	more(DENIED, now.denied, before->denied);
	more(FULL, now.full, before->full);
	more(TRANSACTIONS, now.transactions, before->transactions);
	more(RETRIES, now.retries, before->retries);
	sense_metric_set(&metrics[WAITING], now.batches);
	sense_metric_set(&metrics[BYTES], now.bytes);
	more(DB_ASKED, db_now.asked, db_before->asked);
	more(DB_REFUSED, db_now.refused, db_before->refused);
	more(DB_AWAY, db_now.away, db_before->away);
	more(DB_TIMEOUTS, db_now.timeouts, db_before->timeouts);
	sense_metric_set(&metrics[DB_CONNECTED], db_now.connected);
	sense_metric_set(&metrics[DB_WAITING], db_now.waiting);
	*before = now;
	*db_before = db_now;
}
