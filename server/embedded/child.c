#include "server/embedded/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_UNSTARTED 127
#define POLL_MS 10

/* In the child: nothing of its parent's but what it is given. */
static void become(const struct sense_embedded_child *child, pid_t parent)
{
	sigset_t none;

	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open(child->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(EXIT_UNSTARTED);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	/* Its own session: what the terminal says to the server is not said to the stores. */
	setsid();
	if (geteuid() == 0 && (setgroups(0, NULL) || setgid(child->gid) || setuid(child->uid)))
		_exit(EXIT_UNSTARTED);
	if (chdir(child->dir))
		_exit(EXIT_UNSTARTED);
	umask(077);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	/* After the change of the user, which clears it. */
	if (child->end_signal) {
		prctl(PR_SET_PDEATHSIG, child->end_signal);
		if (getppid() != parent)
			_exit(EXIT_UNSTARTED);
	}
	static const char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", NULL};
	execve(child->argv[0], (char *const *)child->argv, (char *const *)environment);
	_exit(EXIT_UNSTARTED);
}

pid_t sense_embedded_spawn(const struct sense_embedded_child *child)
{
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		become(child, parent);
	return pid;
}

bool sense_embedded_ended(pid_t pid, unsigned ms, int *code)
{
	int status;

	for (unsigned waited = 0;; waited += POLL_MS) {
		pid_t got = waitpid(pid, &status, WNOHANG);
		if (got == pid || (got < 0 && errno != EINTR)) {
			*code = got < 0           ? 0
			      : WIFEXITED(status) ? WEXITSTATUS(status)
			                          : 128 + WTERMSIG(status);
			return true;
		}
		if (waited >= ms)
			return false;
		poll(NULL, 0, POLL_MS);
	}
}

int sense_embedded_wait(pid_t pid, unsigned ms)
{
	int code;
	if (sense_embedded_ended(pid, ms, &code))
		return code;
	kill(pid, SIGKILL);
	waitpid(pid, &code, 0);
	return -1;
}
