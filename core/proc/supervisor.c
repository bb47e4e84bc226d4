#include "core/proc/supervisor.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/platform/platform.h"
#include "core/proc/child.h"
#include "core/proc/steer.h"
#include "core/proc/watch.h"

#define TICK_MS 100
#define MESSAGES_A_TURN 32
#define STEADY_MS 60000u /* a worker that lived so long got somewhere, packets or not */
#define HOUR_MS 3600000u

#define load(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define store(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

enum killed { KILLED_NOT, KILLED_CALL, KILLED_STALL, KILLED_STOP };

/* How a worker ended, for words and for what comes next. */
struct death {
	int status; /* of waitpid */
	unsigned rule; /* number + 1 of the rule that was running; 0: none */
	uint32_t phase;
	uint64_t flows, packets; /* lost */
};

struct run {
	const struct sense_job *job;
	struct sense_supervisor_limits limits;
	struct sense_outcome *outcome;
	sense_error *err;
	enum sense_status status;
	struct ev_loop *loop;
	ev_io readable;
	ev_timer timer;
	ev_signal interrupt, terminate;
	sense_steer *steer; /* NULL: the job has no policies */
	struct sense_supervisor_view view;
	int fd;
	enum killed killed;
	bool stopping;
	unsigned stop_left_ms, tick_left_ms, interval_ms;
	unsigned restarts_idle;
	unsigned lived_ms;           /* the present worker */
	unsigned forgiven, hour_ms;  /* of a service: crashes of the hours before this one */
	unsigned first_source;
	uint64_t first_position;
	uint64_t taken_before; /* packets taken when the present worker began */
	uint64_t batch_seen;   /* number of the latest batch that arrived */
	struct sense_watch watch;
	char storage[SENSE_FINDING_BYTES_MAX];
	uint8_t message[SENSE_IPC_MESSAGE_MAX];
};

