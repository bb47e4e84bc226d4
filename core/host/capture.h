/*
 * Live capture as the supervisor holds it: opens what takes privileges through a plugin, hands workers a
 * descriptor, and looks at what became of packets. What was dropped is a gap, and told, by interface.
 */
#ifndef SENSE_HOST_CAPTURE_H
#define SENSE_HOST_CAPTURE_H

#include "core/conf/agent.h"
#include "core/host/keeper.h"
#include "core/proc/worker.h"

#define SENSE_CAPTURE_PLUGIN "packet"
#define SENSE_CAPTURE_INTERFACES_MAX 64u

typedef struct sense_capture sense_capture;

/* interfaces: of the command line, in place of those of the configuration; none: those. */
sense_capture *sense_capture_open(const struct sense_conf *conf, const char *plugins_dir,
                                  const char *const *interfaces, unsigned interface_count, unsigned workers,
                                  sense_error *err);
void sense_capture_close(sense_capture *capture); /* NULL is fine */
/* What workers read: one each, flows are spread over them. The descriptors are the capture's. */
const struct sense_source *sense_capture_sources(const sense_capture *capture);
/* elapsed_ms: since the last call. keeper: where gaps are told; NULL: they are only logged. */
void sense_capture_look(sense_capture *capture, unsigned elapsed_ms, sense_keeper *keeper);

/* For `status`. */
struct sense_live_stats sense_capture_stats(const sense_capture *capture);
unsigned sense_capture_interfaces(const sense_capture *capture, struct sense_live_interface *out, unsigned max);

#endif
