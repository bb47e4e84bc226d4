/* The sensor plugin `sockets`: who holds which endpoint of the network, and who listens. See README.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ebpf.h"
#include "listeners.h"
#include "probe.h"
#include "sweep.h"

enum { TAG_TIMER, TAG_RING, TAG_PROBE };

enum {
	EVENTS_MAX = 32,
	LATE_MAX = 256, /* sockets that the programs did not know, until the next sweep */
	PROBE_WAIT_MS = 5
};

#define PIECE_US UINT64_C(3000)
#define BETWEEN_US UINT64_C(5000) /* pieces of a sweep that `ready` began */
#define LISTENERS_EVERY_US UINT64_C(5000000)
#define BOUND_AFTER_US UINT64_C(100000) /* what is bound listens soon */
#define LATE_AFTER_US UINT64_C(50000)
#define LATE_EVERY_US UINT64_C(1000000) /* doubled while it finds none of them */
#define LATE_EVERY_MAX_US UINT64_C(64000000)
#define SOCKETS_EVERY_US UINT64_C(60000000) /* beside the programs */
/* In place of the programs: as often as it can be for 3 % of a processor. */
#define QUICK_EVERY_US UINT64_C(20000)
#define QUICK_EVERY_MAX_US UINT64_C(2000000)
#define QUICK_SHARE 33

struct sensor {
	const struct sense_host *host;
	enum sense_sensor_mode mode;
	int epoll, timer;
	ebpf *programs;
	probes *asks;
	listeners *listeners;
	sweep *sweep;
	uint64_t listeners_due_us, sockets_due_us, swept_us;
	uint64_t by_programs, unresolved, drops_told;
	uint64_t late[LATE_MAX], late_every_us;
	unsigned late_count;
	bool sweeping, sockets_swept, tables_failed;
};

/* ---- what is told ---------------------------------------------------------------------------- */

static void gap(const struct sense_host *host, const char *why, uint64_t count)
{
	struct sense_fact facts[] = {
	    {.field = "gap.what", .type = SENSE_FACT_TEXT, .text = "sockets"},
	    {.field = "gap.why", .type = SENSE_FACT_TEXT, .text = why},
	    {.field = "gap.count", .type = SENSE_FACT_NUMBER, .number = (double)count},
	};
	host->tell("gap", 0, facts, count ? 3 : 2);
}

static void gauges(struct sensor *self)
{
	const struct sense_host *host = self->host;
	struct sweep_stats stats = sweep_stats(self->sweep);
	uint64_t drops = self->programs ? ebpf_drops(self->programs) : 0;
	uint64_t lost = stats.lost + listeners_lost(self->listeners);
	host->gauge("sockets.source", self->programs != NULL);
	host->gauge("sockets.by_ebpf", self->by_programs);
	host->gauge("sockets.by_diag", stats.attributed);
	host->gauge("sockets.unresolved", self->unresolved + stats.unresolved);
	host->gauge("sockets.dropped", drops);
	host->gauge("sockets.lost", lost);
	host->gauge("sockets.listeners", listeners_count(self->listeners));
	host->gauge("sockets.probes", self->asks ? probes_made(self->asks) : 0);
	host->gauge("sockets.sweep_us", stats.cost_us);
	if (drops + lost > self->drops_told) {
		gap(host, "more at one time than there is room for", drops + lost - self->drops_told);
		self->drops_told = drops + lost;
	}
}

static void sooner(uint64_t *due_us, uint64_t at_us)
{
	if (at_us < *due_us)
		*due_us = at_us;
}

/*
 * A socket older than the programs, whose holder no sweep found yet: the next one may. Those of the kernel
 * and of other network namespaces are never found, so it is tried ever more seldom.
 */
static void late(struct sensor *self, uint64_t cookie)
{
	uint64_t at = now_us() + LATE_AFTER_US;
	if (at < self->swept_us + self->late_every_us)
		at = self->swept_us + self->late_every_us;
	sooner(&self->sockets_due_us, at);
	for (unsigned i = 0; i < self->late_count; i++)
		if (self->late[i] == cookie)
			return;
	if (self->late_count < LATE_MAX)
		self->late[self->late_count++] = cookie;
	else
		self->unresolved++;
}

