/*
 * The eBPF programs of sockets.bpf.c, loaded and attached to the root of the unified cgroup hierarchy by
 * libbpf. They go when this process goes: nothing is pinned. Needs CAP_BPF, CAP_PERFMON
 * and CAP_NET_ADMIN, and kernel 5.8.
 */
#ifndef SOCKETS_EBPF_H
#define SOCKETS_EBPF_H

#include "core/sense_plugin.h"
#include "record.h"

typedef struct ebpf ebpf;

/* NULL: it cannot be had, and why holds the reason. */
ebpf *ebpf_new(const struct sense_host *host, void (*each)(void *self, const struct record *record),
               void *self, char *why, size_t why_cap);
void ebpf_free(ebpf *self);

int ebpf_fd(const ebpf *self); /* readable when there are records */
/* Hands over what is there, or a good part of it. False: the ring is broken. */
bool ebpf_take(ebpf *self);
/* Records lost for want of room, in all. */
uint64_t ebpf_drops(const ebpf *self);

bool ebpf_owner(const ebpf *self, uint64_t cookie, struct record_owner *out);
/* What was found out elsewhere about sockets older than the programs, or that changed hands. */
void ebpf_owner_set(ebpf *self, uint64_t cookie, const struct record_owner *owner);

#endif
