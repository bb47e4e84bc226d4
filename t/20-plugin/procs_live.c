/*
 * The sensor plugin `procs`, loaded as the agent loads it, on real processes: what it says of them as they
 * begin, change and end. This program is also its own children: procs_live ROLE ARGUMENT...
 */
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

#include "core/plugin/loader.h"
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
static const char *setting_watch;
static uint64_t gauge_polled, gauge_overruns, gauge_vanished;

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
		snprintf(r->text + n, sizeof r->text - n, "%s%s=%s", i ? " " : "", facts[i].field, facts[i].text);
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

static enum sense_status host_catalogue(const char *table, bool (*row)(void *, const struct sense_row *), void *self,
                                        sense_error *err)
{
	static const char *const columns[] = {"ecosystem", "name", NULL};
	static const char *const rows[][2] = {
	    {"pypi", "sentence-transformers"}, {"npm", "openai"}, {"npm", "@anthropic-ai/sdk"}, {"env-var", "X"}};
	if (strcmp(table, "sdk"))
		return sense_fail(err, SENSE_E_NOTFOUND, "host", "no table '%s'", table);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
		row(self, &(struct sense_row){.columns = columns, .fields = rows[i], .line = i});
	return SENSE_OK;
}

static const char *host_setting(const char *key)
{
	return strcmp(key, "processes.watch") ? NULL : setting_watch;
}

static void host_gauge(const char *name, uint64_t value)
{
	if (!strcmp(name, "processes.polled"))
		gauge_polled = value;
	else if (!strcmp(name, "processes.overruns"))
		gauge_overruns = value;
	else if (!strcmp(name, "processes.vanished"))
		gauge_vanished = value;
}

