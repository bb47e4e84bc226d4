/*
 * For tests of the sensor plugin `procs`: a host that writes down what it is told, the sensor driven as the
 * agent does, and children to be seen. The including program is also its own children: PROGRAM ROLE
 * ARGUMENT...
 */
#ifndef SENSE_T_PROCS_WORLD_H
#define SENSE_T_PROCS_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/status.h"
#include "t/tap.h"

enum { RECORDS_MAX = 65536, PATIENCE_MS = 30000 };

/* ---- a host that writes down what it is told ------------------------------------------------------- */

struct record {
	char what; /* s: started, f: found, e: ended, t: told */
	uint32_t pid, parent, uid;
	int code;
	uint64_t start_us;
	char event[16], name[64], path[512], user[64], cwd[256], hash[65], container[96], text[512];
	char argv[1024], environment[8192];
	size_t argv_len, environment_len;
};

static struct record *records;
static unsigned record_count;
static const char *setting_connector;
static uint64_t gauge_polled, gauge_overruns;

static void keep(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text ? text : "");
}

static struct record *record_new(char what, uint32_t pid)
{
	if (record_count == RECORDS_MAX)
		abort();
	struct record *r = &records[record_count++];
	memset(r, 0, sizeof *r);
	r->what = what;
	r->pid = pid;
	return r;
}

static void host_tell(const char *event, uint32_t pid, const struct sense_fact *facts, unsigned count)
{
	struct record *r = record_new('t', pid);
	keep(r->event, sizeof r->event, event);
	for (unsigned i = 0; i < count; i++) {
		size_t n = strlen(r->text);
		snprintf(r->text + n, sizeof r->text - n, "%s%s=%s", i ? " " : "", facts[i].field,
		         facts[i].text);
	}
}

static size_t copy(char *out, size_t cap, const char *from, size_t len)
{
	size_t n = len < cap ? len : cap;
	if (n)
		memcpy(out, from, n);
	return len;
}

static void host_started(const struct sense_process *process, bool now)
{
	struct record *r = record_new(now ? 's' : 'f', process->pid);
	r->parent = process->parent;
	r->uid = process->uid;
	r->start_us = process->start_us;
	keep(r->name, sizeof r->name, process->name);
	keep(r->path, sizeof r->path, process->path);
	keep(r->user, sizeof r->user, process->user);
	keep(r->cwd, sizeof r->cwd, process->cwd);
	keep(r->hash, sizeof r->hash, process->hash);
	keep(r->container, sizeof r->container, process->container);
	r->argv_len = copy(r->argv, sizeof r->argv, process->argv, process->argv_len);
	r->environment_len =
	    copy(r->environment, sizeof r->environment, process->environment, process->environment_len);
}

static void host_ended(uint32_t pid, uint64_t ts_us, int code)
{
	struct record *r = record_new('e', pid);
	r->start_us = ts_us;
	r->code = code;
}

static bool host_find(uint32_t pid, struct sense_process_known *out)
{
	for (unsigned i = record_count; i--;)
		if (records[i].pid == pid && (records[i].what == 's' || records[i].what == 'f')) {
			out->uid = records[i].uid;
			out->user = records[i].user;
			return true;
		}
	return false;
}

static enum sense_status host_catalogue(const char *table, bool (*row)(void *, const struct sense_row *),
                                        void *self, sense_error *err)
{
	static const char *const columns[] = {"ecosystem", "name", NULL};
	static const char *const rows[][2] = {{"pypi", "sentence-transformers"},
	                                      {"npm", "openai"},
	                                      {"npm", "@anthropic-ai/sdk"},
	                                      {"env-var", "X"}};
	if (strcmp(table, "sdk"))
		return sense_fail(err, SENSE_E_NOTFOUND, "host", "no table '%s'", table);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		row(self, &(struct sense_row){.columns = columns, .fields = rows[i], .line = i});
	return SENSE_OK;
}

static const char *host_setting(const char *key)
{
	return strcmp(key, "host.connector") ? NULL : setting_connector;
}

static void host_gauge(const char *name, uint64_t value)
{
	if (!strcmp(name, "procs.polled"))
		gauge_polled = value;
	else if (!strcmp(name, "procs.overruns"))
		gauge_overruns = value;
}

static const struct sense_host host = {
    .size = sizeof host,
    .fail = sense_fail,
    .tell = host_tell,
    .process_started = host_started,
    .process_ended = host_ended,
    .process_find = host_find,
    .catalogue = host_catalogue,
    .setting = host_setting,
    .gauge = host_gauge,
};

/* ---- the sensor, driven as the agent does ---------------------------------------------------------- */

static const struct sense_sensor_ops *ops;
static void *sensor;
static uint32_t sweep_wait;

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t ready_ns; /* CPU time */

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void step(void)
{
	uint64_t before = cpu_ns();
	struct pollfd wait = {.fd = ops->fd(sensor), .events = POLLIN};
	if (poll(&wait, 1, sweep_wait > 5 ? 5 : (int)sweep_wait) > 0)
		ops->ready(sensor, NULL);
	ready_ns += cpu_ns() - before;
	ops->sweep(sensor, &sweep_wait, NULL);
}

