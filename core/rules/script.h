/*
 * The scripted part of rules, as the engine calls it. lua/ implements it; core/ knows no Lua.
 *
 * A failure is an outcome of its own (status, and a message with file and line), never 'no match'.
 */
#ifndef SENSE_RULES_SCRIPT_H
#define SENSE_RULES_SCRIPT_H

#include "core/rules/rule.h"
#include "proto/finding.h"

#define SENSE_SCRIPT_ASK_MAX 16

/* Rules whose conditions hold for one event, and whose `when` is still to be asked. */
struct sense_script_ask {
	const sense_ruleset *rules;
	const uint32_t *numbers; /* rising */
	unsigned count;          /* 1 to SENSE_SCRIPT_ASK_MAX */
	const struct sense_event *event;
	/* Told of each rule whose `when` failed; the others are asked all the same. */
	void (*failed)(void *context, const struct sense_rule *rule, const sense_error *err);
	void *context;
};

struct sense_script {
	void *self;
	/* The `when` predicates, in the order of the numbers: bit i of the answer is numbers[i]. */
	uint32_t (*when)(void *self, const struct sense_script_ask *ask);
	/*
	 * The rule's `finding` function: may set summary, severity, confidence, evidence and
	 * details of *finding; its strings live in the given arena.
	 */
	enum sense_status (*finding)(void *self, const struct sense_rule *rule,
	                             const struct sense_event *event, struct sense_arena *arena,
	                             struct sense_finding *finding, sense_error *err);
};

#endif
