/*
 * What a process gives up besides system calls: capabilities, its user, namespaces, limits, open
 * descriptors. Used by sense_lockdown; each is a layer of its own.
 */
#ifndef SENSE_PROC_PRIVILEGE_H
#define SENSE_PROC_PRIVILEGE_H

#include "core/proc/seccomp.h"

/*
 * Own network, IPC and UTS namespaces: an empty network. Not granted everywhere. Where it takes a user
 * namespace, this process becomes nobody first.
 */
enum sense_status sense_privilege_isolate(sense_error *err);
/* User nobody where this process may do so, no capabilities, none to be gained. */
enum sense_status sense_privilege_drop(sense_error *err);
enum sense_status sense_privilege_limit(uint64_t memory_bytes, sense_error *err);
/*
 * For a process that looks at the host: it keeps what reading others' files and processes, netlink and BPF
 * take, where it has it, and loses all other capabilities. The user stays.
 */
enum sense_status sense_privilege_watch(sense_error *err);
/* Closes all descriptors but stderr, `out` and `keep`. */
enum sense_status sense_privilege_close(const struct sense_lockdown *what, sense_error *err);

#endif
