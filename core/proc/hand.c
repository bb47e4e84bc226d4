#include "core/proc/hand.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "core/proc/child.h"

#define load(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define store(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

void sense_hand_init(struct sense_hand *hand, const struct sense_job *job, unsigned number,
                     const struct sense_supervisor_limits *limits, struct sense_worker_view *view)
{
	bool alone = job->crew->count == 1;
	bool has_source = alone || number < job->source_count;
	*hand = (struct sense_hand){
	    .number = number,
	    .job = job,
	    .limits = limits,
	    .view = view,
	    .shared = &job->crew->member[number],
	    .sources = alone || !has_source ? job->sources : &job->sources[number],
	    .source_count = alone ? job->source_count : has_source,
	    .fd = -1,
	};
	hand->shared->page->batch.number = 1;
}

/* ---- begin ----------------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void child(struct sense_hand *hand, const struct sense_generations *policies,
                                            int fd)
{
	const struct sense_job *job = hand->job;
	struct sense_host_link host;
	struct sense_worker worker = {
	    .sources = hand->sources,
	    .source_count = hand->source_count,
	    .first_source = hand->first_source,
	    .first_position = hand->first_position,
	    .source = hand->first_source,
	    .number = hand->number,
	    .restart = hand->view->restarts,
	    .shared = hand->shared,
	    .base_taken = hand->taken_before,
	};
	if (policies)
		worker.bundle = sense_generations_first(policies, &worker.ticket);
	sense_crew_inherit(job->crew, hand->number);
	if (job->host) {
		host = *job->host;
		host.fd = hand->number ? -1 : host.fd; /* each event once */
		sense_board_inherit(host.board);
		worker.host = &host;
	}
	for (unsigned i = 0; i < SENSE_COUNTER_COUNT; i++)
		worker.base[i] = load(hand->shared->page->counter[i]);
	sense_ipc_sender_init(&worker.out, fd, &hand->shared->page->batch);
	int code = job->worker_main(job->worker_context, &worker);
	if (!sense_worker_flush(&worker) && !code)
		code = 1;
	if (!code)
		sense_worker_phase(&worker, SENSE_PHASE_DONE);
	/* Not exit: buffers and handlers belong to the supervisor. */
	_exit(code);
}

static void page_ready(const struct sense_hand *hand)
{
	struct sense_shared_page *page = hand->shared->page;
	store(page->done, hand->taken_before);
	store(page->live, 0);
	store(page->denied, 0);
	store(page->loading, 0);
	store(page->phase, SENSE_PHASE_START);
	sense_mark_leave(&page->call);
	store(page->place[0].source, hand->first_source);
	store(page->place[0].position, hand->first_position);
	store(page->place_now, 0);
}

