/* Several workers of one run: what is common to all, what is not, and one that goes wrong among them. */
#include "core/proc/supervisor.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/tap.h"

#define WORKERS 3
#define TICKS_MAX 600 /* a minute: no run of these takes so long */

static struct sense_crew crew;
static sense_error err;

/* ---- what the supervisor hears ---- */

static char said[16384];
static unsigned ports[8]; /* flows by their port, which is the worker's number */
static const char *disk;  /* the text of the only policy file */
static const char *const *next_texts;
static bool settled;   /* nothing is being loaded */
static unsigned ticks; /* of this run */

static bool on_flow(void *self, const struct sense_flowrecord *record)
{
	(void)self;
	ports[record->src_port % 8]++;
	return true;
}

static void on_message(void *self, enum sense_log_level level, const char *subsystem, const char *text)
{
	size_t used = strlen(said);
	(void)self;
	(void)level;
	(void)subsystem;
	snprintf(said + used, sizeof said - used, "%s\n", text);
}

static bool on_tick(void *self, const struct sense_crew *all)
{
	(void)self;
	if (next_texts && *next_texts && settled && sense_crew_phase(all) == SENSE_PHASE_RUN) {
		settled = false;
		disk = *next_texts++;
		raise(SIGHUP);
	}
	return ++ticks < TICKS_MAX;
}

static void on_loaded(void *self, const struct sense_generations *all)
{
	(void)self;
	(void)all;
	settled = true;
}

static enum sense_status disk_read(void *self, struct sense_bundle *out, sense_error *error)
{
	(void)self;
	(void)error;
	sense_bundle_add(out, &(struct sense_bundle_item){"p.lua", "p", disk, strlen(disk)});
	return SENSE_OK;
}

static struct sense_outcome run(sense_worker_main *worker_main, const char *const *texts, enum sense_status *status)
{
	struct sense_outcome outcome;
	const struct sense_source sources[WORKERS] = {{.name = "one", .fd = -1}, {.name = "two", .fd = -1}, {.name = "three", .fd = -1}};
	const struct sense_policies policies = {.read = disk_read};
	said[0] = '\0';
	memset(ports, 0, sizeof ports);
	if (texts)
		disk = *texts++;
	next_texts = texts;
	settled = false;
	ticks = 0;
	sense_crew_free(&crew);
	if (sense_crew_new(&crew, WORKERS, 16, 4096, NULL))
		abort();
	struct sense_job job = {
	    .sources = sources,
	    .source_count = WORKERS,
	    .crew = &crew,
	    .worker_main = worker_main,
	    .policies = texts ? &policies : NULL,
	    .service = true,
	    .sink = {.flow = on_flow, .message = on_message, .tick = on_tick, .loaded = on_loaded},
	    .limits = {.call_cpu_ms = 20, .restarts_idle = 4, .stop_ms = 2000},
	};
	*status = sense_supervisor_run(&job, &outcome, &err);
	return outcome;
}

/* ---- workers ---- */

/* A flow whose port says who it is from. */
static void tell(struct sense_worker *worker, unsigned what)
{
	struct sense_flowrecord record = {.src_ip = "192.0.2.1", .dst_ip = "192.0.2.2", .src_port = (uint16_t)what};
	sense_worker_flow(worker, &record);
	sense_worker_flush(worker);
}

static void until_told(const struct sense_worker *worker)
{
	while (!sense_worker_stopping(worker))
		usleep(1000);
}

/* Tells 4 and more when something is not as it should be. */
static int looks_around(void *context, struct sense_worker *worker)
{
	const char *const names[] = {"one", "two", "three"};
	uint64_t *common = worker->shared->extra;
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	if (worker->source_count != 1 || strcmp(worker->sources->name, names[worker->number]))
		tell(worker, 4);
	for (unsigned i = 0; i < WORKERS; i++) {
		const struct sense_shared *one = &crew.member[i];
		bool own = i == worker->number;
		if (!one->page == own || one->quarantine_views.write || one->mailbox.views.write)
			tell(worker, own ? 5 : 6);
	}
	sense_worker_count(worker, SENSE_COUNT_PACKETS, 10 + worker->number);
	sense_worker_count(worker, SENSE_COUNT_FIRST_TS, 100 - worker->number);
	sense_worker_count(worker, SENSE_COUNT_LAST_TS, 200 + worker->number);
	sense_worker_count(worker, SENSE_COUNT_FLOWS_PEAK, 5);
	tell(worker, worker->number);
	if (__atomic_add_fetch(common, 1, __ATOMIC_RELAXED) < WORKERS)
		until_told(worker);
	return 0; /* the last one ends, and that is the end of the run */
}

