/*
 * What a process gives up besides system calls: capabilities, its user, namespaces, limits, open
 * descriptors. Used by sense_platform_lockdown; each is a layer of its own.
 */
#ifndef SENSE_PLATFORM_LINUX_PRIVILEGE_H
#define SENSE_PLATFORM_LINUX_PRIVILEGE_H

#include "core/platform/platform.h"

/*
 * Own network, IPC and UTS namespaces: an empty network. Not granted everywhere. Where it takes a user
 * namespace, this process becomes nobody first.
 */
enum sense_status sense_privilege_isolate(sense_error *err);
/* User nobody where this process may do so, no capabilities, none to be gained. */
enum sense_status sense_privilege_drop(sense_error *err);
/* memory_bytes: 0: no bound. */
enum sense_status sense_privilege_limit(unsigned descriptors, uint64_t memory_bytes, sense_error *err);
/* Closes all descriptors but stderr, `out`, `outs` and `keep`. */
enum sense_status sense_privilege_close(const struct sense_platform_lockdown *what, sense_error *err);

/* Of a process that looks at the host (core/platform/linux_seccomp.c): no_new_privs is set already. */
enum sense_status sense_seccomp_lookout(sense_error *err);

#endif
