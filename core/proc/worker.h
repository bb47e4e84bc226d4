/*
 * The worker's side: a process that reads packets and runs rules, and can do nothing else.
 *
 * sense_worker_main runs in the child right after the fork. It loads what it needs from files, calls
 * sense_worker_lockdown (core/proc/lockdown.h), then reads the sources from first_source on.
 */
#ifndef SENSE_PROC_WORKER_H
#define SENSE_PROC_WORKER_H

#include "core/shared/ipc.h"
#include "proto/finding.h"
#include "proto/flowrecord.h"

/* Something to read, opened by the supervisor. */
struct sense_source {
	const char *name; /* for messages */
	int fd;
	const int *keep; /* descriptors that reading it needs beside */
	unsigned keep_count;
};

struct sense_host_link;

struct sense_worker {
	const struct sense_source *sources;
	unsigned source_count;
	unsigned first_source;    /* a restarted worker begins here ... */
	uint64_t first_position;  /* ... at this position of the capture plugin; 0: its start */
	unsigned number;          /* of several: from 0 */
	unsigned restart;         /* how often it was started anew */
	unsigned source;          /* being read */
	const struct sense_bundle *bundle; /* the policies to begin with; NULL: the job has none */
	uint64_t ticket;          /* of it */
	struct sense_shared *shared;
	const struct sense_host_link *host; /* what happens on this host; NULL: nobody tells */
	struct sense_ipc_sender out;
	uint64_t base[SENSE_COUNTER_COUNT]; /* counters of the workers before this one */
	uint64_t base_taken;
};

/* Returns the worker's exit code: 0 when it did all it could (failures of sources were reported). */
typedef int sense_worker_main(void *context, struct sense_worker *worker);

/* True when the supervisor wants an early end: stop reading, end the flows, return. */
static inline bool sense_worker_stopping(const struct sense_worker *worker)
{
	return atomic_load_explicit(&worker->shared->page->stop, memory_order_relaxed) != 0;
}

void sense_worker_phase(struct sense_worker *worker, enum sense_phase phase);
/*
 * The rules that this worker runs from now on, by number, so that the supervisor can name and quarantine
 * them. What was counted for a rule of the same id before goes on; that of rules that are gone is dropped.
 */
struct sense_worker_rule {
	const char *id;
	uint64_t key; /* struct sense_shared_rule */
};
void sense_worker_rules(struct sense_worker *worker, const struct sense_worker_rule *rules, unsigned count);
/* What one did since then, as sense_worker_count. */
void sense_worker_rule_counts(struct sense_worker *worker, unsigned rule,
                              const struct sense_rule_counts *counts);

/*
 * Before a source is read, and after each read of packets, before they are worked through: `taken`
 * is the number of packets read since this worker began (those in hand included), `position` what
 * the capture plugin's position() says. A crash goes on behind them.
 */
void sense_worker_source(struct sense_worker *worker, unsigned source, uint64_t position);
void sense_worker_taken(struct sense_worker *worker, uint64_t taken, uint64_t position);
void sense_worker_progress(struct sense_worker *worker, uint64_t done); /* bytes of all sources */
/* A counter's value since this worker began; added to what the workers before it counted. */
void sense_worker_count(struct sense_worker *worker, enum sense_counter counter, uint64_t value);
void sense_worker_flows_live(struct sense_worker *worker, uint32_t flows);

/* Results. They are batched; what does not fit or encode is counted in SENSE_COUNT_DROPPED. */
void sense_worker_finding(struct sense_worker *worker, const struct sense_finding *finding);
void sense_worker_flow(struct sense_worker *worker, const struct sense_flowrecord *record);
/* An event of this host as it came, for a supervisor that wants them, too. */
void sense_worker_host_event(struct sense_worker *worker, const uint8_t *data, size_t len);
void sense_worker_log(struct sense_worker *worker, enum sense_log_level level,
                      const char *subsystem, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A source failed: the person is told now, and the run ends with exit code 1. */
void sense_worker_fail(struct sense_worker *worker, const sense_error *err);
/* One thing that is wrong with the policies being loaded. */
void sense_worker_problem(struct sense_worker *worker, const char *text);
/* How loading a bundle ended; sends at once what is batched. */
void sense_worker_loaded(struct sense_worker *worker, const struct sense_ipc_loaded *loaded);
/* Sends what is batched; false: the supervisor is gone, end. */
bool sense_worker_flush(struct sense_worker *worker);

#endif
