/*
 * What SENSE asks of an operating system beyond POSIX.1-2024, by what it is for. All of core/ and lua/ but this
 * folder is portable; a port writes these functions anew beside linux*.c, and the plugins that bring what its
 * system knows (core/sense_plugin.h). `t/02-headers/platform.t` holds that.
 */
#ifndef SENSE_PLATFORM_PLATFORM_H
#define SENSE_PLATFORM_PLATFORM_H

#include <stdint.h>

#include "core/base/status.h"

/* ---- a process that needs nothing any more ---- */

#define SENSE_PLATFORM_EXIT_DENIED 77 /* exit code of a process whose system call was refused */

struct sense_platform_lockdown {
	int out;               /* the one descriptor besides stderr that may be written */
	const int *keep;       /* descriptors that stay open for reading; all others are closed */
	unsigned keep_count;
	uint64_t memory_bytes; /* bound of the address space; 0: none */
	_Atomic uint32_t *denied; /* receives the number of a refused system call + 1 */
};

/*
 * Takes away what this process does not need: capabilities, user, network, files, system calls. After it the
 * process reads the file descriptors it has, computes, and writes to `out` and to stderr. It cannot open a
 * file, make a socket, start a process or a thread, or gain a privilege. There is no way back.
 *
 * Layers that the system does not grant (namespaces, changing the user) are left out silently; the system
 * call filter and that no privilege can be gained must succeed. The process must have one thread. Signal
 * handlers that it needs later (the tick of the sandbox) are set before; a timer before or after.
 *
 * Elsewhere: an AppContainer with a job object (Windows), a sandbox profile (macOS), capsicum(4) (FreeBSD).
 */
enum sense_status sense_platform_lockdown(const struct sense_platform_lockdown *what, sense_error *err);

/* "openat", or "syscall 1234". out holds 32 bytes. */
void sense_platform_call_name(uint32_t number, char *out);

#endif
