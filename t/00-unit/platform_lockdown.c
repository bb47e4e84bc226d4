/* A locked-down process can compute, read what it has and report; it can reach nothing else. */
#include "core/platform/platform.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/tap.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* What a child did with the call under test. */
enum { REFUSED = 0, WORKED = 1, NO_LOCKDOWN = 2 };

static _Atomic uint32_t *denied;
static int source = -1, sockets[2], other = -1;

static int outcome(long result)
{
	return result < 0 ? REFUSED : WORKED;
}

static int try_open(void)
{
	return outcome(open("/etc/passwd", O_RDONLY));
}

static int try_create(void)
{
	return outcome(open("/tmp/sense-lockdown-test", O_CREAT | O_WRONLY, 0600));
}

static int try_socket(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_unix_socket(void)
{
	return outcome(socket(AF_UNIX, SOCK_DGRAM, 0));
}

static int try_fork(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static int try_exec(void)
{
	char *argv[] = {NULL};
	return outcome(execve("/bin/true", argv, argv));
}

static int try_ptrace(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_kill(void)
{
	return outcome(kill(getppid(), 0));
}

static int try_write_source(void)
{
	return outcome(write(source, "x", 1));
}

static int try_pass_descriptor(void)
{
	struct iovec part = {.iov_base = &(char){'x'}, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	return outcome(sendmsg(sockets[1], &message, 0));
}

static int try_unlink(void)
{
	return outcome(unlinkat(AT_FDCWD, "/tmp/sense-lockdown-nothing", 0));
}

/* Closed beforehand, so it fails without a violation. */
static int try_other_descriptor(void)
{
	char byte;
	return outcome(read(other, &byte, 1));
}

/* What a worker lives on. All of it must work. */
static int try_needs(void)
{
	char bytes[4];
	struct timespec now;
	struct stat st;
	if (pread(source, bytes, sizeof bytes, 0) != 4 || memcmp(bytes,
	                                                         "\x7f"
	                                                         "ELF",
	                                                         4))
		return REFUSED;
	if (fstat(source, &st) || lseek(source, 0, SEEK_SET) != 0)
		return REFUSED;
	void *file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, source, 0);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (file == MAP_FAILED || code == MAP_FAILED || mprotect(code, 4096, PROT_READ | PROT_EXEC))
		return REFUSED;
	void *large = malloc(64 << 20);
	if (!large)
		return REFUSED;
	memset(large, 1, 64 << 20);
	free(large);
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) || write(STDERR_FILENO, "", 0) != 0)
		return REFUSED;
	(void)isatty(STDERR_FILENO);
	return send(sockets[1], "hello", 5, MSG_NOSIGNAL) == 5 ? WORKED : REFUSED;
}

static int try_timer(void)
{
	struct itimerspec soon = {.it_value.tv_nsec = 1000};
	timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) || timer_settime(timer, 0, &soon, NULL))
		return REFUSED;
	return WORKED;
}

static int try_abort(void)
{
	abort();
}

/* Wait status of a child that locks itself down and then tries. */
static int attempt(int (*try)(void))
{
	int status = 0;
	*denied = 0;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		sense_error err = {0};
		struct sense_platform_lockdown what = {.out = sockets[1],
		                                       .keep = &source,
		                                       .keep_count = 1,
		                                       .memory_bytes = UINT64_C(8) << 30,
		                                       .denied = denied};
		if (sense_platform_lockdown(&what, &err)) {
			fprintf(stderr, "# lockdown: %s\n", err.message);
			_exit(NO_LOCKDOWN);
		}
		_exit(try());
	}
	waitpid(pid, &status, 0);
	return status;
}

static void refuses(int (*try)(void), long call, const char *what)
{
	int status = attempt(try);
	bool exited = WIFEXITED(status);
	if (SANITIZED) {
		ok(exited && WEXITSTATUS(status) == REFUSED, "a locked-down process cannot %s", what);
		return;
	}
	ok(exited && WEXITSTATUS(status) == SENSE_PLATFORM_EXIT_DENIED,
	   "a locked-down process is stopped when it tries to %s", what);
	is_num((long)*denied - 1, call, "and the call is named: %s", what);
}

