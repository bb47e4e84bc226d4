/*
 * AF_PACKET sockets (packet(7)): those with a ring, which are made deaf so that they can join their group
 * before they hear the first frame, and are made to hear by their filter; and those that only count.
 */
#ifndef PACKET_SOCKET_H
#define PACKET_SOCKET_H

#include <linux/filter.h>

#include "core/sense_plugin.h"

/* A socket bound to all interfaces that lets nothing pass, without a ring yet. */
enum sense_status packet_socket_new(const struct sense_host *host, int *fd, sense_error *err);
/* *blocks: how many to have in its ring; how many it has, which are fewer where memory is short. */
enum sense_status packet_socket_ring(const struct sense_host *host, int fd, uint32_t *blocks,
                                     sense_error *err);
/* Gives the ring's memory back. False: somebody has it mapped. */
bool packet_socket_unring(int fd);
/*
 * Spreads packets over the sockets, numbered as they come here, by a program that packet_socket_spread sets
 * (spread.h); all go to the first before that. defragment: IPv4 fragments are put together first.
 */
enum sense_status packet_socket_group(const struct sense_host *host, const int *fds, unsigned count,
                                      bool defragment, sense_error *err);
/* No packet goes by the program before when this returns. fd: any of the group. */
enum sense_status packet_socket_spread(const struct sense_host *host, int fd, struct sock_filter *code,
                                       unsigned count, sense_error *err);
enum sense_status packet_socket_filter(const struct sense_host *host, int fd, struct sock_filter *code,
                                       unsigned count, sense_error *err);
/* Adds what was counted since the last call. */
enum sense_status packet_socket_count(const struct sense_host *host, int fd, struct sense_live_stats *stats,
                                      sense_error *err);

/*
 * A socket that has no room for what passes the filter at one interface, and so counts it at little cost.
 * Gives its descriptor; -1: there can be none.
 */
int packet_socket_tally(const struct sense_host *host, unsigned interface, struct sock_filter *code,
                        unsigned count);

#endif