/* The second hangs in a rule once; the third waits for its quarantine. */
static int one_hangs(void *context, struct sense_worker *worker)
{
	const struct sense_worker_rule rules[] = {{"a", 1}, {"test.hang", 2}};
	(void)context;
	sense_worker_rules(worker, rules, 2);
	sense_worker_rule_counts(worker, 0, &(struct sense_rule_counts){.matched = 2, .last_ts = 7 + worker->number});
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	sense_worker_taken(worker, 4, 0);
	sense_worker_flows_live(worker, 2);
	if (worker->number == 1 && !worker->restart) {
		sense_mark_enter(&worker->shared->page->call, 1);
		for (volatile unsigned i = 0;; i++)
			;
	}
	if (worker->number == 2) {
		while (!sense_quarantine_count(worker->shared->quarantine))
			usleep(1000);
		tell(worker, sense_shared_quarantined(worker->shared, 1) && !worker->restart ? 2 : 4);
	}
	if (worker->number == 1)
		tell(worker, 1);
	else
		until_told(worker);
	return 0;
}

/* The second, each time that it begins, while the others are at work. */
static int one_dies(void *context, struct sense_worker *worker)
{
	uint64_t *common = worker->shared->extra;
	(void)context;
	sense_worker_phase(worker, worker->number == 1 ? SENSE_PHASE_LOAD : SENSE_PHASE_RUN);
	while (worker->number == 1 && __atomic_load_n(common, __ATOMIC_ACQUIRE) < WORKERS - 1)
		usleep(1000);
	if (worker->number == 1)
		raise(SIGKILL);
	__atomic_add_fetch(common, 1, __ATOMIC_RELEASE);
	until_told(worker);
	tell(worker, worker->number);
	return 0;
}

/* The others wait for what never comes. */
static int none_begins(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	if (worker->number == 1)
		raise(SIGKILL);
	until_told(worker);
	return 0;
}

static const char *text_of(const void *block, size_t len)
{
	struct sense_bundle_item item = {.text = ""};
	size_t used = 0;
	sense_bundle_next(block, len, &used, &item);
	return item.text;
}

static void loaded_tell(struct sense_worker *worker, uint64_t ticket, const char *text, bool begins)
{
	struct sense_ipc_loaded loaded = {.ticket = ticket, .files = 1, .rules = 1};
	bool wrong = strstr(text, "bad") || (worker->number == 1 && !begins && strstr(text, "hard"));
	if (wrong) {
		loaded = (struct sense_ipc_loaded){.ticket = ticket, .status = SENSE_E_MEMORY, .problems = 1};
		sense_worker_problem(worker, "p.lua:1: wrong");
	} else {
		sense_worker_log(worker, SENSE_LOG_INFO, "test", "%u has %s", worker->number, text);
	}
	sense_worker_loaded(worker, &loaded);
}

/* "hard" is what the second cannot load beside another one; "end" ends the third. */
static int obeys(void *context, struct sense_worker *worker)
{
	const struct sense_mailbox *box = &worker->shared->mailbox;
	const char *text = text_of(worker->bundle->block.data, worker->bundle->block.len);
	uint64_t seen = worker->ticket;
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	loaded_tell(worker, seen, text, true);
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	while (!sense_worker_stopping(worker)) {
		uint64_t ticket = sense_mailbox_ticket(box);
		if (!ticket || ticket == seen) {
			usleep(1000);
			continue;
		}
		text = text_of(sense_mailbox_letter(box)->block, sense_mailbox_letter(box)->len);
		seen = ticket;
		loaded_tell(worker, ticket, text, false);
		if (worker->number == 2 && strstr(text, "end"))
			return 0;
	}
	return 0;
}

/* ---- tests ---- */

