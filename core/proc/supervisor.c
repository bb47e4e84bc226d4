#include "core/proc/supervisor.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/platform/platform.h"
#include "core/proc/hand.h"
#include "core/proc/steer.h"

#define TICK_MS 100
#define MESSAGES_A_TURN 32
#define HOUR_MS 3600000u

struct run;

/* What a watcher of libev leads to. */
struct post {
	struct run *run;
	struct sense_hand hand;
};

struct run {
	const struct sense_job *job;
	struct sense_supervisor_limits limits;
	struct sense_outcome *outcome;
	sense_error *err;
	enum sense_status status;
	struct ev_loop *loop;
	ev_timer timer;
	ev_signal interrupt, terminate;
	sense_steer *steer; /* NULL: the job has no policies */
	struct sense_supervisor_view view;
	struct post posts[SENSE_WORKERS_MAX];
	unsigned started; /* of the posts: the first, and once it has policies at work all */
	bool stopping;
	unsigned stop_left_ms, tick_left_ms, interval_ms;
	unsigned forgiven, hour_ms; /* of a service: crashes of the hours before this one */
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

/* NULL: the job has no policies. */
static struct sense_generations *policies_of(const struct run *run)
{
	return run->steer ? sense_steer_generations(run->steer) : NULL;
}

/* Whether it is known that workers can load what they begin with. */
static bool proven(const struct run *run)
{
	const struct sense_generations *policies = policies_of(run);
	return !policies || policies->now.number;
}

static void kill_all(struct run *run)
{
	for (unsigned i = 0; i < run->started; i++)
		sense_hand_kill(&run->posts[i].hand, SENSE_KILL_STOP);
}

static void stop(struct run *run)
{
	run->stopping = true;
	run->stop_left_ms = run->limits.stop_ms;
	sense_crew_stop(run->job->crew);
}

/* The run is over as soon as all have ended. */
static void wind_up(struct run *run)
{
	bool at_work = false;
	for (unsigned i = 0; i < run->started; i++)
		at_work = at_work || sense_hand_at_work(&run->posts[i].hand);
	if (!at_work)
		ev_break(run->loop, EVBREAK_ALL);
	else if (!run->stopping)
		stop(run);
}

/* Nobody takes results any more: there is nothing to wait for. */
static void sink_closed(struct run *run)
{
	run->outcome->closed = true;
	stop(run);
	kill_all(run);
}

static bool start(struct run *run, struct sense_hand *hand)
{
	run->status = sense_hand_start(hand, run->loop, policies_of(run), run->err);
	if (run->status)
		wind_up(run);
	return !run->status;
}

/* Those that begin with what is known to be good. */
static void start_rest(struct run *run)
{
	while (run->started < run->job->crew->count && !run->stopping)
		if (!start(run, &run->posts[run->started++].hand))
			return;
}

/* ---- what a worker says ------------------------------------------------------------------------ */

static bool text_take(struct run *run, const struct sense_hand *hand, const struct sense_ipc_record *record)
{
	struct sense_generations *policies = policies_of(run);
	const struct sense_supervisor_sink *sink = &run->job->sink;
	struct sense_ipc_text text;
	if (!sense_ipc_text_decode(record->data, record->len, &text))
		return false;
	bool problem = record->kind == SENSE_IPC_PROBLEM;
	if (problem && policies && !hand->number)
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

static bool loaded_take(struct run *run, struct sense_hand *hand, const struct sense_ipc_record *record)
{
	struct sense_ipc_loaded loaded;
	if (!run->steer || !sense_ipc_loaded_decode(record->data, record->len, &loaded))
		return false;
	if (!sense_steer_loaded(run->steer, hand->number, &loaded))
		sense_hand_kill(hand, SENSE_KILL_BEHIND);
	if (proven(run))
		start_rest(run);
	return true;
}

static bool record_take(struct run *run, struct sense_hand *hand, const struct sense_ipc_record *record)
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
		return text_take(run, hand, record);
	case SENSE_IPC_LOADED:
		return loaded_take(run, hand, record);
	default:
		return false;
	}
	if (!open)
		sink_closed(run);
	return true;
}

static void records_take(struct run *run, struct sense_hand *hand, const uint8_t *records, size_t len)
{
	struct sense_ipc_record record;
	size_t used = 0;
	while (!run->outcome->closed && sense_ipc_next(records, len, &used, &record))
		if (!record_take(run, hand, &record))
			run->outcome->malformed++;
	if (used < len && !run->outcome->closed)
		run->outcome->malformed++;
}

