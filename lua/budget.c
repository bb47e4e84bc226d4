#include "lua/budget.h"

#include <stdlib.h>

enum sense_status sense_budget_init(struct sense_budget *budget, unsigned rules, sense_error *err)
{
	struct sense_budget_rule *list = calloc(rules + 1u, sizeof *list);
	if (!list)
		return sense_fail(err, SENSE_E_MEMORY, "lua", "no memory to account for %u rules", rules);
	free(budget->rules);
	budget->count = 0; /* the timer ticks all the while */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	budget->rules = list;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	budget->count = rules;
	return SENSE_OK;
}

void sense_budget_fini(struct sense_budget *budget)
{
	budget->count = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	free(budget->rules);
	budget->rules = NULL;
}

/* A rule that kept to its budget for as long as it was suspended begins anew. */
static uint64_t span_next(const struct sense_budget *budget, const struct sense_budget_rule *rule, uint64_t now)
{
	if (!rule->span || now - rule->free_us > rule->span * budget->window_us)
		return SENSE_BUDGET_SPAN;
	return 2 * rule->span < SENSE_BUDGET_SPAN_MAX ? 2 * rule->span : SENSE_BUDGET_SPAN_MAX;
}

void sense_budget_turn(struct sense_budget *budget, uint64_t *idle, sense_budget_told *told, void *context)
{
	uint64_t now = budget->cpu_us, spent = now - budget->begun_us;
	for (unsigned i = 0; i < budget->count; i++) {
		struct sense_budget_rule *rule = &budget->rules[i];
		uint64_t used = rule->cpu_us - rule->before_us, bit = UINT64_C(1) << i % 64;
		rule->before_us += used;
		if (rule->until_us && now >= rule->until_us) {
			rule->until_us = 0;
			rule->free_us = now;
			idle[i / 64] &= ~bit;
			told(context, i, 0, 0);
		} else if (!rule->until_us && !(idle[i / 64] & bit) && used * 100 > spent * budget->percent) {
			rule->span = span_next(budget, rule, now);
			rule->until_us = now + rule->span * budget->window_us;
			rule->times++;
			idle[i / 64] |= bit;
			told(context, i, 100.0 * (double)used / (double)spent, rule->span * budget->window_us);
		}
	}
	budget->begun_us = now;
}
