/*
 * Generations of rules in a worker: the first is loaded at once, each further one aside, a step between two
 * batches of packets, while the one before is at work; then the engine goes on with it, between events.
 *
 * The worker owns a generation: Lua state, rule set, and which of its rules are in quarantine. The supervisor
 * brings the texts (core/shared/mailbox.h) and hears how loading ended. A bundle is parsed as hostile input.
 */
#ifndef SENSE_LUA_STANDBY_H
#define SENSE_LUA_STANDBY_H

#include "core/proc/worker.h"
#include "lua/station.h"

struct sense_standby; /* what is being loaded */

struct sense_reloader {
	struct sense_station *station; /* its rules and lua are those at work */
	struct sense_worker *worker;
	uint64_t *quarantine; /* bit per rule number; the engine's while they are at work */
	uint64_t seen;        /* ticket of the latest bundle that was looked at */
	uint32_t isolated;    /* rules of the run's quarantine that were looked at */
	struct sense_standby *standby;
};

/* The worker's first bundle; told to the supervisor in either case. Zero it and set station and worker. */
enum sense_status sense_reloader_first(struct sense_reloader *reloader, sense_error *err);

/*
 * True when there is something to do: sense_reloader_step does a part of it, a few milliseconds at most
 * (one policy file). When that says true, a generation is ready: sense_reloader_swap puts it to work.
 */
static inline bool sense_reloader_due(const struct sense_reloader *reloader)
{
	uint64_t ticket = sense_mailbox_ticket(&reloader->worker->shared->mailbox);
	return reloader->standby || (ticket && ticket != reloader->seen);
}
/*
 * Rules that came into the run's quarantine, since they killed another worker, stop here as well: between two
 * batches. One load when there is none. Where others clear bits of `quarantine`, zero `isolated` first.
 */
static inline bool sense_reloader_isolate_due(const struct sense_reloader *reloader)
{
	return sense_quarantine_count(reloader->worker->shared->quarantine) != reloader->isolated;
}
void sense_reloader_isolate(struct sense_reloader *reloader);
bool sense_reloader_step(struct sense_reloader *reloader);
void sense_reloader_swap(struct sense_reloader *reloader);
void sense_reloader_close(struct sense_reloader *reloader); /* before the station; its rules stay with it */

#endif
