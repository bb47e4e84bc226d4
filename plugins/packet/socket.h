/*
 * One AF_PACKET socket with a ring (packet(7)): made deaf, so that it can join its group before it hears the
 * first frame, and made to hear by its filter.
 */
#ifndef PACKET_SOCKET_H
#define PACKET_SOCKET_H

#include <linux/filter.h>

#include "core/sense_plugin.h"

/*
 * A socket that is bound to all interfaces and lets nothing pass. *blocks: how many to have in its ring; how
 * many it has, which are fewer where memory is short.
 */
enum sense_status packet_socket_new(const struct sense_host *host, uint32_t *blocks, int *fd,
                                    sense_error *err);
/* Spreads flows over the sockets by their hash. */
enum sense_status packet_socket_group(const struct sense_host *host, const int *fds, unsigned count,
                                      sense_error *err);
enum sense_status packet_socket_filter(const struct sense_host *host, int fd, struct sock_filter *code,
                                       unsigned count, sense_error *err);
/* Adds what was counted since the last call. */
enum sense_status packet_socket_count(const struct sense_host *host, int fd, struct sense_live_stats *stats,
                                      sense_error *err);

#endif
