#include "core/proc/child.h"

#include <signal.h>
#include <unistd.h>

#include "core/platform/platform.h"

pid_t sense_child_fork(void)
{
	/* No signal may reach the child while it still has its parent's handlers. */
	sigset_t all, mask;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (child)
		return child;
	sense_platform_end_with_parent();
	if (getppid() != parent)
		_exit(1);
	return 0;
}
