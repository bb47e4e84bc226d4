/*
 * One worker as the supervisor holds it: its process, its socket, its watchdog, and where it is to go on.
 *
 * A hand outlives the processes that do its work one after the other. What it points to belongs to the job. All
 * that it reads of the shared page was written by the worker and is checked here.
 */
#ifndef SENSE_PROC_HAND_H
#define SENSE_PROC_HAND_H

#include <ev.h>

#include "core/proc/supervisor.h"
#include "core/proc/watch.h"

enum sense_hand_kill {
	SENSE_KILL_NOT,
	SENSE_KILL_CALL,  /* one call of a rule took too long */
	SENSE_KILL_STALL, /* nothing moved */
	SENSE_KILL_STOP,  /* the run ends */
	SENSE_KILL_BEHIND /* it could not load what another worker has at work */
};

struct sense_hand {
	unsigned number; /* of the crew */
	const struct sense_job *job;
	const struct sense_supervisor_limits *limits;
	struct sense_worker_view *view; /* pid and restarts */
	struct sense_shared *shared;    /* its own page */
	const struct sense_source *sources; /* its share of the job's */
	unsigned source_count;
	ev_io readable; /* set its callback and data before the first start */
	int fd;
	enum sense_hand_kill killed;
	unsigned restarts_idle;
	unsigned lived_ms; /* the present process, up to SENSE_HAND_STEADY_MS */
	unsigned first_source;
	uint64_t first_position;
	uint64_t taken_before; /* packets taken when the present process began */
	uint64_t batch_seen;   /* number of the latest batch that arrived */
	struct sense_watch watch;
};

#define SENSE_HAND_STEADY_MS 60000u /* a worker that lived so long got somewhere, packets or not */

/* How a process ended, for words and for what comes next. */
struct sense_death {
	int status; /* of waitpid */
	unsigned rule; /* number + 1 of the rule that was running; 0: none */
	uint32_t phase;
	uint64_t flows, packets; /* lost */
	double cpu_s;
};

void sense_hand_init(struct sense_hand *hand, const struct sense_job *job, unsigned number,
                     const struct sense_supervisor_limits *limits, struct sense_worker_view *view);
static inline bool sense_hand_at_work(const struct sense_hand *hand)
{
	return hand->view->pid > 0;
}
/* It has loaded all that it needs. */
static inline bool sense_hand_runs(const struct sense_hand *hand)
{
	return atomic_load_explicit(&hand->shared->page->phase, memory_order_relaxed) >= SENSE_PHASE_RUN;
}
/* policies: what it begins with; NULL: none. The child never returns. */
enum sense_status sense_hand_start(struct sense_hand *hand, struct ev_loop *loop,
                                   const struct sense_generations *policies, sense_error *err);
/* It is reaped when its socket says that it has gone. */
void sense_hand_kill(struct sense_hand *hand, enum sense_hand_kill why);
enum sense_watch_verdict sense_hand_look(struct sense_hand *hand, unsigned elapsed_ms);

/* Waits for the process, which must have ended or closed its socket. */
void sense_hand_reap(struct sense_hand *hand, struct ev_loop *loop, struct sense_death *death);
void sense_hand_describe(const struct sense_hand *hand, const struct sense_death *death, char *out, size_t cap);
/*
 * The records that a dead process had not sent, copied into out (SENSE_SHARED_BATCH_BYTES); a fresh batch is
 * left for its successor. False: they were malformed.
 */
bool sense_hand_leftover(struct sense_hand *hand, uint8_t *out, size_t *len);
/* True when the process that died got anywhere. */
bool sense_hand_moved(const struct sense_hand *hand);
/* Finds where the next process begins. False: a source is left out, since it cannot be read on. */
bool sense_hand_resume(struct sense_hand *hand);

#endif
