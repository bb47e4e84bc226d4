/* Capabilities, user, namespaces, limits and descriptors of a locked-down process. */
#include "core/platform/linux_privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534u
#define LOOKOUT_NICE (-5)

/* ---- capabilities and user ------------------------------------------------------------------------ */

struct capabilities {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

/*
 * The user is changed only by a process that could still signal one of another user: a supervisor
 * without CAP_KILL would lose its hold on the worker.
 */
static bool may_change_user(void)
{
	struct capabilities now = {.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
	uint32_t need = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;
	if (geteuid() != 0 || syscall(SYS_capget, &now.header, now.data))
		return false;
	return (now.data[0].effective & need) == need;
}

static enum sense_status user_change(sense_error *err)
{
	/* A user namespace may not have nobody: then the user stays, without capabilities. */
	if (!may_change_user() || setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return SENSE_OK;
	if (getuid() != NOBODY || geteuid() != NOBODY)
		return sense_fail(err, SENSE_E_INTERNAL, "proc", "the user did not change");
	return SENSE_OK;
}

static void bounding_set_empty(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EPERM: there was no privilege to do so */
}

enum sense_status sense_privilege_isolate(sense_error *err)
{
	int spaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	if (unshare(spaces) == 0)
		return SENSE_OK;
	/*
	 * A user namespace of its own gives the right to the others. In there nobody but its maker is known,
	 * so the user is changed before: else the worker of a service without CAP_SYS_ADMIN would stay root
	 * outside.
	 */
	bounding_set_empty();
	if (user_change(err))
		return SENSE_E_INTERNAL;
	unshare(CLONE_NEWUSER | spaces);
	return SENSE_OK;
}

enum sense_status sense_privilege_drop(sense_error *err)
{
	bounding_set_empty();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (user_change(err))
		return SENSE_E_INTERNAL;
	struct capabilities none = {.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
	if (syscall(SYS_capset, &none.header, none.data))
		return sense_fail_errno(err, "proc", "cannot drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return sense_fail_errno(err, "proc", "cannot set no_new_privs");
	/* No core dump, no debugger of the same user. Clocks of the process stay readable. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Set again here, since a change of user clears it. */
	sense_platform_end_with_parent();
	return SENSE_OK;
}

/* Reading others' files and processes, netlink and BPF. The user stays. */
static enum sense_status capabilities_keep(sense_error *err)
{
	static const unsigned kept[] = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF};
	struct capabilities now = {.header = {.version = _LINUX_CAPABILITY_VERSION_3}};
	struct capabilities only = now;
	if (syscall(SYS_capget, &now.header, now.data))
		return sense_fail_errno(err, "proc", "cannot read capabilities");
	for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
		only.data[kept[i] / 32].permitted |= now.data[kept[i] / 32].permitted & 1u << kept[i] % 32;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		only.data[i].effective = only.data[i].permitted;
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EPERM: there was no privilege to do so */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &only.header, only.data))
		return sense_fail_errno(err, "proc", "cannot drop capabilities");
	return SENSE_OK;
}

enum sense_status sense_platform_lookout(const char *name, const int *keep, unsigned keep_count, sense_error *err)
{
	const struct sense_platform_lockdown what = {
	    .out = STDERR_FILENO, .keep = keep, .keep_count = keep_count};
	prctl(PR_SET_NAME, name, 0, 0, 0);
	/* It gets its turn soon: whose a connection is must be known before its first packet is looked at. */
	(void)setpriority(PRIO_PROCESS, 0, LOOKOUT_NICE);
	if (sense_privilege_close(&what, err) || capabilities_keep(err))
		return err->status;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return sense_fail_errno(err, "proc", "cannot set no_new_privs");
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	sense_platform_end_with_parent();
	return sense_seccomp_lookout(err);
}

/* ---- limits and descriptors ------------------------------------------------------------------------ */

static int limit_to(__rlimit_resource_t resource, uint64_t value)
{
	struct rlimit limit;
	if (getrlimit(resource, &limit))
		return -1;
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit);
}

enum sense_status sense_privilege_limit(unsigned descriptors, uint64_t memory_bytes, sense_error *err)
{
	struct stat st;
	/* stderr may lead to a regular file; a limit of zero would turn a message into a signal. */
	bool to_file = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	if (limit_to(RLIMIT_CORE, 0) || limit_to(RLIMIT_NPROC, 0) || limit_to(RLIMIT_NOFILE, descriptors) ||
	    (!to_file && limit_to(RLIMIT_FSIZE, 0)) ||
	    (memory_bytes && limit_to(RLIMIT_AS, memory_bytes)))
		return sense_fail_errno(err, "proc", "cannot set resource limits");
	return SENSE_OK;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

enum sense_status sense_privilege_close(const struct sense_platform_lockdown *what, sense_error *err)
{
	unsigned count = 0;
	int *open = calloc(what->keep_count + what->out_count + 2u, sizeof *open);
	if (!open)
		return sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for the list of descriptors");
	open[count++] = STDERR_FILENO;
	open[count++] = what->out;
	for (unsigned i = 0; i < what->out_count; i++)
		open[count++] = what->outs[i];
	for (unsigned i = 0; i < what->keep_count; i++)
		open[count++] = what->keep[i];
	qsort(open, count, sizeof *open, by_number);
	/* The gaps between the descriptors that stay. */
	int next = 0, failed = 0;
	for (unsigned i = 0; i < count; i++) {
		if (open[i] > next)
			failed |= close_range((unsigned)next, (unsigned)open[i] - 1, 0);
		if (open[i] >= next)
			next = open[i] + 1;
	}
	failed |= close_range((unsigned)next, ~0u, 0);
	free(open);
	return failed ? sense_fail_errno(err, "proc", "cannot close descriptors") : SENSE_OK;
}
