/*
 * Programs that listen: what each sweep sees is told once as a `listen` event, with what a probe found out,
 * and forgotten when a later sweep does not see it, so that it is told again when it comes back.
 */
#ifndef SOCKETS_LISTENERS_H
#define SOCKETS_LISTENERS_H

#include "core/sense_plugin.h"
#include "holders.h"
#include "message.h"
#include "probe.h"

enum { LISTENERS_MAX = 1024 };

typedef struct listeners listeners;

/* asks: NULL when programs are not to be probed; belongs to the caller. NULL: no memory. */
listeners *listeners_new(const struct sense_host *host, probes *asks);
void listeners_free(listeners *self);

void listeners_sweep_begin(listeners *self);
void listeners_seen(listeners *self, const struct diag_socket *socket, const struct holder *holder);
void listeners_sweep_end(listeners *self);

/* Tells those that are to be told. True: some wait for the answer to a probe. */
bool listeners_tell(listeners *self);
unsigned listeners_count(const listeners *self);
uint64_t listeners_lost(const listeners *self); /* for want of room, in all */

#endif