/* Until it holds; it never waits for a time to pass, but for the machine's patience. */
#define until(condition)                                    \
	do {                                                \
		uint64_t pump_end = now_ms() + PATIENCE_MS; \
		while (!(condition) && now_ms() < pump_end) \
			step();                             \
	} while (0)

static const struct record *last(const char *whats, uint32_t pid)
{
	for (unsigned i = record_count; i--;)
		if (records[i].pid == pid && strchr(whats, records[i].what))
			return &records[i];
	return NULL;
}

static const struct record *told(const char *event, const char *text)
{
	for (unsigned i = record_count; i--;)
		if (records[i].what == 't' && !strcmp(records[i].event, event) &&
		    strstr(records[i].text, text))
			return &records[i];
	return NULL;
}

static bool begin(enum sense_sensor_mode mode, const char *connector)
{
	sense_error err;
	record_count = 0;
	setting_connector = connector;
	sweep_wait = 0;
	if (!ops->open(&host, mode, &sensor, &err))
		return true;
	fprintf(stderr, "# %s\n", err.message);
	return false;
}

/* One sweep to its end. */
static void sweep_whole(void)
{
	do
		ops->sweep(sensor, &sweep_wait, NULL);
	while (!sweep_wait);
}

/* ---- children --------------------------------------------------------------------------------------- */

static char self[PATH_MAX], folder[64] = "/tmp/procs_live.XXXXXX";

/* Starts the program; it holds on until its standard input ends, which *end closes. */
static pid_t start(const char *program, const char *const *argv, const char *const *envp, int *end)
{
	int pipe_in[2], pipe_out[2];
	char ready;
	if (pipe2(pipe_in, O_CLOEXEC) || pipe2(pipe_out, O_CLOEXEC))
		abort();
	pid_t pid = fork();
	if (!pid) {
		dup2(pipe_in[0], 0);
		dup2(pipe_out[1], 3);
		execve(program, (char *const *)argv, (char *const *)envp);
		_exit(127);
	}
	close(pipe_in[0]);
	close(pipe_out[1]);
	/* It says when it has come so far. */
	if (read(pipe_out[0], &ready, 1) != 1)
		fprintf(stderr, "# %s did not come up\n", program);
	close(pipe_out[0]);
	*end = pipe_in[1];
	return pid;
}

static void stop(pid_t pid, int end)
{
	int status;
	close(end);
	waitpid(pid, &status, 0);
}

static int hold(void)
{
	char c;
	if (write(3, "r", 1) != 1)
		return 9;
	close(3);
	while (read(0, &c, 1) > 0)
		;
	return 3;
}

static int role_play(int argc, char **argv)
{
	if (!strcmp(argv[1], "rename"))
		prctl(PR_SET_NAME, "a) R 1 (\n");
	if (!strcmp(argv[1], "map") && argc > 2) {
		int fd = open(argv[2], O_RDONLY);
		if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
			return 8;
		close(fd);
	}
	if (!strcmp(argv[1], "gpu"))
		return open("/dev/nvidia0", O_RDONLY) < 0 ? 7 : hold();
	return hold();
}

/* A process that runs `count` others one after the other and then waits; its children end before they can be
 * asked. */
static pid_t spawner(const char *program, unsigned count, int *end)
{
	int pipe_in[2];
	char c;
	if (pipe2(pipe_in, O_CLOEXEC))
		abort();
	pid_t pid = fork();
	if (!pid) {
		close(pipe_in[1]);
		for (unsigned i = 0; i < count; i++) {
			pid_t child = fork();
			if (!child) {
				if (program)
					execl(program, program, "x", NULL);
				_exit(program ? 127 : 0);
			}
			waitpid(child, NULL, 0);
		}
		_exit(read(pipe_in[0], &c, 1) < 0);
	}
	close(pipe_in[0]);
	*end = pipe_in[1];
	return pid;
}

static const char *sha256sum(const char *path)
{
	static char line[128];
	char command[PATH_MAX + 32];
	snprintf(command, sizeof command, "sha256sum '%s'", path);
	FILE *in = popen(command, "r");
	if (!in || !fgets(line, sizeof line, in))
		line[0] = '\0';
	if (in)
		pclose(in);
	line[64] = '\0';
	return line;
}

static const char *place(const char *name)
{
	static char path[2][PATH_MAX];
	static unsigned turn;
	turn ^= 1;
	snprintf(path[turn], sizeof *path, "%s/%s", folder, name);
	return path[turn];
}

static void file_copy(const char *from, const char *to)
{
	char buffer[65536];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	while ((n = read(in, buffer, sizeof buffer)) > 0)
		if (write(out, buffer, (size_t)n) != n)
			abort();
	close(in);
	close(out);
}

#endif
