/*
 * Records that the eBPF programs (sockets.bpf.c) leave in the ring buffer, and their reader. The layout is
 * shared with those programs, so this header includes nothing that they have not.
 *
 * Addresses are IPv6, or IPv4 mapped into it (RFC 4291, 2.5.5.2); ports are in host byte order.
 */
#ifndef SOCKETS_RECORD_H
#define SOCKETS_RECORD_H

#include <linux/types.h>

enum record_kind {
	RECORD_FLOW = 1, /* a packet that begins a flow leaves */
	RECORD_BIND = 2  /* a socket got its local address */
};

enum {
	RECORD_MAIN_THREAD = 1, /* comm is the name of the process, not of one of its other threads */
	RECORD_COMM = 16
};

/* Whose a socket is: who created it, or connected it later. */
struct record_owner {
	__u32 tgid;
	__u32 uid;
	__u32 flags;
	__u32 reserved;
	char comm[RECORD_COMM];
};

struct record {
	__u32 kind;
	__u32 l4;
	__u64 cookie;
	struct record_owner owner; /* tgid 0: the socket was there before the programs */
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 reserved;
};

/* False: not a record. What is read is a copy, and comm ends with NUL. */
_Bool record_read(const void *data, unsigned long len, struct record *out);

#endif
