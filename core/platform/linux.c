/* What SENSE asks of Linux that fits nowhere else. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/platform/platform.h"

/* ---- processes ---------------------------------------------------------------------------------------- */

void sense_platform_end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

bool sense_platform_program_path(char *out, size_t cap)
{
	ssize_t len = readlink("/proc/self/exe", out, cap - 1);
	out[len < 0 ? 0 : len] = '\0';
	return len > 0;
}

bool sense_platform_peer_uid(int fd, uid_t *uid)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	*uid = peer.uid;
	return true;
}

bool sense_platform_thread_timer(int signal_number, void *value, timer_t *timer)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_number};
	event.sigev_value.sival_ptr = value;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	return !timer_create(CLOCK_THREAD_CPUTIME_ID, &event, timer);
}

void sense_platform_send_room(int fd, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

void sense_platform_large_blocks_apart(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 128 << 10); /* where it begins; to set it keeps it there */
#endif
}

void sense_platform_trim(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/* Before Linux 6.7 large areas lie anywhere: what sticks out around the aligned part is given back. */
void *sense_platform_reserve(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t align = bytes < SENSE_PLATFORM_LARGE_PAGE ? 0 : SENSE_PLATFORM_LARGE_PAGE;
	bytes = (bytes + page - 1) / page * page;
	char *memory = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	size_t before = align ? -(uintptr_t)memory % align : 0;
	if (before)
		munmap(memory, before);
	if (align > before)
		munmap(memory + before + bytes, align - before);
	return memory + before;
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; before, the kernel comes to it by and by (khugepaged) */
#endif

void sense_platform_large_pages(void *memory, size_t bytes, size_t filled)
{
	madvise(memory, bytes, MADV_HUGEPAGE);
	if (filled)
		madvise(memory, filled, MADV_COLLAPSE);
}

void *sense_platform_secret(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	/* What a kernel or a limit refuses of these makes the keys less well kept, not useless. */
	madvise(memory, bytes, MADV_WIPEONFORK);
	madvise(memory, bytes, MADV_DONTDUMP);
	mlock(memory, bytes);
	return memory;
}

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

bool sense_platform_views(size_t bytes, void **writable, const void **readable)
{
	int code;
	void *out = MAP_FAILED, *in = MAP_FAILED;
	int fd = memfd_create("sense-views", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* Pages that nothing is written to cost nothing. */
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		goto fail;
	out = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (out == MAP_FAILED)
		goto fail;
	/* An older kernel does not know this seal: then the view below is read-only by its protection alone.
	 */
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	in = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (in == MAP_FAILED)
		goto fail;
	close(fd);
	*writable = out;
	*readable = in;
	return true;
fail:
	code = errno;
	if (out != MAP_FAILED)
		munmap(out, bytes);
	if (fd >= 0)
		close(fd);
	errno = code;
	return false;
}

/* ---- files --------------------------------------------------------------------------------------- */

bool sense_platform_allocate(int fd, uint64_t length)
{
	return !fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)length);
}

bool sense_platform_rename_new(int dir, const char *name, const char *as)
{
	return !renameat2(dir, name, dir, as, RENAME_NOREPLACE);
}

/* inotify(7) */

#define CHANGES (IN_CLOSE_WRITE | IN_MOVE | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB)

int sense_platform_watch_open(void)
{
	return inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

bool sense_platform_watch_add(int fd, const char *dir)
{
	return inotify_add_watch(fd, dir, CHANGES) >= 0;
}

void sense_platform_watch_drain(int fd)
{
	char data[16384];
	while (read(fd, data, sizeof data) > 0)
		;
}