static void test_common(void)
{
	enum sense_status status;
	struct sense_outcome outcome = run(looks_around, NULL, &status);
	is_num(status, SENSE_OK, "three workers do their work");
	ok(outcome.complete && !outcome.restarts && !outcome.malformed, "one that ends by itself ends the run, in order");
	ok(ports[0] == 1 && ports[1] == 1 && ports[2] == 1, "each tells what it has to");
	is_num(ports[4], 0, "each has a source of its own");
	is_num(ports[5], 0, "its own page, and nothing to write that is the supervisor's");
	is_num(ports[6], 0, "and no page of another's");
	is_num(sense_crew_count(&crew, SENSE_COUNT_PACKETS), 33, "counters add up");
	is_num(sense_crew_count(&crew, SENSE_COUNT_FIRST_TS), 98, "the first packet is the earliest");
	is_num(sense_crew_count(&crew, SENSE_COUNT_LAST_TS), 202, "the last one the latest");
	is_num(sense_crew_count(&crew, SENSE_COUNT_FLOWS_PEAK), 15, "and peaks add up");
	is_num(sense_crew_new(&(struct sense_crew){0}, SENSE_WORKERS_MAX + 1, 1, 0, &err), SENSE_E_LIMIT,
	       "their number is bounded");
}

static void test_hang(void)
{
	enum sense_status status;
	struct sense_rule_counts counts;
	struct sense_outcome outcome = run(one_hangs, NULL, &status);
	is_num(status, SENSE_OK, "a rule hangs in one worker");
	is_num(outcome.restarts, 1, "which is replaced");
	is_num(outcome.quarantined, 1, "the rule is in quarantine");
	is_num(ports[2], 1, "in the others, too, while they work");
	is_num(outcome.flows_lost, 2, "and no flow of theirs is lost");
	sense_crew_rule_counts(&crew, 0, &counts);
	is_num(counts.matched, 8, "counts of a rule add up, over restarts too");
	is_num(counts.last_ts, 9, "but for when it held last");
	is_num(sense_crew_rules(&crew), 2, "it is one set of rules");
}

static void test_death(void)
{
	enum sense_status status;
	struct sense_outcome outcome = run(one_dies, NULL, &status);
	is_num(status, SENSE_E_INTERNAL, "a worker that dies again and again ends the run");
	is_num(outcome.restarts, 4, "after the limit");
	ok(ports[0] == 1 && ports[2] == 1, "and the others end in order");
	outcome = run(none_begins, NULL, &status);
	ok(status == SENSE_E_INTERNAL && !outcome.restarts, "one that dies before any works is not repeated");
}

static void test_generations(void)
{
	enum sense_status status;
	struct sense_outcome outcome = run(obeys, (const char *[]){"one", "two", "end", NULL}, &status);
	is_num(status, SENSE_OK, "reloads of three workers");
	ok(strstr(said, "0 has one") < strstr(said, "1 has one"), "the first begins");
	ok(strstr(said, "0 has two") && strstr(said, "1 has two") && strstr(said, "2 has two"), "all have the next set");
	ok(strstr(said, "0 has two") < strstr(said, "1 has two"), "the first before the others");
	const char *second = strstr(said, "generation 2: 1 rule in 1 file");
	ok(second && !strstr(second + 1, "generation 2: "), "it is one generation");
	ok(strstr(said, "generation 3: ") != NULL, "and so is the one after it");
	is_num(outcome.restarts, 0, "no worker is replaced for that");

	outcome = run(obeys, (const char *[]){"one", "bad", "end", NULL}, &status);
	ok(strstr(said, "1 problem in the policies; generation 1") != NULL, "what the first cannot load");
	const char *wrong = strstr(said, "p.lua:1: wrong");
	ok(wrong && !strstr(wrong + 1, "p.lua:1: wrong"), "nobody else has to");

	outcome = run(obeys, (const char *[]){"one", "hard", "end", NULL}, &status);
	is_num(status, SENSE_OK, "a set that one of the others cannot load");
	is_num(outcome.restarts, 1, "costs that worker");
	ok(strstr(said, "could not load the policies that another one has at work") != NULL, "which is said");
	ok(strstr(said, "1 has hard") != NULL, "it begins anew with it");
	ok(strstr(said, "generation 3: ") != NULL, "and the next reload comes");
	is_num(outcome.failures, 0, "the set is not to blame");
}

int main(void)
{
	test_common();
	test_hang();
	test_death();
	test_generations();
	sense_crew_free(&crew);
	return tap_done();
}
