/*
 * Whether settings go with a bundle, before anything is signed: both are loaded as agents load them
 * (server/policy/vet.h). The bundle is in the database, and a rollout unlocks the policy key; so what tries
 * is a process that was forked before there was either, and is sent the bytes.
 */
#ifndef SENSE_SERVER_POLICY_TRYOUT_H
#define SENSE_SERVER_POLICY_TRYOUT_H

#include <sys/types.h>

#include "server/policy/pack.h"

struct sense_tryout {
	pid_t pid; /* 0: there is none */
	int to;
};

enum sense_status sense_tryout_begin(struct sense_tryout *tryout, sense_error *err);
/* Once. params: the map of a manifest. False: they do not go together; it printed why. */
bool sense_tryout_ask(struct sense_tryout *tryout, const struct sense_pack *pack, const uint8_t *params,
                      size_t len);
void sense_tryout_end(struct sense_tryout *tryout); /* may be all zeroes */

#endif
