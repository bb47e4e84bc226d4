/* The spool as its callers see it: what is kept, what is known, what is dropped. */
#include "core/spool/spool.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/cli/findings.h"
#include "core/rules/rule.h"
#include "t/spool.h"
#include "t/tap.h"

#define MIB ((uint64_t)1 << 20)

static sense_error err;
static char top[] = "/tmp/sense-spool-XXXXXX";
static char dir[64];

static sense_spool *open_with(uint64_t max_bytes, uint64_t remembered)
{
	struct sense_spool_config config = {
	    .dir = dir, .max_bytes = max_bytes, .remembered = remembered, .machine = "/dev/null"};
	sense_spool *spool = sense_spool_open(&config, &err);
	if (!ok(spool != NULL, "the spool opens"))
		fprintf(stderr, "# %s\n", err.message);
	return spool;
}

static sense_spool *begin(void)
{
	static unsigned number;
	snprintf(dir, sizeof dir, "%s/%u/spool", top, ++number);
	return open_with(MIB, 0);
}

static struct sense_spool_stats stats_of(const sense_spool *spool)
{
	struct sense_spool_stats stats;
	sense_spool_stats(spool, &stats);
	return stats;
}

/* ---- kept until acknowledged ------------------------------------------------------------------------ */

static void keeping(void)
{
	struct stat st;
	struct sense_spool_item item = {0};
	sense_spool *spool = begin();
	ok(!stat(dir, &st) && (st.st_mode & 07777) == 0700, "the directory is made, mode 0700");
	ok(!sense_spool_next(spool, 0, &item), "nothing is kept yet");
	for (uint64_t n = 1; n <= 3; n++)
		is_num(put_number(spool, n, "low", 200, NULL), SENSE_OK, "put %d", (int)n);
	is_str(kept(spool), "", "what is not committed is not given out");
	is_num(stats_of(spool).waiting, 3, "it waits");
	is_num(sense_spool_commit(spool, &err), SENSE_OK, "commit");
	is_str(kept(spool), "1 2 3", "the oldest first");
	is_num(stats_of(spool).waiting, 0, "nothing waits");
	is_num(stats_of(spool).findings, 3, "three are kept");
	sense_spool_next(spool, 0, &item);
	uint64_t first = item.sequence;
	sense_spool_next(spool, first, &item);
	uint64_t second = item.sequence;
	is_num(sense_spool_ack(spool, first - 1, &err), SENSE_OK, "nothing to acknowledge");
	is_num(sense_spool_ack(spool, second, &err), SENSE_OK, "the first two have arrived");
	is_str(kept(spool), "3", "the third is kept");
	put_number(spool, 4, "low", 200, NULL); /* not committed */
	sense_spool_close(spool);
	spool = open_with(MIB, 0);
	is_str(kept(spool), "3 4", "closing commits; the rest is there again");
	is_num(stats_of(spool).acknowledged, 2, "what was acknowledged was counted");
	sense_spool_next(spool, 0, &item);
	ok(item.sequence > second, "no sequence comes twice");
	is_num(sense_spool_ack(spool, UINT64_MAX, &err), SENSE_OK, "all have arrived");
	is_num(stats_of(spool).bytes, 0, "nothing is left");
	sense_spool_close(spool);
	sense_spool_close(NULL);
}

static void refused(void)
{
	bool known;
	sense_spool *spool = begin();
	struct sense_finding finding = numbered(1, "grave", 200);
	is_num(sense_spool_put(spool, &finding, &known, &err), SENSE_E_FORMAT, "no such severity");
	finding.severity = NULL;
	is_num(sense_spool_put(spool, &finding, &known, &err), SENSE_E_FORMAT, "no severity");
	finding = numbered(1, "low", 16300);
	is_num(sense_spool_put(spool, &finding, &known, &err), SENSE_OK, "as large as one may be");
	finding = numbered(2, "low", 16480);
	is_num(sense_spool_put(spool, &finding, &known, &err), SENSE_E_FORMAT, "too large");
	sense_spool_commit(spool, &err);
	is_str(kept(spool), "1", "the large one is whole");
	sense_spool_close(spool);
}

/* ---- known by id ------------------------------------------------------------------------------------ */

