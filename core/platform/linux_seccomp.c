/* The system call filter of a locked-down process: seccomp(2), by libseccomp. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/platform/linux_privilege.h"

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

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define UNDER_VALGRIND RUNNING_ON_VALGRIND
#else
#define UNDER_VALGRIND 0
#endif

/*
 * A refused call raises SIGSYS, whose handler leaves its number for the supervisor and ends the
 * process. In a sanitizer's build it fails with EPERM instead, so that a report can be finished.
 */
#define REFUSE (SANITIZED ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP)

/* Calls that need no look at their arguments: none of them names a file, a peer or a process. */
static const int plain_calls[] = {
    SCMP_SYS(read), SCMP_SYS(pread64), SCMP_SYS(readv), SCMP_SYS(lseek), SCMP_SYS(fstat),
    SCMP_SYS(fadvise64), SCMP_SYS(close),
    /* Waiting for a pipe. */
    SCMP_SYS(select), SCMP_SYS(pselect6),
    /* Memory; LuaJIT maps and protects the machine code it makes. */
    SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(brk), SCMP_SYS(futex),
    /* Time and the sandbox's tick. */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(getrusage),
    SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_gettime),
    SCMP_SYS(timer_delete), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid),
    SCMP_SYS(sched_yield), SCMP_SYS(exit), SCMP_SYS(exit_group),
#if SANITIZED
    SCMP_SYS(rt_sigaction), SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrlimit),
    SCMP_SYS(prlimit64), SCMP_SYS(uname),
#endif
};

/* Allows a call when the low 32 bits of one argument, which are all it uses, have this value. */
static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint32_t value)
{
	struct scmp_arg_cmp is = {argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &is);
}

static int rules_add(scmp_filter_ctx filter, const struct sense_platform_lockdown *what)
{
	int failed = 0;
	for (unsigned i = 0; i < sizeof plain_calls / sizeof *plain_calls; i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain_calls[i], 0);
	/* Results go to the connected sockets and nowhere else; sendmsg could pass descriptors. */
	failed |= allow_if(filter, SCMP_SYS(sendto), 0, (uint32_t)what->out);
	for (unsigned i = 0; i < what->out_count; i++)
		failed |= allow_if(filter, SCMP_SYS(sendto), 0, (uint32_t)what->outs[i]);
	failed |= allow_if(filter, SCMP_SYS(write), 0, STDERR_FILENO);
	/* isatty, for the form of a log line. */
	failed |= allow_if(filter, SCMP_SYS(ioctl), 1, TCGETS);
	/* glibc's fstat; the filter cannot see that the path is empty, so metadata could be read. */
	failed |= allow_if(filter, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH);
	/* abort. */
	failed |= allow_if(filter, SCMP_SYS(tgkill), 0, (uint32_t)getpid());
	return failed;
}

static _Atomic uint32_t *denied_slot;

static void on_denied(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (denied_slot)
		*denied_slot = (uint32_t)info->si_syscall + 1;
	_exit(SENSE_PLATFORM_EXIT_DENIED);
}

static enum sense_status filter_load(const struct sense_platform_lockdown *what, sense_error *err)
{
	struct sigaction action = {.sa_sigaction = on_denied, .sa_flags = SA_SIGINFO | SA_NODEFER};
	denied_slot = what->denied;
	if (sigaction(SIGSYS, &action, NULL))
		return sense_fail_errno(err, "proc", "sigaction");
	scmp_filter_ctx filter = seccomp_init(REFUSE);
	if (!filter)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for the system call filter");
	/* A binary tree instead of a list; an older library without it makes a slower filter. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int failed = rules_add(filter, what);
	if (!failed)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	if (failed)
		return sense_fail(err, SENSE_E_UNSUPPORTED, "proc",
		                  "cannot load the system call filter (seccomp): error %d", -failed);
	return SENSE_OK;
}

enum sense_status sense_platform_lockdown(const struct sense_platform_lockdown *what, sense_error *err)
{
	/* Valgrind's own calls would pass through the filter, and it needs memory and descriptors. */
	bool observed = UNDER_VALGRIND;
	enum sense_status status = sense_privilege_close(what, err);
	if (status)
		return status;
	status = sense_privilege_isolate(err);
	if (!status)
		status = sense_privilege_drop(err);
	if (!status && !observed)
		status = sense_privilege_limit(SANITIZED ? 0 : what->memory_bytes, err);
	if (!status && !observed)
		status = filter_load(what, err);
	return status;
}

/* ---- a process that looks at the host ------------------------------------------------------------- */

/* It reads: what starts programs, changes files, or lays hands on other processes fails with EPERM. */
static const int lookout_refuses[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
    SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(truncate),
    SCMP_SYS(ftruncate), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown),
    SCMP_SYS(fchown), SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(setxattr), SCMP_SYS(lsetxattr),
    SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(creat), SCMP_SYS(mount), SCMP_SYS(umount2),
    SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(init_module),
    SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(reboot),
    SCMP_SYS(listen), SCMP_SYS(io_uring_setup), SCMP_SYS(keyctl), SCMP_SYS(add_key),
};

/* Opening for writing; openat2 keeps its flags where a filter does not see them. */
static int refuse_open(scmp_filter_ctx filter, int call, unsigned argument)
{
	static const uint32_t masks[][2] = {
	    {O_ACCMODE, O_WRONLY}, {O_ACCMODE, O_RDWR}, {O_CREAT, O_CREAT}, {O_TRUNC, O_TRUNC}};
	int failed = 0;
	for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
		struct scmp_arg_cmp is = {argument, SCMP_CMP_MASKED_EQ, masks[i][0], masks[i][1]};
		failed |= seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), call, 1, &is);
	}
	return failed;
}

enum sense_status sense_seccomp_lookout(sense_error *err)
{
	if (UNDER_VALGRIND)
		return SENSE_OK;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for the system call filter");
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	int failed = refuse_open(filter, SCMP_SYS(openat), 2) | refuse_open(filter, SCMP_SYS(open), 1);
	for (size_t i = 0; i < sizeof lookout_refuses / sizeof *lookout_refuses; i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), lookout_refuses[i], 0);
	if (!failed)
		failed = seccomp_load(filter);
	seccomp_release(filter);
	if (failed)
		return sense_fail(err, SENSE_E_UNSUPPORTED, "proc",
		                  "cannot load the system call filter (seccomp): error %d", -failed);
	return SENSE_OK;
}

void sense_platform_call_name(uint32_t number, char *out)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)number);
	if (name)
		snprintf(out, 32, "%s", name);
	else
		snprintf(out, 32, "syscall %u", number);
	free(name);
}
