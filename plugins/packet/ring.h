/*
 * The worker's side: packets from the ring of one inherited socket.
 *
 * A worker cannot ask a socket for the shape of its ring any more (getsockopt is not among its calls), so the
 * privileged side notes it here and the fork hands it on. The ring is mapped in the worker alone; it goes on
 * living with the socket when a worker dies, and the next one goes on behind what the dead one had in hand.
 */
#ifndef PACKET_RING_H
#define PACKET_RING_H

#include "core/sense_plugin.h"

enum { RING_SOCKETS_MAX = 64, RING_BLOCKS_LEAST = 8 };

/* Rings of this process and of those forked from it. False: there are RING_SOCKETS_MAX already. */
bool ring_note(int fd, uint32_t blocks);
void ring_forget(int fd);

extern const struct sense_capture_ops ring_ops;

#endif
