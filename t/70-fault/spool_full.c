/*
 * A disk that is full for real: a small tmpfs, mounted in a mount namespace of this process alone. Findings
 * wait in memory meanwhile, what is kept can be read and acknowledged, and nothing is lost uncounted.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "t/spool.h"
#include "t/tap.h"

#define DISK "size=3m,mode=0700"
#define MAX_BYTES ((uint64_t)64 << 20)

static sense_error err;
static char top[] = "/tmp/sense-full-XXXXXX";
static char dir[64], ballast[64];

static bool mounted(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("none", top, "tmpfs", 0, DISK);
}

/* Takes all that is left. */
static void fill(void)
{
	static char bytes[4096];
	int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND, 0600);
	while (write(fd, bytes, sizeof bytes) > 0)
		;
	close(fd);
}

static struct sense_spool_stats stats_of(const sense_spool *spool)
{
	struct sense_spool_stats stats;
	sense_spool_stats(spool, &stats);
	return stats;
}

static sense_spool *open_spool(void)
{
	struct sense_spool_config config = {.dir = dir, .max_bytes = MAX_BYTES, .machine = "/dev/null"};
	return sense_spool_open(&config, &err);
}

static void put_next(sense_spool *spool, uint64_t n)
{
	put_number(spool, n, n % 2 ? "low" : "high", 700, NULL);
}

static void growing_full(void)
{
	uint64_t n = 0, given = 0;
	struct sense_spool_item item = {0};
	sense_spool *spool = open_spool();
	if (!ok(spool != NULL, "a spool on a small disk"))
		return;
	do
		for (unsigned i = 0; i < 100; i++)
			put_next(spool, ++n);
	while (!sense_spool_commit(spool, &err) && n < 100000);
	ok(strstr(err.message, "No space left") != NULL, "the disk is full after %llu: %s",
	   (unsigned long long)n, err.message);
	uint64_t kept_before = stats_of(spool).findings;
	ok(kept_before + stats_of(spool).waiting == n, "%llu are kept, the others wait",
	   (unsigned long long)kept_before);
	while (n < 10000)
		put_next(spool, ++n);
	struct sense_spool_stats stats = stats_of(spool);
	is_num(stats.waiting, SENSE_SPOOL_QUEUE_MAX, "as many as memory may hold");
	is_num(stats.findings + stats.waiting + stats.dropped[1] + stats.dropped[3], n,
	       "the others are counted");
	ok(stats.dropped[1] > 0 && !stats.dropped[3], "those of the lowest severity went");
	while (sense_spool_next(spool, item.sequence, &item))
		given += number_of(&item) == given + 1;
	is_num(given, kept_before, "what is kept can be read");
	is_num(sense_spool_ack(spool, item.sequence, &err), SENSE_OK, "and acknowledged, on a full disk");
	for (unsigned i = 0; i < 20 && stats_of(spool).waiting; i++) {
		sense_spool_commit(spool, &err);
		for (item.sequence = 0; sense_spool_next(spool, item.sequence, &item);)
			given++;
		sense_spool_ack(spool, item.sequence, &err);
	}
	stats = stats_of(spool);
	is_num(stats.waiting, 0, "what waits comes after, as far as there is room");
	is_num(given + stats.dropped[1] + stats.dropped[3], n, "each was given out, or counted as dropped");
	sense_spool_close(spool);
}

static void filled_by_others(void)
{
	unlink(ballast);
	sense_spool *spool = open_spool();
	put_number(spool, 20001, "low", 700, NULL);
	is_num(sense_spool_commit(spool, &err), SENSE_OK, "some finding");
	fill();
	for (uint64_t n = 20002; n < 23000; n++)
		put_number(spool, n, "low", 15000, NULL);
	ok(sense_spool_commit(spool, &err), "somebody else filled the disk: %s", err.message);
	ok(stats_of(spool).failing, "this is told");
	unlink(ballast);
	is_num(sense_spool_commit(spool, &err), stats_of(spool).waiting ? SENSE_E_IO : SENSE_OK,
	       "there is room again");
	uint64_t findings = stats_of(spool).findings;
	ok(findings > 16, "%llu are kept", (unsigned long long)findings);
	sense_spool_close(spool);
	spool = open_spool();
	ok(spool && !stats_of(spool).set_aside_now && stats_of(spool).findings >= findings,
	   "and the store is whole");
	sense_spool_close(spool);
}

static void full_from_the_start(void)
{
	remove_all(dir);
	fill();
	sense_spool *spool = open_spool();
	ok(!spool && *err.message, "none can be made on a full disk: %s", err.message);
	ok(!entries(dir, "spool.mdb"), "and no half of one is left");
	unlink(ballast);
	spool = open_spool();
	ok(spool != NULL, "with room there can");
	sense_spool_close(spool);
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	if (!mounted()) {
		printf("1..0 # SKIP no mount namespace: %s\n", strerror(errno));
		rmdir(top);
		return 0;
	}
	snprintf(dir, sizeof dir, "%s/spool", top);
	snprintf(ballast, sizeof ballast, "%s/ballast", top);
	growing_full();
	filled_by_others();
	full_from_the_start();
	umount(top);
	rmdir(top);
	return tap_done();
}
