#include "core/proc/watch.h"

static unsigned or_default(unsigned value, unsigned otherwise)
{
	return value ? value : otherwise;
}

struct sense_supervisor_limits sense_watch_defaults(const struct sense_supervisor_limits *wanted)
{
	return (struct sense_supervisor_limits){
	    .call_cpu_ms = or_default(wanted->call_cpu_ms, 100),
	    .call_wall_ms = or_default(wanted->call_wall_ms, 30000),
	    .stall_cpu_ms = or_default(wanted->stall_cpu_ms, 10000),
	    .restarts_idle = or_default(wanted->restarts_idle, 16),
	    .restarts = or_default(wanted->restarts, 256),
	    .stop_ms = or_default(wanted->stop_ms, 10000),
	};
}

unsigned sense_watch_interval_ms(const struct sense_supervisor_limits *limits)
{
	unsigned fifth = limits->call_cpu_ms / 5;
	return fifth < 2 ? 2 : fifth > 20 ? 20 : fifth;
}

static uint64_t cpu_us(const struct sense_watch *watch)
{
	struct timespec now;
	if (!watch->has_clock || clock_gettime(watch->clock, &now))
		return 0; /* it has just died: not for the watchdog to judge */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void sense_watch_begin(struct sense_watch *watch, pid_t pid,
                       const struct sense_supervisor_limits *limits)
{
	*watch = (struct sense_watch){.limits = *limits};
	watch->has_clock = clock_getcpuclockid(pid, &watch->clock) == 0;
}

enum sense_watch_verdict sense_watch_look(struct sense_watch *watch, uint64_t call, uint64_t sign,
                                          unsigned elapsed_ms)
{
	uint64_t now = cpu_us(watch);
	bool in_call = sense_mark_rule(call) != 0;
	if (call != watch->call || !in_call) {
		watch->call = call;
		watch->call_cpu_us = now;
		watch->call_wall_ms = 0;
	} else {
		watch->call_wall_ms += elapsed_ms;
	}
	if (sign != watch->sign) {
		watch->sign = sign;
		watch->sign_cpu_us = now;
	}
	watch->call_took_us = in_call && now > watch->call_cpu_us ? now - watch->call_cpu_us : 0;
	if (in_call && (now > watch->call_cpu_us + watch->limits.call_cpu_ms * UINT64_C(1000) ||
	                watch->call_wall_ms > watch->limits.call_wall_ms))
		return SENSE_WATCH_CALL;
	if (now > watch->sign_cpu_us + watch->limits.stall_cpu_ms * UINT64_C(1000))
		return SENSE_WATCH_STALL;
	return SENSE_WATCH_FINE;
}