static void late_settle(struct sensor *self)
{
	struct holder holder;
	unsigned missing = 0;
	for (unsigned i = 0; i < self->late_count; i++)
		missing += !sweep_holder(self->sweep, self->late[i], &holder);
	if (missing < self->late_count)
		self->late_every_us = LATE_EVERY_US;
	else if (missing && self->late_every_us < LATE_EVERY_MAX_US)
		self->late_every_us *= 2;
	self->unresolved += missing;
	self->late_count = 0;
}

static void flow_take(struct sensor *self, const struct record *record)
{
	struct holder holder = {.pid = record->owner.tgid};
	struct sense_process_known process = {.size = sizeof process};
	if (!holder.pid && !sweep_holder(self->sweep, record->cookie, &holder)) {
		late(self, record->cookie);
		return;
	}
	/* A thread may be called otherwise than its process. */
	bool name = record->owner.flags & RECORD_MAIN_THREAD;
	name = name || !self->host->process_find(holder.pid, &process);
	struct sense_socket out = {.size = sizeof out,
	                           .pid = holder.pid,
	                           .l4 = (uint8_t)record->l4,
	                           .local_port = record->local_port,
	                           .remote_port = record->remote_port,
	                           .name = name && *record->owner.comm ? record->owner.comm : NULL,
	                           .uid = record->owner.uid};
	memcpy(out.local, record->local, 16);
	memcpy(out.remote, record->remote, 16);
	self->host->socket_of(&out);
	self->by_programs++;
}

static void record_take(void *context, const struct record *record)
{
	struct sensor *self = context;
	if (record->kind == RECORD_BIND)
		sooner(&self->listeners_due_us, now_us() + BOUND_AFTER_US);
	else
		flow_take(self, record);
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

static unsigned classes_due(const struct sensor *self, uint64_t now)
{
	unsigned classes = now >= self->listeners_due_us ? SWEEP_LISTENERS | SWEEP_UDP : 0;
	return classes | (now >= self->sockets_due_us ? SWEEP_SOCKETS | SWEEP_UDP : 0);
}

static uint64_t sockets_every(const struct sensor *self)
{
	if (self->programs)
		return SOCKETS_EVERY_US;
	uint64_t every = sweep_stats(self->sweep).cost_us * QUICK_SHARE;
	every = every < QUICK_EVERY_US ? QUICK_EVERY_US : every;
	return every > QUICK_EVERY_MAX_US ? QUICK_EVERY_MAX_US : every;
}

static void swept(struct sensor *self, unsigned classes, uint64_t now)
{
	self->sockets_swept = classes & SWEEP_SOCKETS;
	if (classes & SWEEP_LISTENERS)
		self->listeners_due_us = UINT64_MAX;
	if (classes & SWEEP_SOCKETS) {
		self->sockets_due_us = now + sockets_every(self);
		self->swept_us = now;
	}
}

/* With the programs there is something left to tell: then it is told once, and tried again at leisure. */
static enum sense_status tables_fail(struct sensor *self, enum sense_status status)
{
	if (!self->programs)
		return status;
	self->sockets_due_us = now_us() + SOCKETS_EVERY_US;
	if (!self->tables_failed) {
		self->host->log(SENSE_LOG_WARN, "sockets", "the system's socket tables cannot be read");
		gap(self->host, "the system's socket tables cannot be read", 0);
	}
	self->tables_failed = true;
	return SENSE_OK;
}

static enum sense_status piece(struct sensor *self, sense_error *err)
{
	enum sense_status status = sweep_piece(self->sweep, PIECE_US, err);
	if (status)
		status = tables_fail(self, status);
	if (sweep_running(self->sweep))
		return status;
	if (self->sockets_swept)
		late_settle(self);
	if (!status && !self->programs) /* only now is it known what it cost */
		self->sockets_due_us = now_us() + sockets_every(self);
	return status;
}

/* go_on: with the sweep that is under way. */
static enum sense_status work(struct sensor *self, unsigned classes, bool go_on, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	if (classes && !sweep_running(self->sweep)) {
		sweep_begin(self->sweep, classes);
		swept(self, classes, now_us());
	}
	if (go_on && sweep_running(self->sweep))
		status = piece(self, err);
	if (self->asks)
		probes_tick(self->asks);
	return status;
}

/* ---- the one descriptor ---------------------------------------------------------------------- */

/*
 * A sweep that the host began is the host's to pace. Without the programs it would hold up what they are
 * there for, so `ready` goes on with it as well.
 */
static bool ready_sweeps(const struct sensor *self)
{
	return self->mode == SENSE_SENSOR_WATCH && (!self->sweeping || !self->programs);
}

/* When `ready` has something to do; what is due later than that is for `sweep`. */
static uint64_t due_soon(const struct sensor *self)
{
	uint64_t due = self->asks ? probes_due(self->asks) : UINT64_MAX;
	if (self->mode == SENSE_SENSOR_ONCE)
		return due;
	if (sweep_running(self->sweep)) {
		if (ready_sweeps(self))
			sooner(&due, now_us() + BETWEEN_US);
		return due;
	}
	sooner(&due, self->listeners_due_us);
	sooner(&due, self->sockets_due_us);
	return due;
}

static void timer_set(struct sensor *self)
{
	uint64_t due = due_soon(self), now = now_us();
	struct itimerspec at = {0};
	if (due != UINT64_MAX) {
		uint64_t left = due > now ? due - now : 1;
		at.it_value.tv_sec = (time_t)(left / 1000000);
		at.it_value.tv_nsec = (long)(left % 1000000 * 1000);
	}
	(void)timerfd_settime(self->timer, 0, &at, NULL);
}

static bool watch(const struct sensor *self, int fd, uint64_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
	return !epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event);
}

