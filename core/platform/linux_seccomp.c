/* The system call filter of a locked-down process: seccomp(2), by libseccomp. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/platform/linux_filter.h"
#include "core/platform/linux_privilege.h"

/*
 * A refused call raises SIGSYS, whose handler leaves its number for the supervisor and ends the
 * process. In a sanitizer's build it fails with EPERM instead, so that a report can be finished.
 */
#define REFUSE (SENSE_SANITIZED ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP)

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
#if SENSE_SANITIZED
    SCMP_SYS(rt_sigaction), SCMP_SYS(prctl), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrlimit),
    SCMP_SYS(prlimit64), SCMP_SYS(uname),
#endif
};

static void rules_add(struct sense_filter *filter, const struct sense_platform_lockdown *what)
{
	sense_filter_calls(filter, SCMP_ACT_ALLOW, plain_calls, sizeof plain_calls / sizeof *plain_calls);
	sense_filter_allow_common(filter);
	/* Results go to the connected sockets and nowhere else; sendmsg could pass descriptors. */
	sense_filter_allow_if(filter, SCMP_SYS(sendto), 0, (uint32_t)what->out);
	for (unsigned i = 0; i < what->out_count; i++)
		sense_filter_allow_if(filter, SCMP_SYS(sendto), 0, (uint32_t)what->outs[i]);
	sense_filter_allow_if(filter, SCMP_SYS(write), 0, STDERR_FILENO);
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
	struct sense_filter filter;
	enum sense_status status = sense_filter_begin(&filter, REFUSE, err);
	if (status)
		return status;
	rules_add(&filter, what);
	return sense_filter_load(&filter, err);
}

enum sense_status sense_platform_lockdown(const struct sense_platform_lockdown *what, sense_error *err)
{
	/* Valgrind needs memory and descriptors, too. */
	bool observed = SENSE_UNDER_VALGRIND;
	enum sense_status status = sense_privilege_close(what, err);
	if (status)
		return status;
	status = sense_privilege_isolate(err);
	if (!status)
		status = sense_privilege_drop(err);
	if (!status && !observed)
		status = sense_privilege_limit(0, SENSE_SANITIZED ? 0 : what->memory_bytes, err);
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
static void refuse_open(struct sense_filter *filter, int call, unsigned argument)
{
	static const uint32_t masks[][2] = {
	    {O_ACCMODE, O_WRONLY}, {O_ACCMODE, O_RDWR}, {O_CREAT, O_CREAT}, {O_TRUNC, O_TRUNC}};
	for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
		struct scmp_arg_cmp is = {argument, SCMP_CMP_MASKED_EQ, masks[i][0], masks[i][1]};
		filter->failed |= seccomp_rule_add_array(filter->context, SCMP_ACT_ERRNO(EPERM), call, 1, &is);
	}
}

enum sense_status sense_seccomp_lookout(sense_error *err)
{
	struct sense_filter filter;
	enum sense_status status = SENSE_OK;
	if (SENSE_UNDER_VALGRIND || (status = sense_filter_begin(&filter, SCMP_ACT_ALLOW, err)))
		return status;
	refuse_open(&filter, SCMP_SYS(openat), 2);
	refuse_open(&filter, SCMP_SYS(open), 1);
	sense_filter_calls(&filter, SCMP_ACT_ERRNO(EPERM), lookout_refuses,
	                   sizeof lookout_refuses / sizeof *lookout_refuses);
	return sense_filter_load(&filter, err);
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
