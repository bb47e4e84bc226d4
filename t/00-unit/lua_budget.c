/* The budget of CPU time: who is suspended, for how long, and when a rule is free again. */
#include "lua/budget.h"

#include "t/tap.h"

#define WINDOW 10000000u

struct heard {
	unsigned suspended, freed, rule;
	double share;
	uint64_t span_us;
};

static struct sense_budget budget = {.percent = 25, .window_us = WINDOW};
static struct heard heard;
static uint64_t idle[2];

static void told(void *context, unsigned rule, double share, uint64_t span_us)
{
	struct heard *to = context;
	to->suspended += span_us != 0;
	to->freed += span_us == 0;
	to->rule = rule;
	to->share = share;
	to->span_us = span_us;
}

/* One window in which rule 70 takes so many percent, unless it is suspended. */
static void window(unsigned percent)
{
	heard = (struct heard){0};
	for (unsigned i = 0; i < 100; i++)
		sense_budget_tick(&budget, i < percent && !(idle[1] >> 6 & 1) ? 71 : 0, WINDOW / 100);
	if (sense_budget_due(&budget))
		sense_budget_turn(&budget, idle, told, &heard);
}

/* How many windows it is suspended for now. */
static unsigned served(void)
{
	unsigned windows = 0;
	while (!heard.freed && windows < 1000) {
		window(50);
		windows++;
	}
	return windows;
}

int main(void)
{
	sense_error err;
	if (sense_budget_init(&budget, 100, &err))
		return 1;
	sense_budget_tick(&budget, 0, WINDOW - 1);
	ok(!sense_budget_due(&budget), "a window is not over before its end");
	sense_budget_tick(&budget, 101, 1);
	ok(sense_budget_due(&budget), "it is at its end, and rules that there are not are charged nothing");
	sense_budget_turn(&budget, idle, told, &heard);

	window(25);
	ok(!heard.suspended && !idle[1], "a rule at its budget runs on");
	window(26);
	ok(heard.suspended == 1 && heard.rule == 70 && idle[1] == UINT64_C(1) << 6, "one over it is suspended");
	ok(heard.share > 25.9 && heard.share < 26.1, "its share is said: %.1f", heard.share);
	is_num(heard.span_us, SENSE_BUDGET_SPAN * (uint64_t)WINDOW, "and for how long");
	is_num(served(), SENSE_BUDGET_SPAN, "that is how long it takes");
	ok(!idle[1], "then it runs again");

	window(90);
	is_num(heard.span_us, 2 * SENSE_BUDGET_SPAN * (uint64_t)WINDOW, "over again at once: twice as long");
	served();
	for (unsigned i = 0; i < 10; i++) {
		window(90);
		served();
	}
	window(90);
	is_num(heard.span_us, SENSE_BUDGET_SPAN_MAX * (uint64_t)WINDOW, "but for no longer than this");
	served();
	for (unsigned i = 0; i <= SENSE_BUDGET_SPAN_MAX; i++)
		window(5);
	window(90);
	is_num(heard.span_us, SENSE_BUDGET_SPAN * (uint64_t)WINDOW,
	       "after as long without a fault it begins anew");
	is_num(budget.rules[70].times, 14, "each time is counted");

	idle[0] = 1;
	heard = (struct heard){0};
	sense_budget_tick(&budget, 1, 2 * WINDOW);
	sense_budget_turn(&budget, idle, told, &heard);
	ok(!heard.suspended && idle[0] == 1, "a rule in quarantine is left there");
	budget.percent = 0;
	sense_budget_tick(&budget, 3, 2 * WINDOW);
	ok(!sense_budget_due(&budget), "no budget, no end");
	is_num(budget.rules[2].cpu_us, 2 * (uint64_t)WINDOW, "what a rule took is counted all the same");
	sense_budget_fini(&budget);
	sense_budget_tick(&budget, 3, 1);
	return tap_done();
}
