#include "look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Into out, which stays as it is when there is nothing to read. */
long look_read(int dir, const char *name, char *out, size_t cap)
{
	size_t len = 0;
	ssize_t n = 0;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (len < cap) {
		n = read(fd, out + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	return n < 0 && !len ? -1 : (long)len;
}

static bool link_read(int dir, const char *name, char *out)
{
	ssize_t n = readlinkat(dir, name, out, PATH_MAX - 1);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static uint64_t ns_of(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t look_time(uint64_t ticks)
{
	static long hz;
	if (!hz)
		hz = sysconf(_SC_CLK_TCK);
	uint64_t ns =
	    ticks / (uint64_t)hz * 1000000000u + ticks % (uint64_t)hz * (1000000000u / (uint64_t)hz);
	return (ns_of(CLOCK_REALTIME) - ns_of(CLOCK_BOOTTIME) + ns) / 1000;
}

uint64_t look_time_monotonic(uint64_t ns)
{
	return (ns_of(CLOCK_REALTIME) - ns_of(CLOCK_MONOTONIC) + ns) / 1000;
}

/*
 * Without asking a remote file system, which a user may run (FUSE) and leave hanging: what the kernel knows
 * by itself is enough.
 */
static void file_look(struct look *look)
{
	struct statx st;
	look->has_file =
	    !statx(look->dir, "exe", AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_MNT_ID, &st) &&
	    S_ISREG(st.stx_mode);
	if (!look->has_file)
		return;
	look->file = (struct file_id){
	    .device = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
	    .inode = st.stx_ino,
	    .mtime_ns = (uint64_t)st.stx_mtime.tv_sec * 1000000000u + st.stx_mtime.tv_nsec,
	    .size = st.stx_size,
	};
	look->remote_device = !st.stx_dev_major;
	look->mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
}

static void image_look(struct look *look)
{
	struct sense_process *process = &look->process;
	long n;
	errno = 0;
	if (link_read(look->dir, "exe", look->path))
		process->path = look->path;
	else if (errno == EACCES || errno == EPERM)
		look->refused = errno;
	n = look_read(look->dir, "cmdline", look->arguments, sizeof look->arguments - 1);
	if (n > 0) {
		look->arguments[n] = '\0'; /* one that was cut, or written over, need not end */
		process->argv = look->arguments;
		process->argv_len = (size_t)n + (look->arguments[n - 1] != '\0');
	}
}

static bool stat_read(int dir, struct procfs_stat *out)
{
	char text[1024];
	long n = look_read(dir, "stat", text, sizeof text);
	return n > 0 && procfs_stat(text, (size_t)n, out);
}

static void rest_look(struct look *look, struct users *users)
{
	struct sense_process *process = &look->process;
	long n = look_read(look->dir, "status", look->small, sizeof look->small);
	if (n > 0 && procfs_uid(look->small, (size_t)n, &process->uid))
		process->user = users_name(users, process->uid);
	if (link_read(look->dir, "cwd", look->cwd))
		process->cwd = look->cwd;
	n = look_read(look->dir, "cgroup", look->small, sizeof look->small);
	procfs_container(look->small, n > 0 ? (size_t)n : 0, look->container, sizeof look->container);
	if (look->container[0])
		process->container = look->container;
	n = look_read(look->dir, "environ", look->environment, sizeof look->environment);
	process->environment_len = n > 0 ? procfs_environment(look->environment, (size_t)n) : 0;
	process->environment = process->environment_len ? look->environment : NULL;
}

static int directory_open(int proc, uint32_t pid)
{
	char name[16];
	snprintf(name, sizeof name, "%u", pid);
	return openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool look_stat(int proc, uint32_t pid, struct procfs_stat *out)
{
	char name[32], text[1024];
	snprintf(name, sizeof name, "%u/stat", pid);
	long n = look_read(proc, name, text, sizeof text);
	return n > 0 && procfs_stat(text, (size_t)n, out);
}

/* What goes first when a process ends goes first here: the link and the arguments. */
enum look_result look_at(struct look *look, int proc, uint32_t pid, struct users *users)
{
	look->process = (struct sense_process){.size = sizeof look->process, .pid = pid};
	look->has_file = false;
	look->refused = 0;
	look->dir = directory_open(proc, pid);
	if (look->dir < 0)
		return LOOK_GONE;
	image_look(look);
	file_look(look);
	bool there = stat_read(look->dir, &look->stat);
	if (!there || look->stat.flags & PROCFS_KERNEL_THREAD) {
		look_end(look);
		return there ? LOOK_KERNEL : LOOK_GONE;
	}
	look->process.name = look->stat.name;
	look->process.parent = look->stat.parent;
	look->process.start_us = look_time(look->stat.start);
	rest_look(look, users);
	return LOOK_SEEN;
}

void look_end(struct look *look)
{
	if (look->dir >= 0)
		close(look->dir);
	look->dir = -1;
}
