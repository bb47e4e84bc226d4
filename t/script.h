/* One rule's `when` as tests like to ask it: a status, an answer, a message. */
#ifndef SENSE_T_SCRIPT_H
#define SENSE_T_SCRIPT_H

#include "core/rules/script.h"

static void script_note(void *context, const struct sense_rule *rule, const sense_error *err)
{
	(void)rule;
	*(sense_error *)context = *err;
}

__attribute__((unused)) static enum sense_status script_when(const struct sense_script *script,
                                                             const sense_ruleset *set, uint32_t number,
                                                             const struct sense_event *event, bool *holds,
                                                             sense_error *err)
{
	sense_error failure = {.status = SENSE_OK};
	struct sense_script_ask ask = {
	    .rules = set,
	    .numbers = &number,
	    .count = 1,
	    .event = event,
	    .failed = script_note,
	    .context = &failure,
	};
	*holds = script->when(script->self, &ask);
	if (failure.status)
		*err = failure;
	return failure.status;
}

#endif