__attribute__((format(printf, 3, 4))) static void say(struct run *run, enum sense_log_level level,
                                                      const char *fmt, ...)
{
	char text[SENSE_IPC_TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (run->job->sink.message)
		run->job->sink.message(run->job->sink.self, level, "supervisor", text);
	else
		sense_log(level, "supervisor", "%s", text);
}

static void worker_kill(struct run *run, enum killed why)
{
	if (run->view.worker <= 0 || run->killed)
		return;
	run->killed = why;
	kill(run->view.worker, SIGKILL);
}

static void stop(struct run *run)
{
	run->stopping = true;
	run->stop_left_ms = run->limits.stop_ms;
	store(run->job->shared->page->stop, 1);
}

/* Nobody takes results any more: there is nothing to wait for. */
static void sink_closed(struct run *run)
{
	run->outcome->closed = true;
	stop(run);
	worker_kill(run, KILLED_STOP);
}

/* ---- what the worker says ------------------------------------------------------------------------- */

static bool text_take(struct run *run, const struct sense_ipc_record *record)
{
	struct sense_generations *policies = run->steer ? sense_steer_generations(run->steer) : NULL;
	const struct sense_supervisor_sink *sink = &run->job->sink;
	struct sense_ipc_text text;
	if (!sense_ipc_text_decode(record->data, record->len, &text))
		return false;
	bool problem = record->kind == SENSE_IPC_PROBLEM;
	if (problem && policies)
		sense_generations_problem(policies, text.text);
	/* A reload that fails takes nothing from the run; a start that does is the end of it. */
	if (record->kind == SENSE_IPC_FAIL || (problem && policies && !policies->now.number))
		run->outcome->failures++;
	if (sink->message)
		sink->message(sink->self, text.level, text.subsystem, text.text);
	else
		sense_log(text.level, text.subsystem, "%s", text.text);
	return true;
}

static bool loaded_take(struct run *run, const struct sense_ipc_record *record)
{
	struct sense_ipc_loaded loaded;
	if (!run->steer || !sense_ipc_loaded_decode(record->data, record->len, &loaded))
		return false;
	sense_steer_loaded(run->steer, &loaded);
	return true;
}

static bool record_take(struct run *run, const struct sense_ipc_record *record)
{
	const struct sense_supervisor_sink *sink = &run->job->sink;
	const char *why = NULL;
	union {
		struct sense_finding finding;
		struct sense_flowrecord flow;
		struct sense_host_event event;
	} value;
	bool open = true;
	switch (record->kind) {
	case SENSE_IPC_FINDING:
		if (!sense_finding_decode(record->data, record->len, run->storage, sizeof run->storage,
		                          &value.finding, &why))
			return false;
		open = !sink->finding || sink->finding(sink->self, &value.finding);
		break;
	case SENSE_IPC_FLOW:
		if (!sense_flowrecord_decode(record->data, record->len, run->storage,
		                             sizeof run->storage, &value.flow, &why))
			return false;
		open = !sink->flow || sink->flow(sink->self, &value.flow);
		break;
	case SENSE_IPC_HOST_EVENT:
		if (!sense_host_message_read(record->data, record->len, &value.event))
			return false;
		if (sink->host_event)
			sink->host_event(sink->self, &value.event);
		break;
	case SENSE_IPC_LOG:
	case SENSE_IPC_FAIL:
	case SENSE_IPC_PROBLEM:
		return text_take(run, record);
	case SENSE_IPC_LOADED:
		return loaded_take(run, record);
	default:
		return false;
	}
	if (!open)
		sink_closed(run);
	return true;
}

static void records_take(struct run *run, const uint8_t *records, size_t len)
{
	struct sense_ipc_record record;
	size_t used = 0;
	while (!run->outcome->closed && sense_ipc_next(records, len, &used, &record))
		if (!record_take(run, &record))
			run->outcome->malformed++;
	if (used < len && !run->outcome->closed)
		run->outcome->malformed++;
}

static void message_take(struct run *run, size_t len)
{
	uint64_t number;
	uint32_t used;
	if (len < SENSE_IPC_HEADER_BYTES || len > sizeof run->message)
		goto malformed;
	memcpy(&number, run->message, sizeof number);
	memcpy(&used, run->message + sizeof number, sizeof used);
	if (used != len - SENSE_IPC_HEADER_BYTES)
		goto malformed;
	run->batch_seen = number;
	records_take(run, run->message + SENSE_IPC_HEADER_BYTES, used);
	return;
malformed:
	run->outcome->malformed++;
}

/* The batch that a dead worker had not sent; a fresh one is left for its successor. */
static void leftover_take(struct run *run)
{
	struct sense_shared_batch *batch = &run->job->shared->page->batch;
	uint32_t used = __atomic_load_n(&batch->used, __ATOMIC_ACQUIRE);
	uint64_t number = __atomic_load_n(&batch->number, __ATOMIC_ACQUIRE);
	if (used && number != run->batch_seen) {
		if (used <= SENSE_SHARED_BATCH_BYTES) {
			memcpy(run->message, batch->data, used);
			records_take(run, run->message, used);
		} else {
			run->outcome->malformed++;
		}
	}
	batch->used = 0;
	batch->number = ++run->batch_seen + 1;
}

/* ---- a worker's life ------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void child(struct run *run, const int fds[2])
{
	const struct sense_job *job = run->job;
	struct sense_worker worker = {
	    .sources = job->sources,
	    .source_count = job->source_count,
	    .first_source = run->first_source,
	    .first_position = run->first_position,
	    .source = run->first_source,
	    .restart = run->outcome->restarts,
	    .shared = job->shared,
	    .host = job->host,
	    .base_taken = run->taken_before,
	};
	if (run->steer)
		worker.bundle = sense_generations_first(sense_steer_generations(run->steer), &worker.ticket);
	sense_mailbox_inherit(&job->shared->mailbox);
	if (job->host)
		sense_board_inherit(job->host->board);
	close(fds[0]);
	for (unsigned i = 0; i < SENSE_COUNTER_COUNT; i++)
		worker.base[i] = load(job->shared->page->counter[i]);
	sense_ipc_sender_init(&worker.out, fds[1], &job->shared->page->batch);
	int code = job->worker_main(job->worker_context, &worker);
	if (!sense_worker_flush(&worker) && !code)
		code = 1;
	if (!code)
		sense_worker_phase(&worker, SENSE_PHASE_DONE);
	/* Not exit: buffers and handlers belong to the supervisor. */
	_exit(code);
}

