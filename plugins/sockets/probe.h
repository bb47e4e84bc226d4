/*
 * Probes: programs that listen on this host are asked what they speak (answer.h). Only over loopback,
 * whatever address they listen on; one after the other for a listener, a few listeners at a time, and
 * each (process, port) once in the life of the process. Nothing waits: descriptors are in the caller's
 * epoll, deadlines are for the caller to keep (probes_due).
 */
#ifndef SOCKETS_PROBE_H
#define SOCKETS_PROBE_H

#include "core/sense_plugin.h"
#include "holders.h"

typedef struct probes probes;

enum {
	PROBES_SLOTS = 8,          /* at one time */
	PROBES_PER_MINUTE = 60,    /* connections */
	PROBES_TARGETS_MAX = 1024, /* remembered or waiting */
	PROBES_TIMEOUT_US = 300000
};

/* Descriptors go into `epoll` with the data tag + slot. NULL: no memory. */
probes *probes_new(const struct sense_host *host, int epoll, uint64_t tag);
void probes_free(probes *self);

/*
 * True: *speaks says what it answered, NULL when nothing that is known, or it cannot be reached over
 * loopback. False: not yet; to be asked again after probes_ready and probes_tick.
 */
bool probes_ask(probes *self, const struct holder *holder, const uint8_t *listens_on, uint16_t port,
                const char **speaks);
void probes_ready(probes *self, unsigned index); /* of the slot */
void probes_tick(probes *self);           /* ends what is overdue, begins what waits */
uint64_t probes_due(const probes *self);  /* when probes_tick is next needed; UINT64_MAX: not */
uint64_t probes_made(const probes *self); /* connections, in all */

#endif
