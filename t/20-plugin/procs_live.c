/*
 * The sensor plugin `procs`, loaded as the agent loads it, on real processes: what it says of them as they
 * begin, change and end. This program is also its own children.
 */
#include "core/plugin/loader.h"
#include "t/20-plugin/procs_world.h"

/* ---- what is found ----------------------------------------------------------------------------------- */

static const char odd[] = "with blank\nand\xff"
			  "newline";

static void check_held(const struct record *r, pid_t pid)
{
	char cwd[256];
	if (!ok(r != NULL, "the process is told"))
		return;
	static const char names[] = "PATH\0A_SECRET\0";
	const char wanted[] = "held\0hold\0with blank\nand\xff"
			      "newline\0";
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
	const char *argv[] = {"held", "hold", odd, "", NULL},
		   *envp[] = {"PATH=/usr/bin", "not a name", "A_SECRET=hunter2", "=x", NULL};
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

static const struct record *child_of(pid_t parent)
{
	for (unsigned i = record_count; i--;)
		if (records[i].what == 's' && records[i].parent == (uint32_t)parent)
			return &records[i];
	return NULL;
}

/* It executes something when the one that forked it has ended: the system names another parent by then. */
static void orphan(void)
{
	pid_t middle = fork();
	if (!middle) {
		middle = getpid();
		if (fork())
			_exit(0);
		while (getppid() == middle)
			sched_yield();
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	waitpid(middle, NULL, 0);
	until(child_of(middle));
	ok(child_of(middle) != NULL, "whose parent has ended is that parent's, not init's");
}

static void lifetimes(void)
{
	const char *argv[] = {"held", "hold", odd, "", NULL},
		   *envp[] = {"PATH=/usr/bin", "A_SECRET=hunter2", NULL};
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
	ok(r && last("s", (uint32_t)pid) && r->start_us == last("s", (uint32_t)pid)->start_us,
	   "as of the same process");
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
	uint64_t patience = now_ms() + PATIENCE_MS, before = ready_ns;
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
	printf("# %u of %u with the path of the executable; %llu us of CPU each\n", with_path, COUNT,
	       (unsigned long long)(ready_ns - before) / COUNT / 1000);
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
	ok(told("gap", "gap.what=processes gap.where=process connector gap.why=more happened at once") !=
	       NULL,
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
	if (!ok(begin(SENSE_SENSOR_WATCH, "true"), "opens to watch"))
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
	orphan();
	short_lived();
	overrun();
	ops->close(sensor);
}

static void polling(void)
{
	const char *argv[] = {"held", "hold", NULL}, *envp[] = {NULL};
	int end;
	if (!ok(begin(SENSE_SENSOR_WATCH, "false"), "opens to poll"))
		return;
	is_num(ops->fd(sensor), -1, "there is no descriptor");
	ok(told("gap", "gap.why=host.connector is false") != NULL, "that less is seen is a gap");
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
	static const char *const folders[] = {"site-packages",
	                                      "site-packages/sentence_transformers",
	                                      "app",
	                                      "app/bin",
	                                      "app/node_modules",
	                                      "app/node_modules/openai",
	                                      "app/node_modules/left-pad"};
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
	           link.st_ctim.tv_sec * 1000000000 + link.st_ctim.tv_nsec &&
	       now_ms() < patience)
		if (access(command, R_OK) || lstat(command, &link))
			abort();
	const char *python[] = {"python", "map", map, NULL}, *node[] = {"node", command, NULL};
	pid_t first = start(place("python3.11"), python, envp, &python_end);
	pid_t second = start(place("node"), node, envp, &node_end);
	if (ok(begin(SENSE_SENSOR_ONCE, NULL), "opens")) {
		sweep_whole();
		char wanted[2 * PATH_MAX];
		snprintf(
		    wanted, sizeof wanted,
		    "inventory.kind=package inventory.app=python3.11 inventory.name=sentence-transformers "
		    "inventory.path=%s",
		    place("site-packages/sentence_transformers"));
		const struct record *r = told("inventory", "app=python3.11");
		is_str(r ? r->text : "", wanted, "a package of Python's that is mapped");
		is_num(r ? r->pid : 0, first, "of the process that has it");
		snprintf(wanted, sizeof wanted,
		         "inventory.kind=package inventory.app=node inventory.name=openai "
		         "inventory.path=%s",
		         place("app/node_modules/openai"));
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
	if (!ok(begin(SENSE_SENSOR_WATCH, "true"), "opens without privilege"))
		return;
	ok(told("gap", "hidepid") != NULL, "what is hidden is a gap");
	/* Linux 6.6 lets anybody listen. */
	ok(ops->fd(sensor) >= 0 || told("gap", "process connector"),
	   "and so is a connector that it may not have");
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
		_exit(told("gap", "/exe gap.why=Permission denied") && last("f", 1) &&
		              !last("f", 1)->path[0] && last("f", 1)->name[0]
		          ? 0
		          : 2);
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
