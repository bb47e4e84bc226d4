/*
 * What `status` tells of a live agent beyond its policies: capture, the sensor process and its gauges, whose
 * flows are known, the spool, the link to a fleet's server.
 */
#ifndef SENSE_CLI_STATUS_LIVE_H
#define SENSE_CLI_STATUS_LIVE_H

#include "core/host/capture.h"
#include "core/link/link.h"
#include "core/shared/crew.h"
#include "core/show/json.h"
#include "core/spool/spool.h"

/* NULL: the agent has none of it. */
struct sense_status_live {
	const sense_keeper *keeper;
	const sense_capture *capture;
	const sense_spool *spool;
	const sense_link *link;
};

/* Members "capture", "host", "spool" and "uplink", each an object or null. */
void sense_status_live_json(const struct sense_status_live *live, const struct sense_crew *crew,
                            struct sense_json *json);
void sense_status_live_text(const struct sense_status_live *live, const struct sense_crew *crew,
                            struct sense_buf *out);

#endif
