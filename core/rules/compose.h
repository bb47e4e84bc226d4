/*
 * From a rule that holds and its event to a finding: who, what, which evidence, and a sentence.
 *
 * All strings of the finding live in the arena, but for those of the rule. They are clean: UTF-8
 * without control characters, and short enough for the finding to be encoded.
 */
#ifndef SENSE_RULES_COMPOSE_H
#define SENSE_RULES_COMPOSE_H

#include "core/rules/script.h"

struct sense_compose {
	uint64_t sequence;   /* tells apart findings of one rule, flow and kind; the same in each replay */
	uint64_t suppressed; /* held back since the last one of its key (core/rules/throttle.h) */
	const struct sense_script *script; /* asked when the rule has_finding; may be NULL */
};

/*
 * SENSE_E_MEMORY: the arena is full, *finding is worth nothing. Any other status is the script's, and
 * *finding is then whole, as it would be without a script: a broken script loses no finding.
 */
enum sense_status sense_finding_compose(const struct sense_rule *rule, const struct sense_event *event,
					const struct sense_compose *how, struct sense_arena *arena,
					struct sense_finding *finding, sense_error *err);

#endif