static bool is_known(sense_spool *spool, uint64_t n)
{
	bool known = false;
	is_num(put_number(spool, n, "low", 200, &known), SENSE_OK, "put %d", (int)n);
	return known;
}

static void doubles(void)
{
	sense_spool *spool = begin();
	ok(!is_known(spool, 1) && is_known(spool, 1), "an id that waits is known");
	sense_spool_commit(spool, &err);
	ok(is_known(spool, 1), "one that is kept, too");
	sense_spool_ack(spool, UINT64_MAX, &err);
	ok(is_known(spool, 1), "and one that was acknowledged");
	sense_spool_close(spool);
	spool = open_with(MIB, 0);
	ok(is_known(spool, 1), "also another day");
	is_num(stats_of(spool).known, 4, "each is counted");
	sense_spool_commit(spool, &err);
	is_str(kept(spool), "", "and none kept again");
	sense_spool_close(spool);

	spool = begin();
	sense_spool_close(spool);
	spool = open_with(MIB, 3);
	for (uint64_t n = 1; n <= 5; n++)
		put_number(spool, n, "low", 200, NULL);
	sense_spool_commit(spool, &err);
	sense_spool_ack(spool, UINT64_MAX, &err);
	ok(!is_known(spool, 2), "the oldest that were acknowledged are forgotten");
	ok(is_known(spool, 3) && is_known(spool, 5), "the latest are not");
	sense_spool_commit(spool, &err);
	is_str(kept(spool), "2", "a forgotten one is kept again");
	sense_spool_close(spool);
}

/* ---- bounds ----------------------------------------------------------------------------------------- */

static void full(void)
{
	static const char *const severities[] = {"info", "low", "medium", "high", "critical"};
	sense_spool *spool = begin();
	uint64_t n = 0;
	/* A hundred of each, 10 kB apiece, in turn: the 1 MiB holds 104 or so. */
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned s = 0; s < 5; s++)
			put_number(spool, ++n, severities[s], 10000, NULL);
		sense_spool_commit(spool, &err);
	}
	struct sense_spool_stats stats = stats_of(spool);
	ok(stats.bytes <= MIB && stats.bytes > MIB - 11000, "as full as it may be: %llu",
	   (unsigned long long)stats.bytes);
	is_num(stats.dropped[SENSE_INFO], 100, "all of the lowest severity went");
	is_num(stats.dropped[SENSE_MEDIUM], 100, "and of the middle");
	is_num(stats.dropped[SENSE_CRITICAL], 0, "none of the highest");
	is_num(stats.findings + stats.dropped[SENSE_HIGH] + 300, 500, "each that is not kept is counted");
	struct sense_spool_item item;
	unsigned critical = 0;
	uint64_t oldest_high = 0, expected = 4 + 5 * stats.dropped[SENSE_HIGH];
	for (uint64_t after = 0; sense_spool_next(spool, after, &item); after = item.sequence) {
		uint64_t number = number_of(&item);
		critical += number % 5 == 0;
		if (number % 5 == 4 && !oldest_high)
			oldest_high = number;
	}
	is_num(critical, 100, "all the critical ones are there");
	is_num(oldest_high, expected, "of the severity next to it the oldest went");
	put_number(spool, ++n, "medium", 10000, NULL);
	sense_spool_commit(spool, &err);
	is_num(stats_of(spool).dropped[SENSE_MEDIUM], 101, "one below all that is kept goes itself");
	bool known;
	put_number(spool, n, "medium", 10000, &known);
	ok(!known, "and is not known: it may come again");
	sense_spool_commit(spool, &err);
	sense_spool_close(spool);

	spool = open_with(MIB, 0);
	is_num(stats_of(spool).dropped[SENSE_MEDIUM], 102, "counts survive");
	is_num(stats_of(spool).dropped[SENSE_HIGH], stats.dropped[SENSE_HIGH], "all of them");
	sense_spool_close(spool);
}

