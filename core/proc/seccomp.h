/*
 * Taking away what a worker does not need: capabilities, user, network, files, system calls.
 *
 * After it the process reads the file descriptors it has, computes, and writes to `out` and to
 * stderr. It cannot open a file, make a socket, start a process or a thread, or gain a privilege.
 * Layers that the system does not grant (namespaces, changing the user) are left out silently; the
 * system call filter and no_new_privs must succeed. There is no way back.
 */
#ifndef SENSE_PROC_SECCOMP_H
#define SENSE_PROC_SECCOMP_H

#include <stdint.h>

#include "core/base/status.h"

#define SENSE_EXIT_DENIED 77 /* exit code of a process whose system call was refused */

struct sense_lockdown {
	int out;               /* the one descriptor besides stderr that may be written */
	const int *keep;       /* descriptors that stay open for reading; all others are closed */
	unsigned keep_count;
	uint64_t memory_bytes; /* bound of the address space; 0: none */
	_Atomic uint32_t *denied; /* receives the number of a refused system call + 1 */
};

/*
 * The process must have one thread. Signal handlers that it needs later (the tick of the sandbox)
 * are set before; a timer is created before or after.
 */
enum sense_status sense_lockdown(const struct sense_lockdown *what, sense_error *err);

struct sense_worker;
/* The same for a worker: keeps its sources and its socket. */
enum sense_status sense_worker_lockdown(struct sense_worker *worker, uint64_t memory_bytes,
                                        sense_error *err);

/* "openat", or "syscall 1234". out holds 32 bytes. */
void sense_syscall_name(uint32_t number, char *out);

#endif
