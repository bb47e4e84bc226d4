/*
 * One process, as /proc has it at this moment. Its directory is held open meanwhile: what is read through it
 * is this process's or nothing, whoever gets the pid next.
 *
 * Bounds: ARGUMENTS_MAX and ENVIRONMENT_MAX; what is longer is cut. Values of variables are wiped as soon as
 * they were read. Everything a look gives out is good until the next one.
 */
#ifndef PROCS_LOOK_H
#define PROCS_LOOK_H

#include <limits.h>

#include "core/sense_plugin.h"
#include "procfs.h"
#include "users.h"

enum { ARGUMENTS_MAX = 64 << 10, ENVIRONMENT_MAX = 128 << 10, SMALL_MAX = 4096, CONTAINER_MAX = 96 };

/* Which file an executable is, and in which state. */
struct file_id {
	uint64_t device, inode, mtime_ns, size;
};

struct look {
	struct sense_process process; /* what is known; borrowed from the buffers below */
	struct procfs_stat stat;
	struct file_id file;
	bool has_file;
	bool remote_device; /* the device has no block device: the file system's type decides whether it is
	                       read */
	uint64_t mount;
	int refused; /* errno of the executable's link, when the system did not let us see it */
	int dir;     /* /proc/PID; -1: none is open */
	char path[PATH_MAX], cwd[PATH_MAX], container[CONTAINER_MAX], small[SMALL_MAX];
	char arguments[ARGUMENTS_MAX], environment[ENVIRONMENT_MAX];
};

enum look_result {
	LOOK_SEEN,
	LOOK_GONE,
	LOOK_KERNEL /* a thread of the kernel's; look->stat is filled */
};

/* look->dir stays open behind LOOK_SEEN, until look_end. */
enum look_result look_at(struct look *look, int proc, uint32_t pid, struct users *users);
void look_end(struct look *look);
/* Its stat alone. */
bool look_stat(int proc, uint32_t pid, struct procfs_stat *out);
/* Reads a small file of the directory whole, at most cap bytes; -1: it cannot be read. */
long look_read(int dir, const char *name, char *out, size_t cap);
/* Microseconds since the epoch of a time in ticks since boot, by today's clocks. */
uint64_t look_time(uint64_t ticks);
/* The same of nanoseconds of CLOCK_MONOTONIC. */
uint64_t look_time_monotonic(uint64_t ns);

#endif
