/* The summary of a run that --stats asks for: one `key: value` a line, stable for scripts. */
#ifndef SENSE_CLI_STATS_H
#define SENSE_CLI_STATS_H

#include "core/base/buf.h"
#include "core/proc/supervisor.h"

struct sense_stats_run {
	const struct sense_crew *crew;
	const struct sense_outcome *outcome;
	unsigned files;        /* that were opened */
	unsigned files_failed; /* that were not */
	double cpu_s;          /* of supervisor and workers */
	double elapsed_s;
};

void sense_stats_write(const struct sense_stats_run *run, struct sense_buf *out);

#endif