static const struct sense_host host = {
    .size = sizeof host, .fail = sense_fail, .tell = host_tell, .process_started = host_started,
    .process_ended = host_ended, .process_find = host_find, .catalogue = host_catalogue, .setting = host_setting,
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

static void step(void)
{
	struct pollfd wait = {.fd = ops->fd(sensor), .events = POLLIN};
	if (poll(&wait, 1, sweep_wait > 5 ? 5 : (int)sweep_wait) > 0)
		ops->ready(sensor, NULL);
	ops->sweep(sensor, &sweep_wait, NULL);
}

/* Until it holds; it never waits for a time to pass, but for the machine's patience. */
#define until(condition)                                                                                    \
	do {                                                                                                \
		uint64_t pump_end = now_ms() + PATIENCE_MS;                                                 \
		while (!(condition) && now_ms() < pump_end)                                                 \
			step();                                                                             \
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
		if (records[i].what == 't' && !strcmp(records[i].event, event) && strstr(records[i].text, text))
			return &records[i];
	return NULL;
}

static bool begin(enum sense_sensor_mode mode, const char *watch)
{
	sense_error err;
	record_count = 0;
	setting_watch = watch;
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

/* A process that runs `count` others one after the other and then waits; its children end before they can be asked. */
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

/* ---- what is found ----------------------------------------------------------------------------------- */

static const char odd[] = "with blank\nand\xff" "newline";

static void check_held(const struct record *r, pid_t pid)
{
	char cwd[256];
	if (!ok(r != NULL, "the process is told"))
		return;
	static const char names[] = "PATH\0A_SECRET\0";
	const char wanted[] = "held\0hold\0with blank\nand\xff" "newline\0";
	is_num(r->parent, getpid(), "its parent");
	is_str(r->path, self, "its executable");
	is_num(r->argv_len, sizeof wanted, "its arguments' length");
	ok(!memcmp(r->argv, wanted, sizeof wanted), "its arguments, byte for byte");
	is_num(r->environment_len, sizeof names - 1, "names of variables");
	ok(!memcmp(r->environment, names, sizeof names - 1), "and nothing of their values");
	is_str(r->cwd, getcwd(cwd, sizeof cwd), "its directory");
	is_num(r->uid, getuid(), "its user");
	ok(r->user[0] && (getuid() || !strcmp(r->user, "root")), "and the user's name: %s", r->user);
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	uint64_t now = (uint64_t)t.tv_sec * 1000000;
	ok(r->start_us < now + 1000000 && r->start_us > now - 3600000000u, "it began not long ago");
	(void)pid;
}

/* One sweep, as a scan makes it. Needs no privilege. */
static void once(void)
{
	const char *argv[] = {"held", "hold", odd, "", NULL}, *envp[] = {"PATH=/usr/bin", "not a name", "A_SECRET=hunter2", "=x", NULL};
	int end, gone_end;
	char removed[PATH_MAX], wanted[PATH_MAX + 16];
	snprintf(removed, sizeof removed, "%s", place("removed"));
	file_copy(self, removed);
	pid_t pid = start(self, argv, envp, &end);
	const char *argv_removed[] = {removed, "rename", NULL};
	pid_t gone = start(removed, argv_removed, envp, &gone_end);
	unlink(removed);
	if (ok(begin(SENSE_SENSOR_ONCE, NULL), "opens for one sweep")) {
		is_num(ops->fd(sensor), -1, "without a descriptor");
		sweep_whole();
		check_held(last("f", (uint32_t)pid), pid);
		const struct record *r = last("f", (uint32_t)pid);
		is_str(r ? r->hash : "", sha256sum(self), "its hash is that of sha256sum");
		r = last("f", (uint32_t)gone);
		snprintf(wanted, sizeof wanted, "%s (deleted)", removed);
		is_str(r ? r->path : "", wanted, "an executable that was removed");
		is_str(r ? r->hash : "", sha256sum(self), "is hashed all the same");
		is_str(r ? r->name : "", "a) R 1 (\n", "a name made to be misread");
		ok(last("f", (uint32_t)getpid()) != NULL, "this process, too");
		ok(!last("f", 2) || getpid() == 2, "no threads of the kernel");
		ok(!last("s", (uint32_t)pid), "none of them begins now");
		ops->close(sensor);
	}
	stop(pid, end);
	stop(gone, gone_end);
}

/* ---- what happens ------------------------------------------------------------------------------------ */

static void lifetimes(void)
{
	const char *argv[] = {"held", "hold", odd, "", NULL}, *envp[] = {"PATH=/usr/bin", "A_SECRET=hunter2", NULL};
	int end;
	pid_t pid = start(self, argv, envp, &end);
	until(last("s", (uint32_t)pid));
	check_held(last("s", (uint32_t)pid), pid);
	stop(pid, end);
	until(last("e", (uint32_t)pid));
	const struct record *r = last("e", (uint32_t)pid);
	is_num(r ? r->code : -2, 3, "it ends with what it returned");
	pid = start(self, argv, envp, &end);
	kill(pid, SIGKILL);
	stop(pid, end);
	until(last("e", (uint32_t)pid));
	r = last("e", (uint32_t)pid);
	is_num(r ? r->code : -2, 128 + SIGKILL, "one that is killed, with 128 + the signal");

	argv[1] = "rename";
	pid = start(self, argv, envp, &end);
	until((r = last("sf", (uint32_t)pid)) && !strcmp(r->name, "a) R 1 (\n"));
	is_str(r ? r->name : "", "a) R 1 (\n", "a new name is told");
	stop(pid, end);

	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	until(last("s", (uint32_t)pid));
	r = last("s", (uint32_t)pid);
	is_num(r ? r->parent : 0, getpid(), "one that only forks is told, with its parent");
	is_str(r ? r->path : "", self, "and what it runs");
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	until(last("e", (uint32_t)pid));
	r = last("e", (uint32_t)pid);
	is_num(r ? r->code : -2, 128 + SIGTERM, "and its end");
}

static void short_lived(void)
{
	enum { COUNT = 200 };
	unsigned begun = 0, ended = 0, of_parent = 0, with_path = 0, from = record_count, looked = from;
	char path[PATH_MAX];
	int end;
	if (!realpath("/bin/true", path))
		abort();
	pid_t pid = spawner("/bin/true", COUNT, &end);
	uint64_t patience = now_ms() + PATIENCE_MS;
	while (ended < COUNT && now_ms() < patience) {
		step();
		for (; looked < record_count; looked++) {
			const struct record *r = &records[looked];
			const struct record *first = r->what == 'e' ? last("s", r->pid) : r;
			bool ours = first && first->parent == (uint32_t)pid;
			begun += ours && r->what == 's';
			of_parent += ours && r->what == 's' && r->parent == (uint32_t)pid;
			with_path += ours && r->what == 's' && !strcmp(r->path, path);
			ended += ours && r->what == 'e' && r->code == 0;
		}
	}
	is_num(begun, COUNT, "each of %u processes that live for a millisecond is told", COUNT);
	is_num(of_parent, COUNT, "with its parent");
	is_num(ended, COUNT, "and its end");
	printf("# %u of %u with the path of the executable\n", with_path, COUNT);
	/* Whoever is gone before this machine lets us run has none: on a busy one it is a few. */
	ok(with_path >= COUNT * 9 / 10, "nine of ten, at least, with the path of their executable");
	close(end);
	waitpid(pid, NULL, 0);
}

/* The buffer made small runs over; what was lost is told, and looked for. */
static void overrun(void)
{
	int size = 1, end;
	const char *argv[] = {"held", "hold", NULL}, *envp[] = {NULL};
	setsockopt(ops->fd(sensor), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	pid_t pid = spawner(NULL, 100, &end);
	int held_end;
	pid_t held = start(self, argv, envp, &held_end);
	until(told("gap", "more happened at once") && last("s", (uint32_t)held));
	ok(told("gap", "gap.what=processes gap.where=process connector gap.why=more happened at once") != NULL,
	   "an overrun is a gap");
	ok(last("s", (uint32_t)held) != NULL, "what began unseen is found");
	until(gauge_overruns);
	ok(gauge_overruns > 0, "and it is counted");
	stop(held, held_end);
	close(end);
	waitpid(pid, NULL, 0);
}

static void watch(void)
{
	if (!ok(begin(SENSE_SENSOR_WATCH, "auto"), "opens to watch"))
		return;
	if (ops->fd(sensor) < 0) {
		const struct record *r = told("gap", "process connector");
		ok(r != NULL, "no connector: a gap is told # SKIP %s", r ? r->text : "");
		ops->close(sensor);
		return;
	}
	until(last("f", (uint32_t)getpid()));
	ok(last("f", (uint32_t)getpid()) != NULL, "what runs already is found");
	lifetimes();
	short_lived();
	overrun();
	ops->close(sensor);
}

static void polling(void)
{
	const char *argv[] = {"held", "hold", NULL}, *envp[] = {NULL};
	int end;
	if (!ok(begin(SENSE_SENSOR_WATCH, "poll"), "opens to poll"))
		return;
	is_num(ops->fd(sensor), -1, "there is no descriptor");
	ok(told("gap", "processes.watch = poll") != NULL, "that less is seen is a gap");
	until(sweep_wait);
	is_num(gauge_polled, 1, "and in a gauge");
	pid_t pid = start(self, argv, envp, &end);
	until(last("s", (uint32_t)pid));
	const struct record *r = last("s", (uint32_t)pid);
	is_str(r ? r->path : "", self, "a process that began is found");
	stop(pid, end);
	until(last("e", (uint32_t)pid));
	r = last("e", (uint32_t)pid);
	is_num(r ? r->code : -2, -1, "its end, too; how it ended is not known");
	ops->close(sensor);
}

/* ---- what they use ----------------------------------------------------------------------------------- */

static void packages(void)
{
	int python_end, node_end;
	const char *envp[] = {NULL};
	char map[PATH_MAX], script[PATH_MAX];
	static const char *const folders[] = {"site-packages", "site-packages/sentence_transformers", "app", "app/bin",
	                                      "app/node_modules", "app/node_modules/openai", "app/node_modules/left-pad"};
	for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++)
		mkdir(place(folders[i]), 0755);
	snprintf(map, sizeof map, "%s", place("site-packages/sentence_transformers/x.so"));
	snprintf(script, sizeof script, "%s", place("app/bin/cli.js"));
	file_copy(self, map);
	file_copy(self, script);
	file_copy(self, place("python3.11"));
	file_copy(self, place("node"));
	if (symlink("app/bin/cli.js", place("command")))
		abort();
	char command[PATH_MAX];
	snprintf(command, sizeof command, "%s", place("command"));
	/* As Node.js does: a link that nobody has followed yet is not looked at. */
	struct stat link = {0};
	uint64_t patience = now_ms() + PATIENCE_MS;
	while (link.st_atim.tv_sec * 1000000000 + link.st_atim.tv_nsec <=
	           link.st_ctim.tv_sec * 1000000000 + link.st_ctim.tv_nsec && now_ms() < patience)
		if (access(command, R_OK) || lstat(command, &link))
			abort();
	const char *python[] = {"python", "map", map, NULL}, *node[] = {"node", command, NULL};
	pid_t first = start(place("python3.11"), python, envp, &python_end);
	pid_t second = start(place("node"), node, envp, &node_end);
	if (ok(begin(SENSE_SENSOR_ONCE, NULL), "opens")) {
		sweep_whole();
		char wanted[2 * PATH_MAX];
		snprintf(wanted, sizeof wanted,
		         "inventory.kind=package inventory.app=python3.11 inventory.name=sentence-transformers "
		         "inventory.path=%s", place("site-packages/sentence_transformers"));
		const struct record *r = told("inventory", "app=python3.11");
		is_str(r ? r->text : "", wanted, "a package of Python's that is mapped");
		is_num(r ? r->pid : 0, first, "of the process that has it");
		snprintf(wanted, sizeof wanted, "inventory.kind=package inventory.app=node inventory.name=openai "
		         "inventory.path=%s", place("app/node_modules/openai"));
		r = told("inventory", "app=node");
		is_str(r ? r->text : "", wanted, "a package above the script that a command links to");
		is_num(r ? r->pid : 0, second, "of the process that runs it");
		ops->close(sensor);
	}
	stop(first, python_end);
	stop(second, node_end);
}

/* In a /dev of its own, with a device that is called like a GPU. */
static void gpus(void)
{
	int end;
	const char *argv[] = {"held", "gpu", NULL}, *envp[] = {NULL};
	bool able = !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	            !mount("none", "/dev", "tmpfs", 0, NULL) &&
	            !mknod("/dev/nvidia0", S_IFCHR | 0666, makedev(1, 3));
	if (!able) {
		ok(true, "GPUs # SKIP no mount namespace of one's own: %s", strerror(errno));
		return;
	}
	pid_t pid = start(self, argv, envp, &end);
	if (ok(begin(SENSE_SENSOR_ONCE, NULL), "opens")) {
		sweep_whole();
		const struct record *r = told("inventory", "kind=gpu");
		is_num(r ? r->pid : 0, pid, "a process that holds a GPU");
		ok(r && strstr(r->text, "inventory.name=nvidia0 inventory.path=/dev/nvidia0"), "and which");
		ops->close(sensor);
	}
	stop(pid, end);
}

/* As a user whom /proc shows nothing of others. */
static void hidden(void)
{
	bool able = !mount("proc", "/proc", "proc", 0, "hidepid=2") && !setgid(65534) && !setuid(65534);
	if (!able) {
		ok(true, "a /proc that hides # SKIP %s", strerror(errno));
		return;
	}
	if (!ok(begin(SENSE_SENSOR_WATCH, "auto"), "opens without privilege"))
		return;
	ok(told("gap", "hidepid") != NULL, "what is hidden is a gap");
	/* Linux 6.6 lets anybody listen. */
	ok(ops->fd(sensor) >= 0 || told("gap", "process connector"), "and so is a connector that it may not have");
	sweep_whole();
	ok(last("f", (uint32_t)getpid()) && !last("f", 1), "its own processes are found");
	ops->close(sensor);
}

/* As a user who sees others, and not what they run. */
static void refused(void)
{
	pid_t pid = fork();
	if (!pid) {
		tap_count = 0;
		if (setgid(65534) || setuid(65534) || !begin(SENSE_SENSOR_ONCE, NULL))
			_exit(1);
		sweep_whole();
		_exit(told("gap", "gap.where=/proc/PID/exe gap.why=Permission denied") && last("f", 1) &&
		              !last("f", 1)->path[0] && last("f", 1)->name[0] ? 0 : 2);
	}
	int status;
	waitpid(pid, &status, 0);
	is_num(status, 0, "executables that may not be seen are a gap, once; the rest is told");
}

int main(int argc, char **argv)
{
	sense_error err;
	char command[128];
	if (argc > 1)
		return role_play(argc, argv);
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	records = calloc(RECORDS_MAX, sizeof *records);
	if (n < 0 || !records || !mkdtemp(folder))
		return 1;
	chmod(folder, 0755);
	const char *build = getenv("SENSE_BUILD") ? getenv("SENSE_BUILD") : "build";
	snprintf(command, sizeof command, "%s/plugins", build);
	const struct sense_plugin *plugin = sense_plugin_load(command, "procs", &err);
	if (!ok(plugin && plugin->sensor, "the plugin loads as a sensor")) {
		fprintf(stderr, "# %s\n", err.message);
		return tap_done();
	}
	ops = plugin->sensor;
	once();
	packages();
	if (!getuid())
		refused();
	watch();
	polling();
	gpus();
	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command))
		fprintf(stderr, "# %s remains\n", folder);
	hidden();
	return tap_done();
}
