/*
 * What `sense-server run` puts together. Parts that are not of the base add themselves in server/main.c.
 */
#ifndef SENSE_SERVER_CLI_RUN_H
#define SENSE_SERVER_CLI_RUN_H

#include "server/proc/worker.h"

struct sense_server_assembly {
	const struct sense_child *children; /* `config` of their main is struct sense_worker_plan */
	unsigned child_count;
	const struct sense_worker_part *parts;
	unsigned part_count;
	/* Each registers the metrics of a part. Ends with NULL. */
	enum sense_status (*const *metrics)(sense_error *err);
	/* Of a new configuration, in the master, before anything is started with it; may be NULL. */
	enum sense_status (*check)(const struct sense_conf *conf, sense_error *err);
};

/* Before the command is run. Kept, not copied. */
void sense_server_assemble(const struct sense_server_assembly *assembly);

#endif
