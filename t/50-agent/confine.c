/*
 * Runs a program as the unit would: `confine CALL... -- PROGRAM...` lets these system calls pass and refuses
 * others with EPERM, as SystemCallFilter= does; and restricts address families and namespaces to those of
 * SERVICE_FAMILIES and SERVICE_NAMESPACES, lists of numbers between spaces.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAMILIES 46

static int families(scmp_filter_ctx filter)
{
	int failed = 0;
	for (int family = 0; family < FAMILIES; family++) {
		char text[16];
		snprintf(text, sizeof text, " %d ", family);
		if (!strstr(getenv("SERVICE_FAMILIES"), text))
			failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
			                           SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	}
	return failed;
}

static int namespaces(scmp_filter_ctx filter)
{
	static const unsigned all[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
	                               CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET};
	int failed = 0;
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		char text[16];
		snprintf(text, sizeof text, " %u ", all[i]);
		if (!strstr(getenv("SERVICE_NAMESPACES"), text))
			failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
			                           SCMP_A0(SCMP_CMP_MASKED_EQ, all[i], all[i]));
	}
	return failed;
}

/* Two filters, as systemd has them: the kernel asks all and takes the strictest answer. */
static int load(scmp_filter_ctx filter, int failed)
{
	failed = failed || !filter || seccomp_load(filter);
	seccomp_release(filter);
	return failed;
}

int main(int argc, char **argv)
{
	int at = 1, failed = 0;
	scmp_filter_ctx calls = seccomp_init(SCMP_ACT_ERRNO(EPERM)), others = seccomp_init(SCMP_ACT_ALLOW);
	for (; at < argc && strcmp(argv[at], "--"); at++) {
		int call = seccomp_syscall_resolve_name(argv[at]);
		if (call >= 0)
			failed |= seccomp_rule_add(calls, SCMP_ACT_ALLOW, call, 0);
	}
	if (!others || at + 1 >= argc || load(others, families(others) | namespaces(others)) ||
	    load(calls, failed))
		return 99;
	execv(argv[at + 1], argv + at + 1);
	return 98;
}