static enum sense_status worker_start(struct run *run)
{
	struct sense_shared_page *page = run->job->shared->page;
	int fds[2];
	enum sense_status status = sense_ipc_pair(fds, run->err);
	if (status)
		return status;
	run->taken_before = load(page->taken);
	run->killed = KILLED_NOT;
	run->lived_ms = 0;
	store(page->done, run->taken_before);
	store(page->live, 0);
	store(page->denied, 0);
	store(page->loading, 0);
	store(page->phase, SENSE_PHASE_START);
	sense_mark_leave(&page->call);
	store(page->place[0].source, run->first_source);
	store(page->place[0].position, run->first_position);
	store(page->place_now, 0);
	run->view.worker = sense_child_fork();
	if (run->view.worker == 0)
		child(run, fds);
	close(fds[1]);
	if (run->view.worker < 0) {
		close(fds[0]);
		return sense_fail_errno(run->err, "supervisor", "cannot start a worker");
	}
	run->fd = fds[0];
	sense_watch_begin(&run->watch, run->view.worker, &run->limits);
	ev_io_set(&run->readable, run->fd, EV_READ);
	ev_io_start(run->loop, &run->readable);
	return SENSE_OK;
}

static void worker_reap(struct run *run, struct death *death)
{
	struct sense_shared_page *page = run->job->shared->page;
	struct rusage usage = {0};
	ev_io_stop(run->loop, &run->readable);
	close(run->fd);
	/* An ended process is not touched by it; one that only closed its socket has to go. */
	kill(run->view.worker, SIGKILL);
	while (wait4(run->view.worker, &death->status, 0, &usage) < 0 && errno == EINTR)
		;
	run->view.worker = 0;
	run->outcome->worker_cpu_s += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                              (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	death->rule = sense_mark_rule(sense_mark_read(&page->call));
	if (death->rule > run->job->shared->rule_max)
		death->rule = 0;
	death->phase = load(page->phase);
	death->flows = load(page->live);
	uint64_t taken = load(page->taken), done = load(page->done);
	death->packets = taken > done ? taken - done : 0;
	leftover_take(run);
}

/* ---- what comes after a worker's death ------------------------------------------------------------- */

static void death_describe(const struct run *run, const struct death *death, char *out, size_t cap)
{
	int sig = WIFSIGNALED(death->status) ? WTERMSIG(death->status) : 0;
	uint32_t denied = load(run->job->shared->page->denied);
	char call[32];
	if (run->killed == KILLED_CALL) {
		snprintf(out, cap, "one call took %.0f ms of CPU time, more than its limit of %u ms",
		         (double)run->watch.call_took_us / 1000, run->limits.call_cpu_ms);
	} else if (run->killed == KILLED_STALL) {
		snprintf(out, cap, "nothing moved for %u ms of CPU time", run->limits.stall_cpu_ms);
	} else if (denied) {
		sense_platform_call_name(denied - 1, call);
		snprintf(out, cap, "the worker was stopped by seccomp, syscall %u (%s)", denied - 1, call);
	} else if (sig) {
		snprintf(out, cap, "the worker died by signal %d (%s)", sig, strsignal(sig));
	} else {
		snprintf(out, cap, "the worker ended with exit code %d", WEXITSTATUS(death->status));
	}
}

static void give_up(struct run *run, const char *why, const char *what)
{
	run->status = sense_fail(run->err, SENSE_E_INTERNAL, "supervisor", "%s (%s)", why, what);
	ev_break(run->loop, EVBREAK_ALL);
}

/* Where the next worker begins. */
static void resume_find(struct run *run)
{
	const struct sense_shared_page *page = run->job->shared->page;
	const struct sense_shared_place *place = &page->place[load(page->place_now) & 1];
	unsigned source = load(place->source);
	uint64_t position = load(place->position);
	/* Never backwards: that would count and report things twice. */
	if (source < run->first_source || source > run->job->source_count) {
		source = run->first_source;
		position = SENSE_POSITION_NONE;
	}
	/* What comes live goes on where it is. */
	if (position == SENSE_POSITION_NONE && run->job->service)
		position = 0;
	if (position == SENSE_POSITION_NONE && source < run->job->source_count) {
		say(run, SENSE_LOG_ERROR, "%s: cannot be read on from the middle, the rest is not examined",
		    run->job->sources[source].name);
		run->outcome->failures++;
		source++;
		position = 0;
	}
	run->first_source = source;
	run->first_position = position;
}

/* True when the rule that was running is put into quarantine now. */
static bool quarantine(struct run *run, const struct death *death, const char *what)
{
	char id[SENSE_SHARED_RULE_ID_MAX];
	if (!death->rule || sense_shared_quarantined(run->job->shared, death->rule - 1))
		return false;
	sense_shared_rule_id(run->job->shared, death->rule - 1, id);
	if (!sense_shared_quarantine(run->job->shared, death->rule - 1)) {
		say(run, SENSE_LOG_ERROR, "rule %s cannot be put into quarantine, which holds %u", id,
		    SENSE_QUARANTINE_MAX);
		return false;
	}
	run->outcome->quarantined++;
	say(run, SENSE_LOG_ERROR, "rule %s is in quarantine until its policy file changes: %s", id, what);
	return true;
}

/* The policies to begin with were of no use, and there is an older set to begin with. */
static bool fall_back(struct run *run)
{
	struct sense_generations *policies = run->steer ? sense_steer_generations(run->steer) : NULL;
	if (!policies || !policies->last.problems || !sense_generations_fall_back(policies))
		return false;
	if ((run->status = worker_start(run)))
		ev_break(run->loop, EVBREAK_ALL);
	return true;
}

static void crash_handle(struct run *run, const struct death *death)
{
	struct sense_outcome *outcome = run->outcome;
	char what[160];
	death_describe(run, death, what, sizeof what);
	outcome->flows_lost += death->flows;
	outcome->packets_lost += death->packets;
	if (run->stopping) {
		ev_break(run->loop, EVBREAK_ALL);
		return;
	}
	if (death->phase <= SENSE_PHASE_LOAD && run->steer)
		sense_generations_problem(sense_steer_generations(run->steer), what);
	if (death->phase <= SENSE_PHASE_LOAD && fall_back(run))
		return;
	if (death->phase <= SENSE_PHASE_LOAD) {
		give_up(run, "a worker could not start", what);
		return;
	}
	bool isolated = quarantine(run, death, what);
	if (run->steer && sense_steer_died(run->steer, what))
		isolated = true; /* of policies that are given up now */
	if (!isolated)
		say(run, SENSE_LOG_ERROR, "%s", what);
	bool moved = load(run->job->shared->page->taken) > run->taken_before || run->lived_ms >= STEADY_MS;
	run->restarts_idle = isolated || moved ? 0 : run->restarts_idle + 1;
	outcome->restarts++;
	if (run->restarts_idle >= run->limits.restarts_idle ||
	    outcome->restarts - outcome->quarantined - run->forgiven > run->limits.restarts) {
		give_up(run, "workers keep dying, no further one is started", what);
		return;
	}
	resume_find(run);
	say(run, SENSE_LOG_WARN, "a new worker goes on; lost: %llu flows in progress, %llu packets",
	    (unsigned long long)death->flows, (unsigned long long)death->packets);
	if ((run->status = worker_start(run)))
		ev_break(run->loop, EVBREAK_ALL);
}

static void worker_ended(struct run *run)
{
	struct death death = {0};
	worker_reap(run, &death);
	bool exited = WIFEXITED(death.status) && WEXITSTATUS(death.status) != SENSE_PLATFORM_EXIT_DENIED;
	if (run->outcome->closed) {
		ev_break(run->loop, EVBREAK_ALL);
	} else if (exited && WEXITSTATUS(death.status) == 0) {
		run->outcome->complete = !run->stopping;
		ev_break(run->loop, EVBREAK_ALL);
	} else if (exited && run->outcome->failures) {
		if (run->stopping || !fall_back(run))
			ev_break(run->loop, EVBREAK_ALL); /* it said why */
	} else if (exited) {
		char what[160];
		death_describe(run, &death, what, sizeof what);
		give_up(run, "the run failed", what);
	} else {
		crash_handle(run, &death);
	}
}

/* ---- the loop -------------------------------------------------------------------------------------- */

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct run *run = watcher->data;
	for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
		ssize_t got = recv(run->fd, run->message, sizeof run->message, MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			worker_ended(run);
			return;
		}
		message_take(run, (size_t)got);
	}
}

