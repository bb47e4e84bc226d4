/*
 * The floor of a live capture: the plugin `packet`, each packet counted, nothing else.
 *
 *   live_read PLUGINS INTERFACE SECONDS WORKERS RING_MIB [SNAPLEN [TOUCH_NS [KILL_MS]]]
 *
 * One process begins the capture and looks at it each second, WORKERS more read. With TOUCH_NS each worker
 * works so long at a packet, to be too slow. With KILL_MS one of them is killed each such time, and another
 * takes its place: read and dropped fall short of received by what the dead had in hand, BATCH packets each
 * at most.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/plugin/loader.h"

enum { WORKERS_MAX = 16, BATCH = 64 };

static struct shared {
	uint64_t packets[WORKERS_MAX], bytes[WORKERS_MAX];
} * shared;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void work(uint64_t ns)
{
	uint64_t until = now_ns() + ns;
	while (now_ns() < until)
		;
}

static void worker(const struct sense_plugin *plugin, int fd, unsigned number, uint64_t touch_ns)
{
	struct sense_packet packets[BATCH];
	unsigned count = 1;
	void *capture;
	sense_error err;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (plugin->capture->open(sense_plugin_host(), "live", fd, 0, &capture, &err))
		_exit(1);
	while (count && !plugin->capture->read(capture, packets, BATCH, &count, &err)) {
		for (unsigned i = 0; i < count; i++)
			shared->bytes[number] += packets[i].len;
		shared->packets[number] += count;
		if (touch_ns)
			work(touch_ns * count);
	}
	_exit(1);
}

static double cpu_of(int who)
{
	struct rusage usage;
	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void told(const struct sense_live_stats *stats, unsigned workers, unsigned kills)
{
	uint64_t packets = 0, bytes = 0;
	for (unsigned i = 0; i < workers; i++) {
		packets += shared->packets[i];
		bytes += shared->bytes[i];
	}
	printf("received=%llu dropped=%llu read=%llu bytes=%llu cpu=%.2f supervisor=%.2f kills=%u\n",
	       (unsigned long long)stats->received, (unsigned long long)stats->dropped,
	       (unsigned long long)packets, (unsigned long long)bytes, cpu_of(RUSAGE_CHILDREN),
	       cpu_of(RUSAGE_SELF), kills);
}

int main(int argc, char **argv)
{
	sense_error err = {0};
	if (argc < 6) {
		fprintf(stderr, "usage: live_read PLUGINS INTERFACE SECONDS WORKERS RING_MIB [SNAPLEN "
		                "[TOUCH_NS [KILL_MS]]]\n");
		return 2;
	}
	const struct sense_plugin *plugin = sense_plugin_load(argv[1], "packet", &err);
	const char *interface = argv[2];
	unsigned seconds = (unsigned)atoi(argv[3]), workers = (unsigned)atoi(argv[4]);
	struct sense_live_want want = {.size = sizeof want,
	                               .interfaces = &interface,
	                               .interface_count = 1,
	                               .workers = workers,
	                               .ring_bytes = (uint64_t)atoi(argv[5]) << 20,
	                               .snaplen = argc > 6 ? (uint32_t)atoi(argv[6]) : 0,
	                               .filter = ""};
	int fds[WORKERS_MAX];
	pid_t pids[WORKERS_MAX];
	void *live;
	struct sense_live_stats stats = {0};
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!plugin || shared == MAP_FAILED || workers > WORKERS_MAX ||
	    plugin->live->begin(sense_plugin_host(), &want, &live, fds, &err)) {
		fprintf(stderr, "live_read: %s\n", err.message);
		return 1;
	}
	for (unsigned i = 0; i < workers; i++)
		if (!(pids[i] = fork()))
			worker(plugin, fds[i], i, argc > 7 ? (uint64_t)atoi(argv[7]) : 0);
	uint64_t end = now_ns() + seconds * UINT64_C(1000000000);
	unsigned pause_ms = argc > 8 && atoi(argv[8]) ? (unsigned)atoi(argv[8]) : 1000, kills = 0;
	while (now_ns() < end) {
		usleep(pause_ms * 1000);
		plugin->live->look(live, &stats, &err);
		if (argc < 9 || !atoi(argv[8]))
			continue;
		unsigned i = kills++ % workers;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		if (!(pids[i] = fork()))
			worker(plugin, fds[i], i, argc > 7 ? (uint64_t)atoi(argv[7]) : 0);
	}
	usleep(300000); /* the last one's turn */
	plugin->live->look(live, &stats, &err);
	for (unsigned i = 0; i < workers; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	told(&stats, workers, kills);
	plugin->live->end(live);
	return 0;
}
