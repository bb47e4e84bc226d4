/*
 * Why a rule did or did not match an event, in text: one line a condition, with the event's value, and
 * below them the alternatives that hold, or all of them when none does.
 */
#ifndef SENSE_RULES_EXPLAIN_H
#define SENSE_RULES_EXPLAIN_H

#include "core/base/buf.h"
#include "core/rules/rule.h"

/* Appends to out. True when the rule takes this kind of event and all its conditions hold. */
bool sense_rule_explain(const struct sense_rule *rule, const struct sense_event *event,
			struct sense_buf *out);

/* Text of a value: its string, number, yes or no, address; "not set". Appends to out. */
void sense_value_print(const struct sense_value *value, struct sense_buf *out);

#endif
