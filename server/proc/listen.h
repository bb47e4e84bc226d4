/*
 * Listening sockets: one for each address and worker, all of an address with SO_REUSEPORT, so that the kernel
 * spreads connections over them. The master makes and keeps them. A worker inherits those of its slot, and
 * when it dies the connections that wait in their queues are its successor's.
 */
#ifndef SENSE_SERVER_PROC_LISTEN_H
#define SENSE_SERVER_PROC_LISTEN_H

#include "core/base/status.h"

#define SENSE_LISTEN_ADDRESSES_MAX 16u
#define SENSE_LISTEN_SLOTS_MAX 256u

struct sense_listen {
	unsigned addresses, slots;
	int fds[SENSE_LISTEN_ADDRESSES_MAX][SENSE_LISTEN_SLOTS_MAX]; /* -1: none */
	char names[SENSE_LISTEN_ADDRESSES_MAX][64];
};

void sense_listen_init(struct sense_listen *listen);
void sense_listen_fini(struct sense_listen *listen);
/*
 * Makes what is missing of these addresses ("192.0.2.1:8443", "[::]:8443", "*:8443") for so many slots, and
 * shares with `old` (may be NULL) what is there already, by descriptors of its own: an address that stays
 * loses no connection. On failure `listen` is empty.
 */
enum sense_status sense_listen_open(struct sense_listen *listen, const char *const *addresses, unsigned count,
                                    unsigned slots, const struct sense_listen *old, sense_error *err);
/* What `next` does not go on with takes no connections any more. */
void sense_listen_leave(const struct sense_listen *listen, const struct sense_listen *next);
/* Of a port that was asked for as 0: which one it became. */
unsigned sense_listen_port(const struct sense_listen *listen, unsigned address);

#endif
