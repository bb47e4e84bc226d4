/*
 * The scripted part of rules, as the engine calls it. lua/ implements it; core/ knows no Lua.
 *
 * A failure is an outcome of its own (status, and a message with file and line), never 'no match'.
 */
#ifndef SENSE_RULES_SCRIPT_H
#define SENSE_RULES_SCRIPT_H

#include "core/rules/rule.h"
#include "proto/finding.h"

struct sense_script {
	void *self;
	/* The rule's `when` predicate. */
	enum sense_status (*when)(void *self, const struct sense_rule *rule,
	                          const struct sense_event *event, bool *holds, sense_error *err);
	/*
	 * The rule's `finding` function: may set summary, severity, confidence, evidence and
	 * details of *finding; its strings live in the given arena.
	 */
	enum sense_status (*finding)(void *self, const struct sense_rule *rule,
	                             const struct sense_event *event, struct sense_arena *arena,
	                             struct sense_finding *finding, sense_error *err);
};

#endif
