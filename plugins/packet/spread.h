/*
 * Which socket of a group gets a packet: the classic BPF program of PACKET_FANOUT_CBPF (packet(7)). The kernel
 * changes programs between two packets, so that none is lost or comes twice when packets are to go elsewhere.
 *
 * Both directions of a flow give the same hash: of IP addresses, and of ports where TCP, UDP or SCTP lie
 * right behind the IP header and the packet is no fragment (RFC 791 3.1, RFC 8200 3).
 */
#ifndef PACKET_SPREAD_H
#define PACKET_SPREAD_H

#include <linux/filter.h>
#include <stdint.h>

enum { SPREAD_MAX = 96 };

/* To one of the `count` sockets from number `first` of the group on. Returns the length, SPREAD_MAX at most. */
unsigned spread_build(uint32_t first, uint32_t count, struct sock_filter out[SPREAD_MAX]);

#endif
