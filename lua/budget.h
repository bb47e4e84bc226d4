/*
 * How much CPU time each rule takes, and which of them take more than their share.
 *
 * The timer that limits calls (lua/sandbox.c) finds one rule running at each tick, and charges the
 * tick to it: single calls are not measured, but over seconds the sums are right, and a rule pays
 * nothing for it. A rule that took more than its percentage of the thread's CPU time in one window is
 * suspended: for SENSE_BUDGET_SPAN windows, then twice as long each time that it is over again soon
 * after, up to SENSE_BUDGET_SPAN_MAX windows.
 *
 * All times are CPU time of the thread. Event time would not do: a replay goes through a minute of it
 * at once, it leaps between captures, and whoever sends packets can make it leap. CPU time is what is
 * to be shared out.
 */
#ifndef SENSE_LUA_BUDGET_H
#define SENSE_LUA_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"

#define SENSE_BUDGET_SPAN 6u
#define SENSE_BUDGET_SPAN_MAX 360u

struct sense_budget_rule {
	volatile uint64_t cpu_us;
	uint64_t before_us; /* cpu_us when the window began */
	uint64_t until_us;  /* suspended until then; 0: it is not */
	uint64_t free_us;   /* when it had served its latest suspension */
	uint64_t span;      /* windows of that suspension; 0: there was none */
	uint64_t times;     /* suspensions */
};

struct sense_budget {
	struct sense_budget_rule *rules;
	unsigned count;
	unsigned percent;   /* 0: nothing is suspended */
	uint64_t window_us;
	volatile uint64_t cpu_us; /* of the thread, scripts or not */
	uint64_t begun_us;  /* when the window began */
};

/* Told of each rule that is suspended, with its share in percent and for how long; 0, 0: it goes on. */
typedef void sense_budget_told(void *context, unsigned rule, double share, uint64_t span_us);

enum sense_status sense_budget_init(struct sense_budget *budget, unsigned rules, sense_error *err);
void sense_budget_fini(struct sense_budget *budget);

/* Async-signal-safe: us of CPU time went by while rule number + 1 ran; 0: none did. */
static inline void sense_budget_tick(struct sense_budget *budget, uint32_t rule, uint64_t us)
{
	budget->cpu_us += us;
	if (rule - 1u < budget->count)
		budget->rules[rule - 1u].cpu_us += us;
}

/* Whether a window is over: cheap, for each batch. */
static inline bool sense_budget_due(const struct sense_budget *budget)
{
	return budget->percent && budget->cpu_us - budget->begun_us >= budget->window_us;
}

/* Ends the window. idle: bit per rule that is not to run; only bits of suspended rules change. */
void sense_budget_turn(struct sense_budget *budget, uint64_t *idle, sense_budget_told *told, void *context);

#endif