static bool countdown(unsigned *left_ms, unsigned elapsed_ms)
{
	*left_ms = *left_ms > elapsed_ms ? *left_ms - elapsed_ms : 0;
	return *left_ms == 0;
}

static void time_passes(struct run *run)
{
	run->lived_ms += run->lived_ms < STEADY_MS ? run->interval_ms : 0;
	run->hour_ms += run->interval_ms;
	if (!run->job->service || run->hour_ms < HOUR_MS)
		return;
	run->hour_ms = 0;
	run->forgiven = run->outcome->restarts - run->outcome->quarantined;
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct run *run = watcher->data;
	const struct sense_supervisor_sink *sink = &run->job->sink;
	time_passes(run);
	if (run->view.worker <= 0)
		return;
	const struct sense_shared *shared = run->job->shared;
	enum sense_watch_verdict verdict =
	    sense_watch_look(&run->watch, sense_mark_read(&shared->page->call), sense_shared_sign(shared),
	                     run->interval_ms);
	if (verdict == SENSE_WATCH_CALL)
		worker_kill(run, KILLED_CALL);
	else if (verdict == SENSE_WATCH_STALL)
		worker_kill(run, KILLED_STALL);
	if (run->stopping && countdown(&run->stop_left_ms, run->interval_ms))
		worker_kill(run, KILLED_STOP);
	if (!countdown(&run->tick_left_ms, run->interval_ms))
		return;
	run->tick_left_ms = TICK_MS;
	if (sink->tick && !sink->tick(sink->self, run->job->shared))
		sink_closed(run);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	(void)loop;
	(void)events;
	struct run *run = watcher->data;
	if (run->stopping)
		worker_kill(run, KILLED_STOP);
	run->outcome->signal = watcher->signum;
	if (!run->stopping)
		stop(run);
}