static enum sense_status dispatch(struct sensor *self, int wait_ms, sense_error *err)
{
	struct epoll_event events[EVENTS_MAX];
	enum sense_status status = SENSE_OK;
	int count = epoll_wait(self->epoll, events, EVENTS_MAX, wait_ms);
	for (int i = 0; i < count; i++) {
		uint64_t tag = events[i].data.u64, times;
		if (tag == TAG_TIMER)
			(void)!read(self->timer, &times, sizeof times);
		else if (tag == TAG_RING && !ebpf_take(self->programs))
			status = self->host->fail(err, SENSE_E_IO, "sockets", "the eBPF ring is broken");
		else if (tag >= TAG_PROBE)
			probes_ready(self->asks, (unsigned)(tag - TAG_PROBE));
	}
	return status;
}

static int sensor_fd(void *context)
{
	return ((struct sensor *)context)->epoll;
}

static enum sense_status sensor_ready(void *context, sense_error *err)
{
	struct sensor *self = context;
	enum sense_status status = dispatch(self, 0, err);
	if (!status)
		status =
		    work(self, ready_sweeps(self) ? classes_due(self, now_us()) : 0, ready_sweeps(self), err);
	(void)listeners_tell(self->listeners);
	timer_set(self);
	return status;
}

static enum sense_status sensor_sweep(void *context, uint32_t *wait_ms, sense_error *err)
{
	struct sensor *self = context;
	bool once = self->mode == SENSE_SENSOR_ONCE;
	/* In a scan nobody else may look at the descriptor, and there is nothing to be done but to wait. */
	bool asking = once && self->asks && probes_due(self->asks) != UINT64_MAX;
	enum sense_status status = dispatch(self, asking ? PROBE_WAIT_MS : 0, err);
	/* Another sweep may be under way, begun by `ready`: then this one begins behind it. */
	unsigned classes = 0;
	if (!self->sweeping && !sweep_running(self->sweep)) {
		classes = SWEEP_LISTENERS | SWEEP_UDP | classes_due(self, now_us());
		self->sweeping = true;
	}
	if (!status)
		status = work(self, classes, true, err);
	bool waits = listeners_tell(self->listeners) && once;
	bool more = !status && (sweep_running(self->sweep) || !self->sweeping || waits);
	self->sweeping = more && self->sweeping;
	*wait_ms = more ? 0 : (uint32_t)(LISTENERS_EVERY_US / 1000);
	gauges(self);
	timer_set(self);
	return status;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void sensor_close(void *context)
{
	struct sensor *self = context;
	ebpf_free(self->programs);
	sweep_free(self->sweep);
	listeners_free(self->listeners);
	probes_free(self->asks);
	if (self->timer >= 0)
		close(self->timer);
	if (self->epoll >= 0)
		close(self->epoll);
	free(self);
}

static void programs_begin(struct sensor *self)
{
	char why[512] = "host.ebpf is false";
	const char *wanted = self->host->setting("host.ebpf");
	if (!wanted || strcmp(wanted, "false") != 0)
		self->programs = ebpf_new(self->host, record_take, self, why, sizeof why);
	if (self->programs && !watch(self, ebpf_fd(self->programs), TAG_RING)) {
		snprintf(why, sizeof why, "epoll: %s", strerror(errno));
		ebpf_free(self->programs);
		self->programs = NULL;
	}
	if (self->programs) {
		self->host->log(SENSE_LOG_INFO, "sockets", "processes of flows are told by eBPF");
		return;
	}
	self->host->log(SENSE_LOG_WARN, "sockets",
	                "no eBPF, processes that live for milliseconds are missed: %s", why);
	gap(self->host, why, 0);
}

static enum sense_status sensor_open(const struct sense_host *host, enum sense_sensor_mode mode,
                                     void **sensor, sense_error *err)
{
	struct sensor *self = calloc(1, sizeof *self);
	if (!self)
		return host->fail(err, SENSE_E_MEMORY, "sockets", "no memory");
	self->host = host;
	self->mode = mode;
	self->listeners_due_us = UINT64_MAX;
	self->late_every_us = LATE_EVERY_US;
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int error = 0;
	if (self->epoll < 0 || self->timer < 0 || !watch(self, self->timer, TAG_TIMER)) {
		error = errno;
		goto out;
	}
	error = ENOMEM;
	const char *probe = host->setting("host.probe");
	if (probe && !strcmp(probe, "true")) {
		self->asks = probes_new(host, self->epoll, TAG_PROBE);
		if (!self->asks)
			goto out;
	}
	self->listeners = listeners_new(host, self->asks);
	if (!self->listeners)
		goto out;
	if (mode == SENSE_SENSOR_WATCH)
		programs_begin(self);
	self->sweep = sweep_new(host, self->programs, self->listeners, &error);
	if (!self->sweep)
		goto out;
	timer_set(self);
	*sensor = self;
	return SENSE_OK;
out:
	sensor_close(self);
	return host->fail(err, error == ENOMEM ? SENSE_E_MEMORY : SENSE_E_IO, "sockets", "cannot begin: %s",
	                  strerror(error));
}

static const struct sense_sensor_ops ops = {
    .size = sizeof ops,
    .open = sensor_open,
    .fd = sensor_fd,
    .ready = sensor_ready,
    .sweep = sensor_sweep,
    .close = sensor_close,
};

SENSE_PLUGIN_EXPORT = {
    .size = sizeof(struct sense_plugin),
    .name = "sockets",
    .version = "1",
    .summary = "which process holds which endpoint of the network, and which programs listen",
    .sensor = &ops,
    .platform =
	"Windows: ETW Microsoft-Windows-Kernel-Network for flows as they begin, GetExtendedTcpTable and "
	"GetExtendedUdpTable for what is there and who listens. macOS: a NetworkExtension content "
	"filter for flows, proc_pidfdinfo for what is there.",
};