static void message_take(struct run *run, struct sense_hand *hand, size_t len)
{
	uint64_t number;
	uint32_t used;
	if (len < SENSE_IPC_HEADER_BYTES || len > sizeof run->message)
		goto malformed;
	memcpy(&number, run->message, sizeof number);
	memcpy(&used, run->message + sizeof number, sizeof used);
	if (used != len - SENSE_IPC_HEADER_BYTES)
		goto malformed;
	hand->batch_seen = number;
	records_take(run, hand, run->message + SENSE_IPC_HEADER_BYTES, used);
	return;
malformed:
	run->outcome->malformed++;
}

static void reap(struct run *run, struct sense_hand *hand, struct sense_death *death)
{
	size_t len;
	sense_hand_reap(hand, run->loop, death);
	run->outcome->worker_cpu_s += death->cpu_s;
	if (!sense_hand_leftover(hand, run->message, &len))
		run->outcome->malformed++;
	records_take(run, hand, run->message, len);
}

/* ---- what comes after a worker's death ------------------------------------------------------------- */

static void give_up(struct run *run, const char *why, const char *what)
{
	run->status = sense_fail(run->err, SENSE_E_INTERNAL, "supervisor", "%s (%s)", why, what);
	wind_up(run);
}

/* True when the rule that was running is put into quarantine now: in all workers. */
static bool quarantine(struct run *run, const struct sense_hand *hand, const struct sense_death *death,
                       const char *what)
{
	char id[SENSE_SHARED_RULE_ID_MAX];
	if (!death->rule || sense_shared_quarantined(hand->shared, death->rule - 1))
		return false;
	sense_shared_rule_id(hand->shared, death->rule - 1, id);
	if (!sense_shared_quarantine(hand->shared, death->rule - 1)) {
		say(run, SENSE_LOG_ERROR, "rule %s cannot be put into quarantine, which holds %u", id,
		    SENSE_QUARANTINE_MAX);
		return false;
	}
	run->outcome->quarantined++;
	say(run, SENSE_LOG_ERROR, "rule %s is in quarantine until its policy file changes: %s", id, what);
	return true;
}

/* The policies to begin with were of no use, and there is an older set to begin with. */
static bool fall_back(struct run *run, struct sense_hand *hand)
{
	struct sense_generations *policies = policies_of(run);
	if (!policies || !policies->last.problems || !sense_generations_fall_back(policies))
		return false;
	start(run, hand);
	return true;
}

static void go_on(struct run *run, struct sense_hand *hand, const struct sense_death *death)
{
	if (!sense_hand_resume(hand)) {
		say(run, SENSE_LOG_ERROR, "%s: cannot be read on from the middle, the rest is not examined",
		    hand->sources[hand->first_source - 1].name);
		run->outcome->failures++;
	}
	say(run, SENSE_LOG_WARN, "a new worker goes on; lost: %llu flows in progress, %llu packets",
	    (unsigned long long)death->flows, (unsigned long long)death->packets);
	start(run, hand);
}

/* False: the run ends with it. */
static bool may_go_on(struct run *run, struct sense_hand *hand, bool isolated)
{
	struct sense_outcome *outcome = run->outcome;
	hand->restarts_idle = isolated || sense_hand_moved(hand) ? 0 : hand->restarts_idle + 1;
	hand->view->restarts++;
	outcome->restarts++;
	return hand->restarts_idle < run->limits.restarts_idle &&
	       outcome->restarts - outcome->quarantined - run->forgiven <= run->limits.restarts;
}

static bool others_work(const struct run *run, const struct sense_hand *hand)
{
	for (unsigned i = 0; i < run->started; i++) {
		const struct sense_hand *other = &run->posts[i].hand;
		if (other != hand && sense_hand_at_work(other) && sense_hand_runs(other))
			return true;
	}
	return false;
}

/* One that dies while it loads what others have at work is no reason to end them all. */
static bool start_failed(struct run *run, struct sense_hand *hand, const struct sense_death *death,
                         const char *what)
{
	if (death->phase > SENSE_PHASE_LOAD || others_work(run, hand))
		return false;
	if (run->steer)
		sense_generations_problem(sense_steer_generations(run->steer), what);
	if (!fall_back(run, hand))
		give_up(run, "a worker could not start", what);
	return true;
}

static void crash_handle(struct run *run, struct sense_hand *hand, const struct sense_death *death)
{
	char what[160];
	sense_hand_describe(hand, death, what, sizeof what);
	run->outcome->flows_lost += death->flows;
	run->outcome->packets_lost += death->packets;
	if (run->stopping) {
		wind_up(run);
		return;
	}
	if (start_failed(run, hand, death, what))
		return;
	bool isolated = quarantine(run, hand, death, what);
	if (run->steer && sense_steer_died(run->steer, hand->number, what))
		isolated = true; /* of policies that are given up now */
	if (!isolated)
		say(run, SENSE_LOG_ERROR, "%s", what);
	if (may_go_on(run, hand, isolated))
		go_on(run, hand, death);
	else
		give_up(run, "workers keep dying, no further one is started", what);
}