static void allows(int (*try)(void), const char *what)
{
	int status = attempt(try);
	if (!ok(WIFEXITED(status) && WEXITSTATUS(status) == WORKED, "a locked-down process can %s", what))
		fprintf(stderr, "#   wait status %#x, refused call %d\n", status, (int)*denied - 1);
}

static void test_privileges(void)
{
	/* Its state as the kernel shows it to the parent, while it waits for us to close the socket. */
	char path[64], line[256];
	unsigned long long caps = 1, bounding = 1;
	int no_new_privs = 0, seccomp = 0;
	int gate[2];
	is_num(pipe(gate), 0, "a pipe");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct sense_platform_lockdown what = {
		    .out = sockets[1], .keep = &gate[0], .keep_count = 1, .denied = denied};
		bool locked = sense_platform_lockdown(&what, NULL) == SENSE_OK;
		char byte = locked ? 'y' : 'n';
		send(sockets[1], &byte, 1, 0);
		_exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
	}
	char locked = 0;
	is_num(recv(sockets[0], &locked, 1, 0), 1, "the child reports");
	is_num(locked, 'y', "it is locked down");
	clockid_t clock;
	struct timespec used;
	ok(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0,
	   "its CPU clock can be read from outside, which the watchdog needs");
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *status = fopen(path, "r");
	while (status && fgets(line, sizeof line, status)) {
		sscanf(line, "CapEff: %llx", &caps);
		sscanf(line, "CapBnd: %llx", &bounding);
		sscanf(line, "NoNewPrivs: %d", &no_new_privs);
		sscanf(line, "Seccomp: %d", &seccomp);
	}
	if (status)
		fclose(status);
	is_num(caps, 0, "it has no capabilities");
	if (geteuid() == 0)
		is_num(bounding, 0, "nor any to be gained");
	is_num(no_new_privs, 1, "no_new_privs is set");
	if (!RUNNING_ON_VALGRIND)
		is_num(seccomp, 2, "the system call filter is on");
	close(gate[0]);
	close(gate[1]);
	int code;
	ok(waitpid(pid, &code, 0) == pid && WIFEXITED(code) && WEXITSTATUS(code) == 0, "it ends");
}

int main(void)
{
	denied = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (denied == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets))
		return 1;
	source = open("/proc/self/exe", O_RDONLY);
	other = open("/dev/zero", O_RDONLY);
	ok(source >= 0 && other >= 0, "files are open");

	allows(try_needs, "read its source, map memory, make code, tell the time, report");
	char word[8] = "";
	is_num(recv(sockets[0], word, sizeof word, MSG_DONTWAIT), 5, "the report arrives");
	allows(try_timer, "set a timer");
	int status = attempt(try_other_descriptor);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == REFUSED, "a descriptor it was not given is closed");
	status = attempt(try_abort);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "abort ends it as abort does");
	test_privileges();

	if (RUNNING_ON_VALGRIND) {
		fprintf(stderr, "# no filter under valgrind\n");
		return tap_done();
	}
	refuses(try_open, SYS_openat, "open a file");
	refuses(try_create, SYS_openat, "create a file");
	refuses(try_socket, SYS_socket, "make a network socket");
	refuses(try_unix_socket, SYS_socket, "make a local socket");
	refuses(try_fork, SYS_clone, "fork");
	refuses(try_exec, SYS_execve, "run a program");
	refuses(try_ptrace, SYS_ptrace, "trace");
	refuses(try_kill, SYS_kill, "signal another process");
	refuses(try_write_source, SYS_write, "write to a source");
	refuses(try_pass_descriptor, SYS_sendmsg, "pass descriptors");
	refuses(try_unlink, SYS_unlinkat, "remove a file");

	char name[32];
	sense_platform_call_name(SYS_openat, name);
	is_str(name, "openat", "a system call has a name");
	sense_platform_call_name(54321, name);
	is_str(name, "syscall 54321", "one that does not exist has a number");
	return tap_done();
}
