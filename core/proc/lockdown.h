/*
 * Locking a worker down (sense_platform_lockdown): what of it stays open.
 */
#ifndef SENSE_PROC_LOCKDOWN_H
#define SENSE_PROC_LOCKDOWN_H

#include "core/proc/worker.h"

/* Keeps its sources from first_source on, and its socket to the supervisor. */
enum sense_status sense_worker_lockdown(struct sense_worker *worker, uint64_t memory_bytes, sense_error *err);

#endif