static void exact(void)
{
	sense_spool *spool = begin();
	put_number(spool, 1, "low", 5000, NULL);
	sense_spool_commit(spool, &err);
	uint64_t one = stats_of(spool).bytes;
	sense_spool_close(spool);
	/* Room for three, and not a byte less is enough. "medium" is three letters longer. */
	for (unsigned less = 0; less < 2; less++) {
		sense_spool_close(begin());
		spool = open_with(3 * one + 3 - less, 0);
		put_number(spool, 1, "low", 5000, NULL);
		put_number(spool, 2, "medium", 5000, NULL);
		put_number(spool, 3, "low", 5000, NULL);
		sense_spool_commit(spool, &err);
		is_str(kept(spool), less ? "2 3" : "1 2 3", "%u bytes less than three need", less);
		put_number(spool, 4, "low", 5000, NULL);
		sense_spool_commit(spool, &err);
		is_str(kept(spool), less ? "2 4" : "2 3 4", "the oldest of the lowest makes room");
		put_number(spool, 5, "info", 5000, NULL);
		sense_spool_commit(spool, &err);
		is_str(kept(spool), less ? "2 4" : "2 3 4", "but not for what is lower still");
		sense_spool_close(spool);
	}
	/* A smaller bound than before. */
	spool = open_with(one + 3, 0);
	is_num(sense_spool_commit(spool, &err), SENSE_OK, "with a smaller bound");
	is_str(kept(spool), "2", "the lowest go at once");
	sense_spool_close(spool);
}

/* ---- a disk that takes nothing ---------------------------------------------------------------------- */

