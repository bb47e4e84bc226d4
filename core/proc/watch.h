/*
 * The watchdog's judgement: is the worker still getting on?
 *
 * Each look compares the call word and the counters with those of the look before, and the CPU time
 * that the worker burnt since they last changed with the limits. The worker pays two stores a call;
 * the clock is read here.
 */
#ifndef SENSE_PROC_WATCH_H
#define SENSE_PROC_WATCH_H

#include <sys/types.h>
#include <time.h>

#include "core/proc/supervisor.h"

enum sense_watch_verdict {
	SENSE_WATCH_FINE,
	SENSE_WATCH_CALL, /* one scripted call is over its limit */
	SENSE_WATCH_STALL /* nothing at all moves although CPU time is burnt */
};

struct sense_watch {
	struct sense_supervisor_limits limits;
	clockid_t clock;
	bool has_clock;
	uint64_t call, sign;            /* as they were at the last change */
	uint64_t call_cpu_us, sign_cpu_us; /* CPU time of the worker then */
	uint64_t call_wall_ms;          /* time looked at since the call word changed */
	uint64_t call_took_us;          /* CPU time of the call in hand, at the latest look */
};

/* Limits without defaults: see sense_watch_defaults. */
void sense_watch_begin(struct sense_watch *watch, pid_t pid,
                       const struct sense_supervisor_limits *limits);
struct sense_supervisor_limits sense_watch_defaults(const struct sense_supervisor_limits *wanted);
/*
 * call: the word of the mark; sign: a number that changes whenever the worker gets anything done.
 * elapsed_ms: since the last look; a supervisor that was stopped itself says what it meant to wait.
 */
enum sense_watch_verdict sense_watch_look(struct sense_watch *watch, uint64_t call, uint64_t sign,
                                          unsigned elapsed_ms);
/* How often to look. */
unsigned sense_watch_interval_ms(const struct sense_supervisor_limits *limits);

#endif
