/*
 * What a finding costs in the spool: put, and one commit for each hundred; beside the floor, which is a plain
 * write and fdatasync of the same bytes to a file in the same directory. Then giving out and acknowledging,
 * and opening a spool that is full.
 *
 *   spool [DIR]     a directory on the disk in question; /var/tmp
 */
#include <time.h>

#include "t/spool.h"

#define FINDINGS 20000u
#define BATCH 100u
#define SIZE 700u

static double now(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct cost {
	double wall, cpu;
};

static struct cost begin(void)
{
	return (struct cost){now(CLOCK_MONOTONIC), now(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct cost since(struct cost begun)
{
	struct cost end = begin();
	return (struct cost){end.wall - begun.wall, end.cpu - begun.cpu};
}

static void report(const char *what, struct cost cost, struct cost floor, unsigned count)
{
	printf("%-28s %9.0f findings/s  %7.2f us CPU each", what, count / cost.wall, cost.cpu / count * 1e6);
	if (floor.wall > 0)
		printf("   %5.2f of the floor's time, %5.2f of its CPU", cost.wall / floor.wall,
		       cost.cpu / floor.cpu);
	putchar('\n');
}

static struct cost floor_cost(const char *dir)
{
	char path[4096];
	static uint8_t bytes[BATCH * SIZE];
	snprintf(path, sizeof path, "%.4000s/floor", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct cost begun = begin();
	for (unsigned i = 0; i < FINDINGS / BATCH; i++)
		if (write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || fdatasync(fd))
			perror(path);
	struct cost cost = since(begun);
	close(fd);
	unlink(path);
	return cost;
}

static struct cost put_cost(sense_spool *spool)
{
	struct cost begun = begin();
	for (unsigned n = 1; n <= FINDINGS; n++) {
		put_number(spool, n, n % 3 ? "low" : "high", SIZE, NULL);
		if (n % BATCH == 0)
			sense_spool_commit(spool, NULL);
	}
	return since(begun);
}

static struct cost give_cost(sense_spool *spool, bool ack)
{
	struct sense_spool_item item = {0};
	struct cost begun = begin();
	for (unsigned n = 1; sense_spool_next(spool, item.sequence, &item); n++)
		if (ack && n % BATCH == 0)
			sense_spool_ack(spool, item.sequence, NULL);
	return since(begun);
}

static sense_spool *open_spool(const char *dir)
{
	sense_error err;
	struct sense_spool_config config = {
	    .dir = dir, .max_bytes = (uint64_t)256 << 20, .machine = "/dev/null"};
	sense_spool *spool = sense_spool_open(&config, &err);
	if (!spool)
		fprintf(stderr, "%s\n", err.message);
	return spool;
}

static void full(sense_spool *spool, const char *dir)
{
	struct sense_spool_stats stats = {0};
	struct stat st = {0};
	char path[4096];
	for (uint64_t n = 1000000; !stats.dropped[1]; n++) {
		put_number(spool, n, "low", SIZE, NULL);
		if (n % 4000 == 0)
			sense_spool_commit(spool, NULL);
		sense_spool_stats(spool, &stats);
	}
	snprintf(path, sizeof path, "%.4000s/spool.mdb", dir);
	sense_spool_close(spool);
	stat(path, &st);
	struct cost begun = begin();
	spool = open_spool(dir);
	struct cost cost = since(begun);
	printf("%-28s %9.1f ms, %.1f ms CPU: %llu findings, %.0f MiB in a file of %.0f MiB\n", "open, full",
	       cost.wall * 1e3, cost.cpu * 1e3, (unsigned long long)stats.findings,
	       (double)stats.bytes / 1048576, (double)st.st_size / 1048576);
	sense_spool_close(spool);
}

int main(int argc, char **argv)
{
	char dir[4096];
	struct cost none = {0};
	snprintf(dir, sizeof dir, "%.4000s/sense-bench-XXXXXX", argc > 1 ? argv[1] : "/var/tmp");
	sense_spool *spool = mkdtemp(dir) ? open_spool(dir) : NULL;
	if (!spool)
		return 1;
	struct cost floor = floor_cost(dir);
	report("floor: write, fdatasync", floor, none, FINDINGS);
	report("put, commit each 100", put_cost(spool), floor, FINDINGS);
	report("give out", give_cost(spool, false), none, FINDINGS);
	report("give out, ack each 100", give_cost(spool, true), floor, FINDINGS);
	full(spool, dir);
	remove_all(dir);
	return 0;
}
