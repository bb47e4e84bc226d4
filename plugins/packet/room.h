/*
 * How much room packets have while nobody reads, on the privileged side: each worker's rings, of which the
 * large one is there only while it is wanted.
 *
 * A ring's pages are memory that cannot be swapped, and nearly all of it lies idle on a host that waits for
 * its user. So packets go to a ring of a sixteenth of the room until that is a quarter full, or they come so
 * fast that it would hold less than a tenth of a second, or its reader stands still; and back again after
 * twenty seconds without any of that. Both rings' sockets are in one group, whose program says which of them hears a
 * packet (spread.h).
 */
#ifndef PACKET_ROOM_H
#define PACKET_ROOM_H

#include "share.h"

struct room {
	const struct sense_host *host;
	struct share_row *rows[SHARE_MAX];
	unsigned workers;
	uint32_t blocks[RINGS]; /* of a worker's; RING_LARGE 0: the small one is all there is */
	uint32_t turn;          /* as in the share */
	unsigned held;          /* workers that have their large ring, from the first on */
	uint64_t looked_ms, calm_ms, failed_ms, stuck_ms; /* times; the latter two 0: it is not so */
	uint64_t bytes, frames, received;                 /* at the latest look */
};

/* bytes: of all rings together. On failure call room_end as well. */
enum sense_status room_begin(struct room *room, const struct sense_host *host, unsigned workers,
                             uint64_t bytes, sense_error *err);
void room_end(struct room *room);
/* Some ten times a second. received: packets so far. */
void room_look(struct room *room, uint64_t received);
/* Sockets, each exactly once. Returns how many: RINGS * SHARE_MAX at most. */
unsigned room_sockets(const struct room *room, int *fds);

#endif
