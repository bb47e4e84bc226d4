/* A supervisor and workers that misbehave: what is found is kept, what hangs is named and stopped. */
#include "core/proc/supervisor.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/proc/lockdown.h"
#include "t/tap.h"

#define RULES 130

/* What the sink saw. */
struct seen {
	unsigned findings, flows, messages, ticks;
	unsigned flow_sum;
	unsigned accept; /* findings until the reader goes; 0: no end */
	char last[SENSE_IPC_TEXT_MAX];
	char all[8192];
};

static bool on_finding(void *self, const struct sense_finding *finding)
{
	struct seen *seen = self;
	seen->findings += finding->rule && strcmp(finding->rule, "r") == 0;
	return !seen->accept || seen->findings < seen->accept;
}

static bool on_flow(void *self, const struct sense_flowrecord *record)
{
	struct seen *seen = self;
	seen->flows++;
	seen->flow_sum += record->src_port;
	return true;
}

static void on_message(void *self, enum sense_log_level level, const char *subsystem, const char *text)
{
	struct seen *seen = self;
	(void)level;
	(void)subsystem;
	seen->messages++;
	snprintf(seen->last, sizeof seen->last, "%s", text);
	size_t used = strlen(seen->all);
	snprintf(seen->all + used, sizeof seen->all - used, "%s\n", text);
}

static struct sense_crew crew;
static struct sense_source sources[] = {{.name = "one.pcap", .fd = -1}, {.name = "two.pcap", .fd = -1}, {.name = "three.pcap", .fd = -1}};

static struct sense_outcome run(sense_worker_main *worker_main, void *context, struct seen *seen,
                                enum sense_status *status, sense_error *err)
{
	struct sense_outcome outcome;
	unsigned accept = seen->accept;
	*seen = (struct seen){.accept = accept};
	sense_crew_free(&crew);
	if (sense_crew_new(&crew, 1, RULES, 4096, NULL))
		abort();
	struct sense_job job = {
	    .sources = sources,
	    .source_count = 3,
	    .crew = &crew,
	    .worker_main = worker_main,
	    .worker_context = context,
	    .sink = {.self = seen, .finding = on_finding, .flow = on_flow, .message = on_message},
	    .limits = {.call_cpu_ms = 20, .stall_cpu_ms = 200, .restarts_idle = 4, .stop_ms = 300},
	};
	*status = sense_supervisor_run(&job, &outcome, err);
	return outcome;
}

