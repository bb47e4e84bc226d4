/*
 * A host for the sensor `sockets`, for its tests: it knows processes by /proc and keeps what it is told.
 * world_open begins the sensor, world_until drives it as the agent does until something holds.
 */
#ifndef SENSE_T_SOCKETS_WORLD_H
#define SENSE_T_SOCKETS_WORLD_H

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/status.h"
#include "t/tap.h"

#define UNUSED __attribute__((unused))

enum { WORLD_SOCKETS = 65536, WORLD_LISTENS = 4096, WORLD_PIDS = 32768, WORLD_PATIENCE_MS = 20000 };

struct world_listen {
	uint32_t pid;
	uint16_t port;
	uint8_t l4;
	uint8_t address[16];
	char speaks[32];
};

static struct world {
	const char *ebpf, *probe; /* settings */
	struct sense_socket sockets[WORLD_SOCKETS];
	char names[WORLD_SOCKETS][32];
	unsigned socket_count;
	struct world_listen listens[WORLD_LISTENS];
	unsigned listen_count;
	char gap_why[512];
	unsigned gaps;
	uint64_t gauge_ebpf, gauge_unresolved, gauge_dropped, gauge_listeners, gauge_probes, gauge_sweep;
	uint32_t pids[WORLD_PIDS];
	unsigned pid_count, sweeps;
	void *sensor;
	uint64_t sweep_due_ms;
} world;

static const struct sense_sensor_ops *ops;

/* ---- what the host offers -------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void world_log(enum sense_log_level level, const char *plugin,
                                                            const char *fmt, ...)
{
	va_list args;
	if (level > SENSE_LOG_INFO && !getenv("SENSE_TEST_VERBOSE"))
		return;
	va_start(args, fmt);
	fprintf(stderr, "# %s: ", plugin);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

static void world_tell(const char *event, uint32_t pid, const struct sense_fact *facts, unsigned count)
{
	struct world_listen listen = {.pid = pid};
	bool is_listen = !strcmp(event, "listen");
	world.gaps += !strcmp(event, "gap");
	for (unsigned i = 0; i < count; i++) {
		const struct sense_fact *fact = &facts[i];
		if (!strcmp(fact->field, "listen.port"))
			listen.port = (uint16_t)fact->number;
		else if (!strcmp(fact->field, "listen.l4"))
			listen.l4 = (uint8_t)fact->number;
		else if (!strcmp(fact->field, "listen.ip"))
			memcpy(listen.address, fact->address, 16);
		else if (!strcmp(fact->field, "listen.speaks"))
			snprintf(listen.speaks, sizeof listen.speaks, "%s", fact->text);
		else if (!strcmp(fact->field, "gap.why"))
			snprintf(world.gap_why, sizeof world.gap_why, "%s", fact->text);
	}
	if (is_listen && world.listen_count < WORLD_LISTENS)
		world.listens[world.listen_count++] = listen;
}

static bool world_process_find(uint32_t pid, struct sense_process_known *out)
{
	static char name[64];
	char path[64], text[512];
	struct stat status;
	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
	bool known = file && !fstat(fileno(file), &status);
	if (file)
		fclose(file);
	text[len] = '\0';
	const char *begin = strchr(text, '('), *end = strrchr(text, ')');
	unsigned long long start;
	if (!known || !begin || !end ||
	    sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	           &start) != 1)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)(end - begin - 1), begin + 1);
	*out = (struct sense_process_known){
	    .size = sizeof *out, .pid = pid, .uid = status.st_uid, .start_us = start * 10000, .name = name};
	return true;
}

/* As the host, which reads of a process once and not again for each look at the list. */
static bool world_process_kept(uint32_t pid, struct sense_process_known *out)
{
	static struct sense_process_known kept[WORLD_PIDS];
	struct sense_process_known *at = &kept[pid % WORLD_PIDS];
	if (at->pid != pid && !world_process_find(pid, at))
		return false;
	*out = *at;
	return true;
}

static bool world_process_next(uint32_t *cursor, struct sense_process_known *out)
{
	if (!*cursor) {
		DIR *dir = opendir("/proc");
		const struct dirent *entry;
		world.pid_count = 0;
		while (dir && (entry = readdir(dir)) && world.pid_count < WORLD_PIDS)
			if (atoi(entry->d_name) > 0)
				world.pids[world.pid_count++] = (uint32_t)atoi(entry->d_name);
		closedir(dir);
	}
	while (*cursor < world.pid_count)
		if (world_process_kept(world.pids[(*cursor)++], out))
			return true;
	return false;
}

static void world_socket_of(const struct sense_socket *socket)
{
	if (world.socket_count == WORLD_SOCKETS)
		return;
	snprintf(world.names[world.socket_count], sizeof *world.names, "%s",
	         socket->name ? socket->name : "");
	world.sockets[world.socket_count++] = *socket;
}

static const char *world_setting(const char *key)
{
	return !strcmp(key, "host.ebpf") ? world.ebpf : !strcmp(key, "host.probe") ? world.probe : NULL;
}

