/*
 * kill -9 at any moment: what was committed is there afterwards, once; what was acknowledged stays away.
 *
 * A child puts numbered findings, takes some out again, and tells through a pipe what the spool promised it;
 * it is killed at random, and the next one goes on where the promises end. SENSE_TEST_KILLS=1000 kills more.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "t/spool.h"
#include "t/tap.h"

#define NUMBERS 1000000u
#define MAX_BYTES ((uint64_t)64 << 20)

/* What is known of a finding, by its number. */
enum { NOTHING, COMMITTED = 1, GIVEN = 2, GONE = 4, SEEN = 8 };
static uint8_t known[NUMBERS];
static char dir[] = "/tmp/sense-kill-XXXXXX";
static sense_error err;

struct promise {
	uint64_t what, number;
};

static uint32_t dice(void)
{
	static uint64_t state;
	if (!state)
		state = (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static sense_spool *open_spool(void)
{
	struct sense_spool_config config = {.dir = dir, .max_bytes = MAX_BYTES, .machine = "/dev/null"};
	return sense_spool_open(&config, &err);
}

static void promise(int fd, uint64_t what, uint64_t number)
{
	struct promise one = {what, number};
	if (write(fd, &one, sizeof one) != sizeof one)
		_exit(3);
}

/* Gives out a few and acknowledges them. */
static void deliver(sense_spool *spool, int fd)
{
	uint64_t numbers[32], after = 0;
	unsigned count = 0, most = 1 + dice() % 32;
	struct sense_spool_item item;
	for (; count < most && sense_spool_next(spool, after, &item); after = item.sequence) {
		numbers[count++] = number_of(&item);
		promise(fd, GIVEN, numbers[count - 1]);
	}
	if (sense_spool_ack(spool, after, &err))
		_exit(4);
	for (unsigned i = 0; i < count; i++)
		promise(fd, GONE, numbers[i]);
}

static void child(int fd, uint64_t next)
{
	static const char *const severities[] = {"info", "low", "medium", "high", "critical"};
	sense_spool *spool = open_spool();
	if (!spool)
		_exit(1);
	for (;;) {
		uint64_t first = next;
		for (unsigned i = 1 + dice() % 40; i; i--)
			if (put_number(spool, next++, severities[dice() % 5],
			               100 + dice() % (dice() % 8 ? 900 : 9000), NULL))
				_exit(2);
		if (dice() % 4 == 0)
			put_number(spool, first, "low", 300, NULL); /* again */
		if (sense_spool_commit(spool, &err))
			_exit(5);
		promise(fd, COMMITTED, next - 1);
		if (dice() % 3 == 0)
			deliver(spool, fd);
	}
}

/* The promises of a child; the last number that it committed. */
static uint64_t promises_read(int fd, uint64_t committed)
{
	struct promise one;
	while (read(fd, &one, sizeof one) == sizeof one && one.number < NUMBERS) {
		known[one.number] |= (uint8_t)one.what;
		while (one.what == COMMITTED && committed < one.number)
			known[++committed] |= COMMITTED;
	}
	return committed;
}

/* Everything that is kept, against everything that was promised. */
static void compare(uint64_t committed, unsigned faults[3])
{
	struct sense_spool_item item = {0};
	struct sense_spool_stats stats;
	sense_spool *spool = open_spool();
	if (!ok(spool != NULL, "the spool opens again"))
		return;
	sense_spool_stats(spool, &stats);
	faults[2] += stats.set_aside_now + stats.undecodable;
	while (sense_spool_next(spool, item.sequence, &item)) {
		uint64_t number = number_of(&item);
		if (number >= NUMBERS || known[number] & (GONE | SEEN))
			faults[1]++;
		else
			known[number] |= SEEN;
	}
	for (uint64_t n = 1; n < NUMBERS; n++) {
		faults[0] += n <= committed && !(known[n] & (SEEN | GIVEN));
		known[n] &= (uint8_t)~SEEN;
	}
	sense_spool_close(spool);
}

int main(void)
{
	const char *more = getenv("SENSE_TEST_KILLS");
	unsigned kills = more ? (unsigned)strtoul(more, NULL, 10) : 100, early = 0;
	unsigned faults[3] = {0};
	uint64_t committed = 0;
	if (!mkdtemp(dir))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < kills && committed < NUMBERS - 10000; i++) {
		int ends[2], status;
		if (pipe(ends))
			return 1;
		dice(); /* each child has luck of its own */
		pid_t pid = fork();
		if (!pid) {
			close(ends[0]);
			child(ends[1], committed + 1);
		}
		close(ends[1]);
		usleep(dice() % 40000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		early += WIFEXITED(status);
		committed = promises_read(ends[0], committed);
		close(ends[0]);
		if (i % 5 == 4)
			compare(committed, faults);
	}
	compare(committed, faults);
	is_num(early, 0, "%u children were killed, none ended of itself", kills);
	ok(committed > kills, "%llu findings were committed", (unsigned long long)committed);
	is_num(faults[0], 0, "none of them is lost");
	is_num(faults[1], 0, "none is there twice, or came again after it was acknowledged");
	is_num(faults[2], 0, "and no store was set aside");
	remove_all(dir);
	return tap_done();
}