/* Files may not grow: what LMDB gets is an error like that of a full disk, only another. */
static void disk(bool takes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = takes ? limit.rlim_max : 1;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void failing(void)
{
	signal(SIGXFSZ, SIG_IGN);
	sense_spool *spool = begin();
	put_number(spool, 1, "low", 200, NULL);
	sense_spool_commit(spool, &err);
	disk(false);
	put_number(spool, 2, "low", 200, NULL);
	ok(sense_spool_commit(spool, &err), "the disk takes nothing: %s", err.message);
	ok(sense_spool_commit(spool, &err), "nor now");
	ok(stats_of(spool).failing && stats_of(spool).failures == 2, "this is told");
	is_str(kept(spool), "1", "what was committed can be read");
	ok(!is_known(spool, 3) && is_known(spool, 2) && is_known(spool, 1), "ids are known as ever");
	for (uint64_t n = 4; n < 4 + SENSE_SPOOL_QUEUE_MAX; n++)
		put_number(spool, n, n % 2 ? "low" : "high", 200, NULL);
	is_num(stats_of(spool).waiting, SENSE_SPOOL_QUEUE_MAX, "memory is bounded");
	is_num(stats_of(spool).dropped[SENSE_LOW], 2, "what is too much is dropped, the lowest first");
	is_num(put_number(spool, 9000, "info", 200, NULL), SENSE_E_LIMIT,
	       "a newcomer below all others is told so");
	is_num(stats_of(spool).dropped[SENSE_INFO], 1, "and counted");
	for (uint64_t n = 10000; n < 10000 + SENSE_SPOOL_QUEUE_MAX; n++)
		put_number(spool, n, "critical", 15000, NULL);
	ok(stats_of(spool).waiting < 600, "in bytes, too: %llu wait",
	   (unsigned long long)stats_of(spool).waiting);
	disk(true);
	is_num(sense_spool_commit(spool, &err), SENSE_OK, "the disk works again");
	struct sense_spool_stats stats = stats_of(spool);
	ok(!stats.failing && !stats.waiting, "all that waited is kept");
	uint64_t all = stats.findings;
	for (unsigned i = 0; i < SENSE_SPOOL_SEVERITIES; i++)
		all += stats.dropped[i];
	is_num(all, 3 + SENSE_SPOOL_QUEUE_MAX + 1 + SENSE_SPOOL_QUEUE_MAX, "or counted as dropped");
	sense_spool_close(spool);
	spool = open_with(MIB, 0);
	is_num(stats_of(spool).set_aside_now, 0, "the store is as good as before");
	is_num(stats_of(spool).findings, stats.findings, "and holds the same");
	sense_spool_close(spool);
}

/* ---- one holder ------------------------------------------------------------------------------------- */

static void second_opener(void)
{
	int status;
	char holder[32];
	snprintf(holder, sizeof holder, "by process %d", (int)getpid());
	sense_spool *spool = begin();
	pid_t pid = fork();
	if (!pid) {
		struct sense_spool_config config = {.dir = dir, .max_bytes = MIB, .machine = "/dev/null"};
		bool opened = sense_spool_open(&config, &err) != NULL;
		_exit(opened ? 1 : strstr(err.message, holder) ? 7 : 2);
	}
	waitpid(pid, &status, 0);
	is_num(WEXITSTATUS(status), 7, "a second process is told which one has the spool");
	/* A worker that was forked off and lives on. */
	int ends[2];
	if (pipe(ends))
		return;
	pid = fork();
	if (!pid) {
		char byte;
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	sense_spool_close(spool);
	spool = open_with(MIB, 0);
	ok(spool != NULL, "a child that outlives the holder does not hold it");
	close(ends[1]);
	close(ends[0]);
	waitpid(pid, &status, 0);
	sense_spool_close(spool);
}

/* ---- over the control socket ------------------------------------------------------------------------ */

static const char *answer(sense_spool *spool, const char *line, struct sense_buf *out)
{
	struct sense_control_request request;
	sense_buf_clear(out);
	if (!sense_control_parse(line, strlen(line), &request))
		return "not a request";
	return sense_spool_answer(spool, &request, out) ? sense_buf_str(out) : "not about findings";
}

static void answers(void)
{
	struct sense_buf out;
	struct sense_spool_item item;
	sense_buf_init(&out, 0);
	sense_spool *spool = begin();
	is_str(answer(spool, "status", &out), "not about findings", "other requests are not answered");
	is_str(answer(NULL, "findings 0 1", &out),
	       "failed\nthis agent keeps no findings: it has no spool.dir\n", "without a spool");
	is_str(answer(spool, "findings 0 10", &out), "ok\n", "none");
	for (uint64_t n = 1; n <= 300; n++)
		put_number(spool, n, "low", 200, NULL);
	sense_spool_commit(spool, &err);
	sense_spool_next(spool, 0, &item);
	char expected[64];
	snprintf(expected, sizeof expected, "ok\n{\"seq\":%llu,\"finding\":{\"id\":\"00000000-0000-75a3-0000",
	         (unsigned long long)item.sequence);
	const char *text = answer(spool, "findings 0 2", &out);
	ok(!strncmp(text, expected, strlen(expected)), "sequence and finding: %.60s", text + 3);
	unsigned lines = 0;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	is_num(lines, 3, "as many as were asked for");
	ok(!strcmp(text + out.len - 3, "}}\n"), "each is one line");
	for (lines = 0, text = answer(spool, "findings 0 99999999", &out); (text = strchr(text, '\n'));
	     text++)
		lines++;
	is_num(lines, 257, "256 at most");
	answer(spool, "findings 0 1 packed", &out);
	ok(out.len == 3 + 12 + item.len && !memcmp(out.data + 15, item.bytes, item.len), "packed");
	char line[64];
	snprintf(line, sizeof line, "ack %llu", (unsigned long long)item.sequence + 297);
	is_str(answer(spool, line, &out), "ok\n", "acknowledged");
	is_str(kept(spool), "299 300", "they are gone");
	sense_spool_close(spool);
	sense_buf_fini(&out);
}

static void requests(void)
{
	static const struct {
		const char *line;
		int good;
	} lines[] = {{"findings 0 1", 1},
	             {"findings 18446744073709551615 1 packed", 1},
	             {"ack 1", 1},
	             {"findings", 0},
	             {"findings 0", 0},
	             {"findings 0 x", 0},
	             {"findings 0 1 text", 0},
	             {"findings -1 1", 0},
	             {"findings 18446744073709551616 1", 0},
	             {"findings 0 1 packed packed", 0},
	             {"ack", 0},
	             {"ack ", 0},
	             {"ack 1 2", 0},
	             {"ack +1", 0}};
	struct sense_control_request request;
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		is_num(sense_control_parse(lines[i].line, strlen(lines[i].line), &request), lines[i].good,
		       "request '%s'", lines[i].line);
	sense_control_parse("findings 7 9 packed", 19, &request);
	ok(request.sequence == 7 && request.max == 9 && request.packed, "numbers are taken");
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	keeping();
	refused();
	doubles();
	full();
	exact();
	failing();
	second_opener();
	answers();
	requests();
	for (unsigned i = 1; i < 32; i++) {
		snprintf(dir, sizeof dir, "%s/%u/spool", top, i);
		remove_all(dir);
		*strrchr(dir, '/') = '\0';
		rmdir(dir);
	}
	rmdir(top);
	return tap_done();
}
