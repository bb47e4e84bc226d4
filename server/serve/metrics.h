/* What a worker tells of the database and of findings, in its metrics: taken over once a second. */
#ifndef SENSE_SERVER_SERVE_METRICS_H
#define SENSE_SERVER_SERVE_METRICS_H

#include "server/ingest/ingest.h"
#include "server/store/db.h"

enum sense_status sense_serve_metrics(sense_error *err);
/* before: of the call before; zeroes at first. */
void sense_serve_metrics_take(const sense_ingest *ingest, const sense_db *db,
                              struct sense_ingest_stats *before, struct sense_db_stats *db_before);

#endif