enum sense_status sense_hand_start(struct sense_hand *hand, struct ev_loop *loop,
                                   const struct sense_generations *policies, sense_error *err)
{
	int fds[2];
	enum sense_status status = sense_ipc_pair(fds, err);
	if (status)
		return status;
	hand->taken_before = load(hand->shared->page->taken);
	hand->killed = SENSE_KILL_NOT;
	hand->lived_ms = 0;
	page_ready(hand);
	pid_t pid = sense_child_fork();
	if (!pid) {
		close(fds[0]);
		child(hand, policies, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return sense_fail_errno(err, "supervisor", "cannot start a worker");
	}
	hand->view->pid = pid;
	hand->fd = fds[0];
	sense_watch_begin(&hand->watch, pid, hand->limits);
	ev_io_set(&hand->readable, hand->fd, EV_READ);
	ev_io_start(loop, &hand->readable);
	return SENSE_OK;
}

/* ---- while it works -------------------------------------------------------------------------------- */

void sense_hand_kill(struct sense_hand *hand, enum sense_hand_kill why)
{
	if (!sense_hand_at_work(hand) || hand->killed)
		return;
	hand->killed = why;
	kill(hand->view->pid, SIGKILL);
}

enum sense_watch_verdict sense_hand_look(struct sense_hand *hand, unsigned elapsed_ms)
{
	hand->lived_ms += hand->lived_ms < SENSE_HAND_STEADY_MS ? elapsed_ms : 0;
	return sense_watch_look(&hand->watch, sense_mark_read(&hand->shared->page->call),
	                        sense_shared_sign(hand->shared), elapsed_ms);
}

/* ---- the end --------------------------------------------------------------------------------------- */

void sense_hand_reap(struct sense_hand *hand, struct ev_loop *loop, struct sense_death *death)
{
	struct sense_shared_page *page = hand->shared->page;
	struct rusage usage = {0};
	ev_io_stop(loop, &hand->readable);
	close(hand->fd);
	/* An ended process is not touched by it; one that only closed its socket has to go. */
	kill(hand->view->pid, SIGKILL);
	while (wait4(hand->view->pid, &death->status, 0, &usage) < 0 && errno == EINTR)
		;
	hand->view->pid = 0;
	hand->fd = -1;
	death->cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	death->rule = sense_mark_rule(sense_mark_read(&page->call));
	if (death->rule > hand->shared->rule_max)
		death->rule = 0;
	death->phase = load(page->phase);
	death->flows = load(page->live);
	uint64_t taken = load(page->taken), done = load(page->done);
	death->packets = taken > done ? taken - done : 0;
}

bool sense_hand_leftover(struct sense_hand *hand, uint8_t *out, size_t *len)
{
	struct sense_shared_batch *batch = &hand->shared->page->batch;
	uint32_t used = __atomic_load_n(&batch->used, __ATOMIC_ACQUIRE);
	uint64_t number = __atomic_load_n(&batch->number, __ATOMIC_ACQUIRE);
	bool fits = used <= SENSE_SHARED_BATCH_BYTES;
	*len = fits && number != hand->batch_seen ? used : 0;
	memcpy(out, batch->data, *len);
	fits = fits || number == hand->batch_seen;
	batch->used = 0;
	batch->number = ++hand->batch_seen + 1;
	return fits;
}

void sense_hand_describe(const struct sense_hand *hand, const struct sense_death *death, char *out, size_t cap)
{
	int sig = WIFSIGNALED(death->status) ? WTERMSIG(death->status) : 0;
	uint32_t denied = load(hand->shared->page->denied);
	char call[32];
	if (hand->killed == SENSE_KILL_CALL) {
		snprintf(out, cap, "one call took %.0f ms of CPU time, more than its limit of %u ms",
		         (double)hand->watch.call_took_us / 1000, hand->limits->call_cpu_ms);
	} else if (hand->killed == SENSE_KILL_STALL) {
		snprintf(out, cap, "nothing moved for %u ms of CPU time", hand->limits->stall_cpu_ms);
	} else if (hand->killed == SENSE_KILL_BEHIND) {
		snprintf(out, cap, "the worker could not load the policies that another one has at work");
	} else if (denied) {
		sense_platform_call_name(denied - 1, call);
		snprintf(out, cap, "the worker was stopped by seccomp, syscall %u (%s)", denied - 1, call);
	} else if (sig) {
		snprintf(out, cap, "the worker died by signal %d (%s)", sig, strsignal(sig));
	} else {
		snprintf(out, cap, "the worker ended with exit code %d", WEXITSTATUS(death->status));
	}
}

bool sense_hand_moved(const struct sense_hand *hand)
{
	return load(hand->shared->page->taken) > hand->taken_before || hand->lived_ms >= SENSE_HAND_STEADY_MS;
}

bool sense_hand_resume(struct sense_hand *hand)
{
	const struct sense_shared_page *page = hand->shared->page;
	const struct sense_shared_place *place = &page->place[load(page->place_now) & 1];
	unsigned source = load(place->source);
	uint64_t position = load(place->position);
	/* Never backwards: that would count and report things twice. */
	if (source < hand->first_source || source > hand->source_count) {
		source = hand->first_source;
		position = SENSE_POSITION_NONE;
	}
	/* What comes live goes on where it is. */
	if (position == SENSE_POSITION_NONE && hand->job->service)
		position = 0;
	bool left_out = position == SENSE_POSITION_NONE && source < hand->source_count;
	hand->first_source = left_out ? source + 1 : source;
	hand->first_position = left_out ? 0 : position;
	return !left_out;
}
