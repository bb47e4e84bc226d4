#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/platform/platform.h"
#include "server/proc/internal.h"

#define YOUNG_US UINT64_C(5000000)
#define PAUSE_FIRST_US UINT64_C(100000)
#define PAUSE_MOST_US UINT64_C(10000000)

const char *member_name(const struct member *member, const struct sense_master *master, char *out, size_t cap)
{
	if (member->child >= 0)
		snprintf(out, cap, "%s", master->children[member->child].name);
	else
		snprintf(out, cap, "worker %u", member->slot);
	return out;
}

void sense_server_process_ready(struct sense_server_process *process)
{
	static const char byte = 1;
	if (process->ready_fd < 0)
		return;
	while (write(process->ready_fd, &byte, 1) < 0 && errno == EINTR)
		;
	close(process->ready_fd);
	process->ready_fd = -1;
}

/* ---- in the new process --------------------------------------------------------------------------- */

static void signals_reset(const sigset_t *unblocked)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE};
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	action.sa_handler = SIG_IGN;
	for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++)
		sigaction(ignored[i], &action, NULL);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
}

static int process_main(const struct member *member, const struct sense_master *master,
                        const struct generation *generation, int ready_fd, pid_t parent)
{
	sense_error err;
	char name[64];
	const struct sense_child *child = member->child >= 0 ? &master->children[member->child] : NULL;
	struct sense_server_process process = {
	    .name = member_name(member, master, name, sizeof name),
	    .slot = member->slot,
	    .generation = generation->number,
	    .ready_fd = ready_fd,
	    .listen = &generation->listen,
	    .drain_us = generation->config.drain_us,
	};
	char title[16]; /* what ps(1) and top(1) show */
	snprintf(title, sizeof title, "sense:%.9s", name);
	prctl(PR_SET_NAME, title);
	if ((!child || !child->privileged) && sense_user_become(&generation->config.user, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s: %s", name, err.message);
		return 1;
	}
	/* After the change of the user, which takes the wish back. */
	sense_platform_end_with_parent();
	if (getppid() != parent)
		return 1;
	if (child)
		return child->main(child->self, generation->config.config, &process);
	return master->worker(generation->config.config, &process);
}

bool member_start(struct member *member, const struct sense_master *master,
                  const struct generation *generation, const sigset_t *unblocked)
{
	char name[64];
	int ready[2];
	pid_t parent = getpid();
	member->began_us = sense_clock_monotonic_us();
	member->due_us = member->began_us + PAUSE_MOST_US;
	if (pipe2(ready, O_CLOEXEC | O_NONBLOCK)) {
		sense_log(SENSE_LOG_ERROR, "server", "no pipe for a process: %s", strerror(errno));
		return false;
	}
	pid_t pid = fork();
	if (!pid) {
		signals_reset(unblocked);
		close(ready[0]);
		_exit(process_main(member, master, generation, ready[1], parent));
	}
	close(ready[1]);
	if (pid < 0) {
		close(ready[0]);
		sense_log(SENSE_LOG_ERROR, "server", "cannot start %s: %s",
		          member_name(member, master, name, sizeof name), strerror(errno));
		return false;
	}
	member->pid = pid;
	member->ready_fd = ready[0];
	member->phase = STARTING;
	member->generation = generation->number;
	return true;
}

/* ---- in the master ---------------------------------------------------------------------------------- */

void member_stop(struct member *member, uint64_t drain_us)
{
	if (member->pid <= 0 || member->leaving)
		return;
	member->leaving = true;
	member->due_us = sense_clock_monotonic_us() + drain_us + 1000000;
	kill(member->pid, SIGTERM);
}

static void how_it_ended(int wait_status, char *out, size_t cap)
{
	if (WIFSIGNALED(wait_status))
		snprintf(out, cap, "by signal %d (%s)", WTERMSIG(wait_status),
		         strsignal(WTERMSIG(wait_status)));
	else
		snprintf(out, cap, "with status %d", WEXITSTATUS(wait_status));
}

bool member_ended(struct member *member, const struct sense_master *master, int wait_status)
{
	char name[64], how[64];
	uint64_t now = sense_clock_monotonic_us();
	bool once = member->child >= 0 && master->children[member->child].policy == SENSE_CHILD_ONCE;
	bool wished = member->leaving || (once && !wait_status);
	if (member->ready_fd >= 0)
		close(member->ready_fd);
	member->ready_fd = -1;
	member->phase = once && !wait_status ? DONE : ABSENT;
	if (!wished) {
		how_it_ended(wait_status, how, sizeof how);
		sense_log(SENSE_LOG_ERROR, "server", "%s (process %d) ended %s",
		          member_name(member, master, name, sizeof name), (int)member->pid, how);
		member->failures = now - member->began_us < YOUNG_US ? member->failures + 1 : 1;
		unsigned doublings = member->failures > 8 ? 8 : member->failures;
		uint64_t pause = member->failures < 2 ? 0 : PAUSE_FIRST_US << (doublings - 2);
		member->due_us = now + (pause < PAUSE_MOST_US ? pause : PAUSE_MOST_US);
	}
	member->pid = 0;
	member->leaving = false;
	return wished;
}
