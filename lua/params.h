/* Settings of rules that came with the policies: how they get to the rules (lua/sense/params.lua does it). */
#ifndef SENSE_LUA_PARAMS_H
#define SENSE_LUA_PARAMS_H

#include "lua/policy.h"

/* Before the first file is run. What is wrong with them becomes a problem of the run. */
void sense_params_begin(struct sense_policy_steps *steps);
/* After the last: those that are of no rule are problems. */
void sense_params_end(struct sense_policy_steps *steps);

#endif
