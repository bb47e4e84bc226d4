/* A process that talks to the network and to nothing else: its privileges, limits and system calls. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/platform/linux_privilege.h"

#define DESCRIPTORS 64u

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

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
#if SANITIZED
    SCMP_SYS(rt_sigaction), SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
    SCMP_SYS(uname),
#endif
};

static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint32_t value)
{
	struct scmp_arg_cmp is = {argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &is);
}

static int allow_stream(scmp_filter_ctx filter, uint32_t family)
{
	struct scmp_arg_cmp is[] = {{0, SCMP_CMP_MASKED_EQ, UINT32_MAX, family},
	                            {1, SCMP_CMP_MASKED_EQ, 0xff, SOCK_STREAM}};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, is);
}

static enum sense_status filter_load(sense_error *err)
{
	/* What is refused fails; there is nothing to be had by it. */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for the system call filter");
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int failed = allow_stream(filter, AF_INET) | allow_stream(filter, AF_INET6);
	for (size_t i = 0; i < sizeof plain_calls / sizeof *plain_calls; i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain_calls[i], 0);
	/* isatty, for the form of a log line; glibc's fstat; abort. */
	failed |= allow_if(filter, SCMP_SYS(ioctl), 1, TCGETS);
	failed |= allow_if(filter, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH);
	failed |= allow_if(filter, SCMP_SYS(tgkill), 0, (uint32_t)getpid());
	if (!failed)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	if (failed)
		return sense_fail(err, SENSE_E_UNSUPPORTED, "proc",
		                  "cannot load the system call filter (seccomp): error %d", -failed);
	return SENSE_OK;
}

static int limit_to(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limit;
	if (getrlimit(resource, &limit))
		return -1;
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit);
}

static enum sense_status limits(sense_error *err)
{
	struct stat st;
	/* stderr may lead to a regular file; a limit of zero would turn a message into a signal. */
	bool to_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	if (limit_to(RLIMIT_CORE, 0) || limit_to(RLIMIT_NPROC, 0) || limit_to(RLIMIT_NOFILE, DESCRIPTORS) ||
	    (!to_file && limit_to(RLIMIT_FSIZE, 0)))
		return sense_fail_errno(err, "proc", "cannot set resource limits");
	return SENSE_OK;
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
		status = limits(err);
	if (!status)
		status = files ? sense_seccomp_lookout(err) : filter_load(err);
	return status;
}
