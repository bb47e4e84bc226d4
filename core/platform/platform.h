/*
 * What SENSE asks of an operating system beyond POSIX.1-2024, by what it is for. All of core/ and lua/ but
 * this folder is portable; a port writes these functions anew beside linux*.c, and the plugins that bring
 * what its system knows (core/sense_plugin.h). `t/02-headers/platform.t` holds that.
 */
#ifndef SENSE_PLATFORM_PLATFORM_H
#define SENSE_PLATFORM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/base/status.h"

/* ---- a process that needs nothing any more ---- */

#define SENSE_PLATFORM_EXIT_DENIED 77 /* exit code of a process whose system call was refused */

struct sense_platform_lockdown {
	int out;         /* the socket that may be written; besides it stderr */
	const int *outs; /* sockets that may be written, too; NULL: none */
	unsigned out_count;
	const int *keep; /* descriptors that stay open for reading; all others are closed */
	unsigned keep_count;
	uint64_t memory_bytes;    /* bound of the address space; 0: none */
	_Atomic uint32_t *denied; /* receives the number of a refused system call + 1 */
};

/*
 * Takes away what this process does not need: capabilities, user, network, files, system calls. After it the
 * process reads the file descriptors it has, computes, and writes to `out`, `outs` and to stderr. It cannot open a
 * file, make a socket, start a process or a thread, or gain a privilege. There is no way back.
 *
 * Layers that the system does not grant (namespaces, changing the user) are left out silently; the system
 * call filter and that no privilege can be gained must succeed. The process must have one thread. Signal
 * handlers that it needs later (the tick of the sandbox) are set before; a timer before or after.
 *
 * Elsewhere: an AppContainer with a job object (Windows), a sandbox profile (macOS), capsicum(4) (FreeBSD).
 */
enum sense_status sense_platform_lockdown(const struct sense_platform_lockdown *what, sense_error *err);

/*
 * The same for a process that looks at the host: it keeps what it takes to read the files and processes of
 * all users and to be told of processes and sockets, where it has that; it loses other privileges for good,
 * and every descriptor but stderr and `keep`; it can start no program, change no file and take no connection.
 * It runs with a little priority, where it may. name: what lists of processes call it.
 */
enum sense_status sense_platform_lookout(const char *name, const int *keep, unsigned keep_count,
                                         sense_error *err);

/*
 * The same for a process that talks to the network and to nothing else: nobody, without privileges, files and
 * programs; it may make connections over TCP and take none. files: it may read those that everybody may, too, and
 * use the network as looking up names takes it.
 */
enum sense_status sense_platform_netward(const char *name, const int *keep, unsigned keep_count, bool files,
                                         sense_error *err);

/* "openat", or "syscall 1234". out holds 32 bytes. */
void sense_platform_call_name(uint32_t number, char *out);

/* ---- processes ---- */

/* This process is killed when its parent ends. A parent that has ended already is the caller's to notice. */
void sense_platform_end_with_parent(void);
/* Of the running program, links resolved. False: not known, and out is "". */
bool sense_platform_program_path(char *out, size_t cap);
/* The user at the other end of a connected AF_UNIX socket, as it was when it connected. */
bool sense_platform_peer_uid(int fd, uid_t *uid);
/* Room for so much that was sent and not yet received; where this process may, beyond the limit for users. */
void sense_platform_send_room(int fd, int bytes);
/*
 * A timer (timer_create(3)) on the CPU time of the calling thread, whose signal goes to this very thread with
 * si_value.sival_ptr = value. Belongs to the caller, who ends it with timer_delete. False: see errno.
 */
bool sense_platform_thread_timer(int signal_number, void *value, timer_t *timer);

/* ---- memory; given back by munmap ---- */

/*
 * For a process that is to live long: large blocks come from the system untouched and go back to it when they are
 * freed. glibc would begin to keep them with the first that is freed, and clear them as a whole for the next.
 */
void sense_platform_large_blocks_apart(void);
/* Gives pages that no block lies on back to the system; by itself glibc does so at the end of the heap alone. */
void sense_platform_trim(void);

#define SENSE_PLATFORM_LARGE_PAGE ((size_t)2 << 20)
/* Zeroes that cost nothing until they are written to, at an address fit for large pages. NULL: see errno. */
void *sense_platform_reserve(size_t bytes);
/*
 * Large pages, where there are any, for memory that is reached at random: with small ones each access would wait for
 * the page tables, too. The first `filled` bytes are in use already and move into some.
 */
void sense_platform_large_pages(void *memory, size_t bytes, size_t filled);
/*
 * Zeroes for keys, that no child inherits, no core dump holds and no swap space takes; as far as the system
 * grants it. NULL: see errno.
 */
void *sense_platform_secret(size_t bytes);
/*
 * The same memory twice, shared with children: a view to write through, and one that only reads and, where
 * the system can do so, cannot be made writable by anybody who has that view alone. False: see errno.
 */
bool sense_platform_views(size_t bytes, void **writable, const void **readable);

/* ---- files ---- */

/*
 * Disk space for a file up to this length, which it does not get by that. False: see errno, EOPNOTSUPP where it
 * cannot be.
 */
bool sense_platform_allocate(int fd, uint64_t length);
/* Within a directory; never over a file that is there. False: see errno. */
bool sense_platform_rename_new(int dir, const char *name, const char *as);

/* A descriptor, to be closed, that becomes readable when something changes in a directory that was added. */
int sense_platform_watch_open(void);
/* Adding one twice is one watch. False: see errno. */
bool sense_platform_watch_add(int fd, const char *dir);
/* Takes all that there is to read; what it was is not told. */
void sense_platform_watch_drain(int fd);

#endif