static void watchers_start(struct run *run)
{
	ev_io_init(&run->readable, on_readable, -1, EV_READ);
	run->readable.data = run;
	double every = run->interval_ms / 1000.0;
	ev_timer_init(&run->timer, on_timer, every, every);
	run->timer.data = run;
	ev_timer_start(run->loop, &run->timer);
	ev_signal_init(&run->interrupt, on_signal, SIGINT);
	run->interrupt.data = run;
	ev_signal_start(run->loop, &run->interrupt);
	ev_signal_init(&run->terminate, on_signal, SIGTERM);
	run->terminate.data = run;
	ev_signal_start(run->loop, &run->terminate);
}

enum sense_status sense_supervisor_run(const struct sense_job *job, struct sense_outcome *outcome,
                                       sense_error *err)
{
	*outcome = (struct sense_outcome){0};
	struct run *run = calloc(1, sizeof *run);
	/* poll: no descriptor of the loop's that a worker would inherit and share. */
	struct ev_loop *loop = run ? ev_loop_new(EVBACKEND_POLL | EVFLAG_NOENV) : NULL;
	if (!loop) {
		free(run);
		return sense_fail(err, SENSE_E_MEMORY, "supervisor", "no memory for the event loop");
	}
	run->job = job;
	run->outcome = outcome;
	run->err = err;
	run->loop = loop;
	run->limits = sense_watch_defaults(&job->limits);
	run->interval_ms = sense_watch_interval_ms(&run->limits);
	run->tick_left_ms = TICK_MS;
	job->shared->page->batch.number = 1;
	watchers_start(run);
	run->status = SENSE_OK;
	run->view.shared = job->shared;
	run->view.outcome = outcome;
	if (job->policies && !(run->steer = sense_steer_begin(loop, job, &run->view, err)))
		run->status = SENSE_E_CONFIG;
	if (!run->status)
		run->status = worker_start(run);
	if (!run->status)
		ev_run(loop, 0);
	sense_steer_end(run->steer);
	ev_timer_stop(loop, &run->timer);
	ev_signal_stop(loop, &run->interrupt);
	ev_signal_stop(loop, &run->terminate);
	enum sense_status status = run->status;
	ev_loop_destroy(loop);
	free(run);
	return status;
}