static void world_gauge(const char *name, uint64_t value)
{
	const struct {
		const char *name;
		uint64_t *at;
	} gauges[] = {
	    {"sockets.source", &world.gauge_ebpf},     {"sockets.unresolved", &world.gauge_unresolved},
	    {"sockets.dropped", &world.gauge_dropped}, {"sockets.listeners", &world.gauge_listeners},
	    {"sockets.probes", &world.gauge_probes},   {"sockets.sweep_us", &world.gauge_sweep}};
	for (unsigned i = 0; i < sizeof gauges / sizeof *gauges; i++)
		if (!strcmp(name, gauges[i].name))
			*gauges[i].at = value;
}

static const struct sense_host world_host = {.size = sizeof world_host,
                                             .log = world_log,
                                             .fail = sense_fail,
                                             .tell = world_tell,
                                             .process_find = world_process_find,
                                             .process_next = world_process_next,
                                             .socket_of = world_socket_of,
                                             .setting = world_setting,
                                             .gauge = world_gauge};

/* ---- the sensor ------------------------------------------------------------------------------ */

static uint64_t world_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

UNUSED static bool world_load(void)
{
	const char *build = getenv("SENSE_BUILD");
	char path[4096];
	snprintf(path, sizeof path, "%s/plugins/sockets.so", build ? build : "build");
	void *object = dlopen(path, RTLD_NOW);
	if (!ok(object, "%s loads", path)) {
		fprintf(stderr, "# %s\n", dlerror());
		return false;
	}
	const struct sense_plugin *plugin = dlsym(object, "sense_plugin");
	if (!ok(plugin && plugin->sensor && plugin->platform, "it is a sensor"))
		return false;
	ops = plugin->sensor;
	return true;
}

UNUSED static bool world_open(enum sense_sensor_mode mode, const char *ebpf, const char *probe)
{
	sense_error error = {0};
	memset(&world, 0, sizeof world);
	world.ebpf = ebpf;
	world.probe = probe;
	if (!ops->open(&world_host, mode, &world.sensor, &error))
		return true;
	fprintf(stderr, "# open: %s\n", error.message);
	return false;
}

UNUSED static void world_close(void)
{
	ops->close(world.sensor);
	world.sensor = NULL;
}

UNUSED static void world_sweep(void)
{
	sense_error error = {0};
	uint32_t wait_ms = 0;
	if (ops->sweep(world.sensor, &wait_ms, &error))
		fprintf(stderr, "# sweep: %s\n", error.message);
	world.sweeps += wait_ms != 0;
	world.sweep_due_ms = world_ms() + wait_ms;
}

/* One round of the agent's loop; `also` is a descriptor that ends it as well, -1: none. */
UNUSED static void world_turn(int also)
{
	sense_error error = {0};
	struct pollfd wait[2] = {{.fd = ops->fd(world.sensor), .events = POLLIN},
	                         {.fd = also, .events = POLLIN}};
	uint64_t now = world_ms();
	poll(wait, 2,
	     world.sweep_due_ms > now ? (int)(world.sweep_due_ms - now < 50 ? world.sweep_due_ms - now : 50)
	                              : 0);
	if (wait[0].revents && ops->ready(world.sensor, &error))
		fprintf(stderr, "# ready: %s\n", error.message);
	if (world_ms() >= world.sweep_due_ms)
		world_sweep();
}

UNUSED static bool world_until(bool (*holds)(const void *what), const void *what)
{
	uint64_t end = world_ms() + WORLD_PATIENCE_MS;
	while (!holds(what)) {
		if (world_ms() > end)
			return false;
		world_turn(-1);
	}
	return true;
}

UNUSED static bool world_swept(const void *what)
{
	return world.sweeps >= *(const unsigned *)what;
}

UNUSED static void world_complete_sweep(void)
{
	unsigned sweeps = world.sweeps + 1;
	world.sweep_due_ms = 0;
	(void)world_until(world_swept, &sweeps);
}

/* ---- sockets of the test --------------------------------------------------------------------- */

struct endpoint {
	struct sockaddr_storage address;
	socklen_t len;
};

UNUSED static struct endpoint loopback(int family, uint16_t port)
{
	struct endpoint out = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *ip4 = (struct sockaddr_in *)&out.address;
	struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&out.address;
	if (family == AF_INET) {
		*ip4 = (struct sockaddr_in){.sin_family = AF_INET,
		                            .sin_port = htons(port),
		                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	} else {
		*ip6 = (struct sockaddr_in6){
		    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
		out.len = sizeof *ip6;
	}
	return out;
}

UNUSED static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return 0;
	return ntohs(((struct sockaddr_in *)&address)->sin_port); /* at the same place in both */
}

/* Listens, or is bound when it is of datagrams. port 0: any. */
UNUSED static int server_open(int family, int type, uint16_t port)
{
	struct endpoint at = loopback(family, port);
	int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!bind(fd, (struct sockaddr *)&at.address, at.len) && (type == SOCK_DGRAM || !listen(fd, 128)))
		return fd;
	close(fd);
	return -1;
}

UNUSED static void child_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
