/*
 * Why a rule did or did not match an event, in text: one line a condition, with the event's value, and
 * below them the alternatives that hold, or all of them when none does.
 */
#ifndef SENSE_RULES_EXPLAIN_H
#define SENSE_RULES_EXPLAIN_H

#include "core/base/buf.h"
#include "core/rules/rule.h"

struct sense_explanation {
	bool holds;                                    /* the rule takes the event, and all conditions hold */
	unsigned failed;                               /* conditions that all alternatives share, and ... */
	bool no_alternative;                           /* ... counted as one of them: none of these holds */
	uint64_t fields[(SENSE_FIELD_COUNT + 63) / 64]; /* of the shared conditions that failed */
};

/* Appends to out. */
struct sense_explanation sense_rule_explain(const struct sense_rule *rule, const struct sense_event *event,
					    struct sense_buf *out);

/* Text of a value: its string, number, yes or no, address; "not set". Appends to out. */
void sense_value_print(const struct sense_value *value, struct sense_buf *out);

#endif
