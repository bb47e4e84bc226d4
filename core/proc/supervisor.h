/*
 * The supervisor: forks workers, takes their results, watches them, and starts them again. Of each it holds a
 * hand (core/proc/hand.h); what happens to one touches no other, but for what is common to all: a rule that
 * killed one worker is stopped in all.
 *
 * - A scripted call that burns more CPU time than its hard limit cannot be stopped from inside
 *   (compiled loops and long C functions ignore hooks): the worker is killed, the rule named and
 *   put into quarantine, and a new worker goes on behind the packets in hand. CPU time, not wall
 *   time, so a busy machine harms no innocent rule; a wide wall limit catches a call that sleeps.
 * - A worker that dies by a signal is likewise replaced; if a rule was running, it is quarantined.
 * - Restarts without progress are bounded.
 * What a restart lost (flows and packets in hand) is counted and said.
 *
 * Policies are read here and loaded by the worker; they are read anew on SIGHUP, on `reload` over the control
 * socket and when their files change (core/proc/generation.h). A set that does not load changes nothing.
 *
 * SIGINT and SIGTERM end the run early with what was found so far; a second one kills the worker.
 */
#ifndef SENSE_PROC_SUPERVISOR_H
#define SENSE_PROC_SUPERVISOR_H

#include <sys/types.h>

#include "core/host/keeper.h"
#include "core/proc/generation.h"
#include "core/proc/worker.h"
#include "core/service/control.h"
#include "core/shared/crew.h"

/* Limits; 0 takes the default given here. */
struct sense_supervisor_limits {
	unsigned call_cpu_ms;   /* 100: one scripted call */
	unsigned call_wall_ms;  /* 30000: the same, by the clock */
	unsigned stall_cpu_ms;  /* 10000: packets or loading without any sign of progress */
	unsigned restarts_idle; /* 16: restarts in a row without a packet between them */
	unsigned restarts;      /* 256: crashes in one run */
	unsigned stop_ms;       /* 10000: to end after a signal, before the worker is killed */
};

struct sense_outcome;

/* A run in progress, for those who ask about it. */
struct sense_supervisor_view {
	const struct sense_crew *crew;
	const struct sense_outcome *outcome;
	const struct sense_generations *generations;
	struct sense_worker_view {
		pid_t pid; /* 0: none at this moment */
		unsigned restarts;
	} worker[SENSE_WORKERS_MAX]; /* of the crew */
};

/*
 * Where results go, in the supervisor's process. Called in the order in which the worker sent.
 * Strings are decoded from hostile input: bounded, but any bytes. A false from finding, flow or
 * tick ends the run (the reader of stdout has gone). Members may be NULL.
 */
struct sense_supervisor_sink {
	void *self;
	bool (*finding)(void *self, const struct sense_finding *finding);
	bool (*flow)(void *self, const struct sense_flowrecord *record);
	void (*host_event)(void *self, const struct sense_host_event *event);
	void (*message)(void *self, enum sense_log_level level, const char *subsystem, const char *text);
	bool (*tick)(void *self, const struct sense_crew *crew); /* each 100 ms or so */
	/* An attempt to load policies is over, the first one, too. */
	void (*loaded)(void *self, const struct sense_generations *all);
	/* Writes the answer to a request of the control socket: `ok` or `failed`, a newline, the rest. */
	void (*control)(void *self, const struct sense_supervisor_view *view,
	                const struct sense_control_request *request, struct sense_buf *out);
};

/*
 * One worker reads all sources, one after the other. Of several each reads the source of its own number alone,
 * so that there must be as many, or none; they are started once the first has policies at work. Events of this
 * host go to the first worker, whose flow is whose is known to all.
 */
struct sense_job {
	const struct sense_source *sources; /* owned by the caller; none is closed here */
	unsigned source_count;
	struct sense_crew *crew; /* new: sense_crew_new */
	sense_worker_main *worker_main;
	void *worker_context;
	const struct sense_policies *policies; /* NULL: the worker needs none */
	const struct sense_host_link *host;    /* NULL: no sensor process tells anything */
	bool service; /* goes on until it is told to stop: crashes are forgiven with time */
	struct sense_supervisor_sink sink;
	struct sense_supervisor_limits limits;
};

struct sense_outcome {
	bool complete;        /* all sources were read to their end or their fault, or one of several workers was */
	bool closed;          /* a sink callback ended the run */
	int signal;           /* SIGINT or SIGTERM that ended the run; 0: none */
	unsigned failures;    /* failures that workers reported */
	unsigned restarts;    /* of all workers */
	unsigned quarantined; /* rules */
	unsigned malformed;   /* messages of workers that did not decode */
	uint64_t flows_lost;
	uint64_t packets_lost;
	double worker_cpu_s; /* of all workers */
};

/*
 * Runs the job to its end. SENSE_OK also when sources failed or the run was ended early: see
 * *outcome, which is filled in every case. The process must have one thread; SIGPIPE should be
 * ignored.
 */
enum sense_status sense_supervisor_run(const struct sense_job *job, struct sense_outcome *outcome,
                                       sense_error *err);

#endif