__attribute__((noreturn)) static void burn(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

static void finding_send(struct sense_worker *worker)
{
	struct sense_finding finding = {.timestamp = 1, .rule = "r", .severity = "low", .type = "t"};
	sense_worker_finding(worker, &finding);
}

/* ---- workers ---- */

static int works(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_error err = {0};
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	if (sense_worker_lockdown(worker, 0, &err)) {
		sense_worker_fail(worker, &err);
		return 1;
	}
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (unsigned i = 0; i < 20000; i++) {
		struct sense_flowrecord record = {.src_ip = "192.0.2.1",
		                                  .dst_ip = "192.0.2.2",
		                                  .src_port = (uint16_t)(i % 7),
		                                  .host = "a.name.of.some.length.example"};
		sense_worker_flow(worker, &record);
	}
	finding_send(worker);
	sense_worker_count(worker, SENSE_COUNT_PACKETS, 12);
	sense_worker_log(worker, SENSE_LOG_WARN, "test", "hello %d", 5);
	return 0;
}

/* Three sources of 10 batches; rule 3 hangs in the fifth batch of the second. */
static int hangs(void *context, struct sense_worker *worker)
{
	uint64_t packets = 0;
	(void)context;
	const struct sense_worker_rule rules[] = {{"a", 1}, {"b", 2}, {"c", 3}, {"test.hang", 4}};
	sense_worker_rules(worker, rules, 4);
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (unsigned s = worker->first_source; s < worker->source_count; s++) {
		uint64_t position = s == worker->first_source ? worker->first_position : 0;
		sense_worker_source(worker, s, position);
		for (uint64_t batch = position; batch < 10; batch++) {
			packets += 8;
			sense_worker_taken(worker, packets, batch + 1);
			sense_worker_flows_live(worker, 5);
			finding_send(worker);
			if (s == 1 && batch == 4 && !sense_shared_quarantined(worker->shared, 3)) {
				sense_mark_enter(&worker->shared->page->call, 3);
				burn();
			}
			sense_worker_count(worker, SENSE_COUNT_PACKETS, packets);
		}
	}
	return 0;
}

/* Dies in each source's first batch. */
static int crashes(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (unsigned s = worker->first_source; s < worker->source_count; s++) {
		uint64_t position = s == worker->first_source ? worker->first_position : 0;
		sense_worker_source(worker, s, position);
		if (position)
			continue;
		finding_send(worker);
		sense_worker_taken(worker, 4, 1);
		raise(SIGKILL); /* as SIGSEGV, without a sanitizer's report */
	}
	return 0;
}

static int crashes_at_once(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	raise(SIGKILL);
	return 0;
}

static int crashes_loading(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	raise(SIGKILL);
	return 0;
}

/* A pipe: its position is 0, so there is no way back into it. */
static int crashes_in_pipe(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	if (worker->first_source)
		return 0;
	sense_worker_source(worker, 0, 0);
	sense_worker_taken(worker, 4, 0);
	raise(SIGKILL);
	return 0;
}

static int stalls(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	if (worker->restart)
		return 0;
	sense_worker_source(worker, 0, 0);
	sense_worker_taken(worker, 4, 9);
	burn();
}

static int opens_file(void *context, struct sense_worker *worker)
{
	(void)context;
	if (sense_worker_lockdown(worker, 0, NULL))
		return 1;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	if (worker->restart)
		return 0;
	sense_worker_taken(worker, 1, 1);
	FILE *file = fopen("/etc/passwd", "r");
	return file ? 3 : 4;
}

static int fails(void *context, struct sense_worker *worker)
{
	sense_error err;
	(void)context;
	sense_fail(&err, SENSE_E_FORMAT, "pcap", "two.pcap: not a capture");
	sense_worker_fail(worker, &err);
	return 0;
}

/* Garbage of all kinds: in the batch, in its length, in the shared page. */
static int lies(void *context, struct sense_worker *worker)
{
	struct sense_shared_page *page = worker->shared->page;
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	if (worker->restart == 0) {
		memset(worker->shared->rules[5].id, 0xff, SENSE_SHARED_RULE_ID_MAX);
		memset(page->batch.data, 0xff, 64);
		page->batch.used = 64;
		sense_worker_flush(worker);
		sense_ipc_commit(&worker->out, (enum sense_ipc_kind)77, 0);
		sense_ipc_commit(&worker->out, SENSE_IPC_LOG, 0);
		sense_ipc_commit(&worker->out, SENSE_IPC_FINDING, 3);
		sense_worker_flush(worker);
		page->place_now = 7;
		page->place[1].source = 99;
		page->call.word = UINT64_MAX;
		page->denied = UINT32_MAX;
		page->live = UINT32_MAX;
		page->batch.used = UINT32_MAX;
		raise(SIGKILL);
	}
	if (worker->restart == 1) {
		sense_mark_enter(&page->call, 5);
		raise(SIGKILL);
	}
	return 0;
}

static int waits(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	finding_send(worker);
	kill(getppid(), SIGTERM);
	while (!sense_worker_stopping(worker))
		usleep(1000);
	finding_send(worker);
	return 0;
}

static int waits_for_ever(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	finding_send(worker);
	kill(getppid(), SIGINT);
	for (unsigned i = 0; i < 1000; i++)
		pause();
	return 0;
}

static int talks(void *context, struct sense_worker *worker)
{
	(void)context;
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (;;) {
		finding_send(worker);
		if (!sense_worker_flush(worker))
			return 1;
	}
}

/* ---- tests ---- */

static void test_good(struct seen *seen)
{
	enum sense_status status;
	struct sense_outcome outcome = run(works, NULL, seen, &status, NULL);
	is_num(status, SENSE_OK, "a worker does its work");
	ok(outcome.complete && !outcome.restarts && !outcome.failures && !outcome.malformed, "to the end");
	is_num(seen->flows, 20000, "all flows arrive");
	is_num(seen->flow_sum, 59997, "each once");
	is_num(seen->findings, 1, "so does the finding");
	is_str(seen->last, "hello 5", "and the message");
	is_num(sense_crew_count(&crew, SENSE_COUNT_PACKETS), 12, "counters are shared");
}

static void test_hang(struct seen *seen)
{
	enum sense_status status;
	struct sense_outcome outcome = run(hangs, NULL, seen, &status, NULL);
	is_num(status, SENSE_OK, "a rule that never returns does not stop the run");
	ok(outcome.complete, "the sources are read to their end");
	is_num(outcome.restarts, 1, "one worker was replaced");
	is_num(outcome.quarantined, 1, "one rule is in quarantine");
	ok(sense_crew_quarantined(&crew, 3), "the one that hung");
	ok(strstr(seen->all, "rule test.hang is in quarantine") != NULL, "it is named");
	is_num(seen->findings, 30, "each batch's finding arrived once: also that of the batch in hand");
	is_num(outcome.flows_lost, 5, "flows in progress are counted as lost");
	is_num(outcome.packets_lost, 8, "so are the packets in hand");
	is_num(sense_crew_count(&crew, SENSE_COUNT_PACKETS), 30 * 8 - 8,
	       "counters add up over the restart");
}

static void test_crash(struct seen *seen)
{
	enum sense_status status;
	sense_error err = {0};
	struct sense_outcome outcome = run(crashes, NULL, seen, &status, &err);
	is_num(status, SENSE_OK, "a crash does not stop the run");
	is_num(outcome.restarts, 3, "each worker that died was replaced");
	is_num(seen->findings, 3, "what the dead had found is reported, once");
	ok(outcome.complete && !outcome.quarantined, "and no rule is blamed");

	outcome = run(crashes_at_once, NULL, seen, &status, &err);
	is_num(status, SENSE_E_INTERNAL, "workers that die without progress end the run");
	is_num(outcome.restarts, 4, "after the limit");
	ok(!outcome.complete && strstr(err.message, "keep dying"), "with a message: %s", err.message);

	outcome = run(crashes_loading, NULL, seen, &status, &err);
	ok(status == SENSE_E_INTERNAL && !outcome.restarts, "one that dies while loading is not repeated");

	outcome = run(crashes_in_pipe, NULL, seen, &status, &err);
	ok(status == SENSE_OK && outcome.complete, "after a crash in a pipe the next source is read");
	is_num(outcome.failures, 1, "and the rest of the pipe counts as failed");
	ok(strstr(seen->all, "one.pcap: cannot be read on") != NULL, "its name is said");

	outcome = run(stalls, NULL, seen, &status, &err);
	ok(status == SENSE_OK && outcome.complete && outcome.restarts == 1,
	   "a worker that loops outside of rules is replaced");

	outcome = run(opens_file, NULL, seen, &status, &err);
	if (outcome.restarts)
		ok(strstr(seen->all, "seccomp") && strstr(seen->all, "openat"), "a refused system call is named");
	else /* under valgrind and sanitizers it is not fatal */
		ok(strstr(err.message, "exit code"), "the worker ends without it: %s", err.message);
}

static void test_untrusted(struct seen *seen)
{
	enum sense_status status;
	sense_error err = {0};
	struct sense_outcome outcome = run(fails, NULL, seen, &status, &err);
	ok(status == SENSE_OK && outcome.complete && outcome.failures == 1, "failures of sources are counted");
	is_str(seen->last, "two.pcap: not a capture", "and said");

	outcome = run(lies, NULL, seen, &status, &err);
	is_num(status, SENSE_OK, "nonsense from a worker harms nothing");
	ok(outcome.malformed >= 4, "it is counted: %u", outcome.malformed);
	is_num(outcome.failures, 1, "a place that does not exist is not gone to");
	ok(sense_crew_quarantined(&crew, 5), "a rule that was running at a crash is quarantined");
	ok(strstr(seen->all, "\xff") == NULL, "names are made printable");
}

static void test_end(struct seen *seen)
{
	enum sense_status status;
	struct sense_outcome outcome = run(waits, NULL, seen, &status, NULL);
	ok(status == SENSE_OK && !outcome.complete, "SIGTERM ends the run early");
	is_num(outcome.signal, SIGTERM, "and is reported");
	is_num(seen->findings, 2, "what was found before the end arrives");

	outcome = run(waits_for_ever, NULL, seen, &status, NULL);
	ok(outcome.signal == SIGINT && !outcome.restarts, "a worker that does not stop is killed");
	is_num(seen->findings, 1, "and what it had found arrives");

	seen->accept = 5;
	outcome = run(talks, NULL, seen, &status, NULL);
	ok(status == SENSE_OK && outcome.closed, "a reader that goes ends the run");
	is_num(seen->findings, 5, "at once");
	seen->accept = 0;
}

static void test_text(void)
{
	struct sense_ipc_text text;
	struct sense_ipc_record record;
	uint8_t data[2000];
	size_t used = 0;
	memset(data, 'x', sizeof data);
	ok(!sense_ipc_text_decode(data, sizeof data, &text), "a text without level is malformed");
	data[0] = SENSE_LOG_WARN;
	ok(!sense_ipc_text_decode(data, sizeof data, &text), "so is one without an end of the subsystem");
	ok(!sense_ipc_text_decode(data, 0, &text) && !sense_ipc_text_decode(data, 1, &text), "or an empty one");
	data[100] = '\0';
	ok(sense_ipc_text_decode(data, sizeof data, &text), "long texts are cut");
	is_num(strlen(text.subsystem), sizeof text.subsystem - 1, "the subsystem");
	is_num(strlen(text.text), SENSE_IPC_TEXT_MAX - 1, "and the text");
	ok(!sense_ipc_next(data, 3, &used, &record), "three bytes are no record");
	memset(data, 0xff, 4);
	ok(!sense_ipc_next(data, sizeof data, &used, &record) && used == 0, "nor is one longer than its batch");
}

int main(void)
{
	static struct seen seen;
	test_text();
	test_good(&seen);
	test_hang(&seen);
	test_crash(&seen);
	test_untrusted(&seen);
	test_end(&seen);
	sense_crew_free(&crew);
	return tap_done();
}
