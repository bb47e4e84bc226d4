/*
 * What the server counts, and how it is told: Prometheus' text format, version 0.0.4.
 *
 * A part keeps its metrics as static structs and registers them before there are workers. The master then
 * shares out memory in which each process has a place of its own; a worker's successor takes over the place
 * and with it the counters, so they never fall. Whoever prints adds up all places: any worker answers for all
 * of them.
 *
 * Adding is one relaxed atomic addition; before sense_metrics_share it does nothing. One table a process.
 */
#ifndef SENSE_SERVER_METRICS_H
#define SENSE_SERVER_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/status.h"

#define SENSE_METRICS_MAX 256u
#define SENSE_METRIC_BOUNDS_MAX 16u

enum sense_metric_kind { SENSE_METRIC_COUNTER, SENSE_METRIC_GAUGE, SENSE_METRIC_HISTOGRAM };

struct sense_metric {
	const char
	    *name; /* "sense_connections_total"; metrics of one name stand together, with different labels */
	const char *labels; /* "reason=\"idle\""; NULL: none */
	const char *help;
	enum sense_metric_kind kind;
	double bounds[SENSE_METRIC_BOUNDS_MAX]; /* of a histogram, in seconds, ascending; 0 ends them */
	unsigned cell;                          /* of its place; set when it is registered */
};

#define SENSE_COUNTER(metric_name, metric_labels, metric_help)                           \
	{                                                                                \
		.name = (metric_name), .labels = (metric_labels), .help = (metric_help), \
		.kind = SENSE_METRIC_COUNTER                                             \
	}
#define SENSE_GAUGE(metric_name, metric_labels, metric_help)                             \
	{                                                                                \
		.name = (metric_name), .labels = (metric_labels), .help = (metric_help), \
		.kind = SENSE_METRIC_GAUGE                                               \
	}

/* Registers an array; what is registered already is left alone. Too many: a mistake of the program's, which
 * is said. */
enum sense_status sense_metrics_register(struct sense_metric *metrics, unsigned count, sense_error *err);
/* Memory for so many processes, shared with all that are forked from now on. This one has place 0. */
enum sense_status sense_metrics_share(unsigned places, sense_error *err);
/* This process counts there from now on: its gauges begin at 0. */
void sense_metrics_take(unsigned place);
unsigned sense_metrics_places(void); /* 0: not shared */

void sense_metric_add(const struct sense_metric *metric, uint64_t by);    /* counters, gauges */
void sense_metric_sub(const struct sense_metric *metric, uint64_t by);    /* gauges */
void sense_metric_set(const struct sense_metric *metric, uint64_t value); /* gauges: of this process */
void sense_metric_observe(const struct sense_metric *metric, uint64_t us);
uint64_t sense_metric_sum(const struct sense_metric *metric); /* over all places */

void sense_metrics_print(struct sense_buf *out);

#endif
