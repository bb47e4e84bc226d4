/* A process that talks to the network and to nothing else: its privileges, limits and system calls. */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/platform/linux_filter.h"
#include "core/platform/linux_privilege.h"

#define DESCRIPTORS 64u

/* None of them names a file or a process. Descriptors are those it was left with, and sockets. */
static const int plain_calls[] = {
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fstat),
    SCMP_SYS(lseek), SCMP_SYS(fcntl),
    /* Sockets: to connect, never to listen. */
    SCMP_SYS(connect), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(poll), SCMP_SYS(ppoll),
    /* Memory and time. */
    SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
    SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid),
    SCMP_SYS(sched_yield), SCMP_SYS(exit), SCMP_SYS(exit_group),
#if SENSE_SANITIZED
    SCMP_SYS(rt_sigaction), SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
    SCMP_SYS(uname),
#endif
};

static void allow_stream(struct sense_filter *filter, uint32_t family)
{
	struct scmp_arg_cmp is[] = {{0, SCMP_CMP_MASKED_EQ, UINT32_MAX, family},
	                            {1, SCMP_CMP_MASKED_EQ, 0xff, SOCK_STREAM}};
	filter->failed |= seccomp_rule_add_array(filter->context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, is);
}

static enum sense_status filter_load(sense_error *err)
{
	struct sense_filter filter;
	/* What is refused fails; there is nothing to be had by it. */
	enum sense_status status = SENSE_OK;
	if (SENSE_UNDER_VALGRIND || (status = sense_filter_begin(&filter, SCMP_ACT_ERRNO(EPERM), err)))
		return status;
	allow_stream(&filter, AF_INET);
	allow_stream(&filter, AF_INET6);
	sense_filter_calls(&filter, SCMP_ACT_ALLOW, plain_calls, sizeof plain_calls / sizeof *plain_calls);
	sense_filter_allow_common(&filter);
	return sense_filter_load(&filter, err);
}

enum sense_status sense_platform_netward(const char *name, const int *keep, unsigned keep_count, bool files,
                                         sense_error *err)
{
	const struct sense_platform_lockdown what = {.out = STDERR_FILENO, .keep = keep, .keep_count = keep_count};
	prctl(PR_SET_NAME, name, 0, 0, 0);
	enum sense_status status = sense_privilege_close(&what, err);
	if (!status)
		status = sense_privilege_drop(err);
	if (!status)
		status = sense_privilege_limit(DESCRIPTORS, 0, err);
	if (!status)
		status = files ? sense_seccomp_lookout(err) : filter_load(err);
	return status;
}