static void worker_ended(struct run *run, struct sense_hand *hand)
{
	struct sense_death death = {0};
	reap(run, hand, &death);
	bool exited = WIFEXITED(death.status) && WEXITSTATUS(death.status) != SENSE_PLATFORM_EXIT_DENIED;
	if (run->outcome->closed) {
		wind_up(run);
	} else if (exited && WEXITSTATUS(death.status) == 0) {
		run->outcome->complete = run->outcome->complete || !run->stopping;
		wind_up(run);
	} else if (exited && others_work(run, hand)) {
		crash_handle(run, hand, &death);
	} else if (exited && run->outcome->failures) {
		if (run->stopping || !fall_back(run, hand))
			wind_up(run); /* it said why */
	} else if (exited) {
		char what[160];
		sense_hand_describe(hand, &death, what, sizeof what);
		give_up(run, "the run failed", what);
	} else {
		crash_handle(run, hand, &death);
	}
}

/* ---- the loop -------------------------------------------------------------------------------------- */

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	struct post *post = watcher->data;
	struct run *run = post->run;
	for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
		ssize_t got = recv(post->hand.fd, run->message, sizeof run->message, MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			worker_ended(run, &post->hand);
			return;
		}
		message_take(run, &post->hand, (size_t)got);
	}
}

static bool countdown(unsigned *left_ms, unsigned elapsed_ms)
{
	*left_ms = *left_ms > elapsed_ms ? *left_ms - elapsed_ms : 0;
	return *left_ms == 0;
}

static void time_passes(struct run *run)
{
	run->hour_ms += run->interval_ms;
	if (!run->job->service || run->hour_ms < HOUR_MS)
		return;
	run->hour_ms = 0;
	run->forgiven = run->outcome->restarts - run->outcome->quarantined;
}

static void hand_look(struct run *run, struct sense_hand *hand)
{
	enum sense_watch_verdict verdict;
	if (!sense_hand_at_work(hand))
		return;
	verdict = sense_hand_look(hand, run->interval_ms);
	if (verdict == SENSE_WATCH_CALL)
		sense_hand_kill(hand, SENSE_KILL_CALL);
	else if (verdict == SENSE_WATCH_STALL)
		sense_hand_kill(hand, SENSE_KILL_STALL);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)events;
	struct run *run = watcher->data;
	const struct sense_supervisor_sink *sink = &run->job->sink;
	time_passes(run);
	for (unsigned i = 0; i < run->started; i++)
		hand_look(run, &run->posts[i].hand);
	if (run->stopping && countdown(&run->stop_left_ms, run->interval_ms))
		kill_all(run);
	if (!countdown(&run->tick_left_ms, run->interval_ms))
		return;
	run->tick_left_ms = TICK_MS;
	if (sink->tick && !sink->tick(sink->self, run->job->crew))
		sink_closed(run);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	(void)loop;
	(void)events;
	struct run *run = watcher->data;
	if (run->stopping)
		kill_all(run);
	run->outcome->signal = watcher->signum;
	if (!run->stopping)
		stop(run);
}

static void posts_init(struct run *run)
{
	for (unsigned i = 0; i < run->job->crew->count; i++) {
		struct post *post = &run->posts[i];
		post->run = run;
		sense_hand_init(&post->hand, run->job, i, &run->limits, &run->view.worker[i]);
		ev_io_init(&post->hand.readable, on_readable, -1, EV_READ);
		post->hand.readable.data = post;
	}
}

/* None is left behind, whatever ended the loop. */
static void posts_fini(struct run *run)
{
	run->stopping = true;
	for (unsigned i = 0; i < run->started; i++) {
		struct sense_death death = {0};
		if (sense_hand_at_work(&run->posts[i].hand))
			reap(run, &run->posts[i].hand, &death);
	}
}

static void watchers_start(struct run *run)
{
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
	posts_init(run);
	watchers_start(run);
	run->status = SENSE_OK;
	run->view.crew = job->crew;
	run->view.outcome = outcome;
	if (job->policies && !(run->steer = sense_steer_begin(loop, job, &run->view, err)))
		run->status = SENSE_E_CONFIG;
	if (!run->status && start(run, &run->posts[run->started++].hand) && proven(run))
		start_rest(run);
	if (!run->status)
		ev_run(loop, 0);
	posts_fini(run);
	sense_steer_end(run->steer);
	ev_timer_stop(loop, &run->timer);
	ev_signal_stop(loop, &run->interrupt);
	ev_signal_stop(loop, &run->terminate);
	enum sense_status status = run->status;
	ev_loop_destroy(loop);
	free(run);
	return status;
}
