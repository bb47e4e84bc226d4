#include "server/proc/master.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/service/notify.h"
#include "server/proc/internal.h"

#define START_FAILURES_MAX 5u /* in a row, before the server was ready: it will not be */

struct crew {
	const struct sense_master *master;
	sigset_t unblocked;
	struct sense_notify notify;
	struct generation current, next, old;
	unsigned last_number;
	struct member members[PROCESSES_MAX]; /* children first, by their table */
	unsigned count;
	bool begun; /* everything was ready once */
	bool stopping;
	bool reload;
	int code;
	uint64_t now_us;   /* of the latest step */
	uint64_t alive_us; /* the next sign of life; 0: none is asked for */
};

static volatile sig_atomic_t told_to_end, told_to_reload;

static void on_signal(int number)
{
	if (number == SIGHUP)
		told_to_reload = 1;
	else if (number != SIGCHLD) /* that one only interrupts ppoll */
		told_to_end = 1;
}

static void signals_take(sigset_t *unblocked)
{
	static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;
	sigemptyset(&blocked);
	for (unsigned i = 0; i < sizeof taken / sizeof *taken; i++) {
		sigaddset(&blocked, taken[i]);
		sigaction(taken[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, unblocked);
	told_to_end = told_to_reload = 0;
}

/* ---- generations --------------------------------------------------------------------------------------- */

static void generation_end(struct crew *crew, struct generation *generation)
{
	if (!generation->number)
		return;
	sense_listen_fini(&generation->listen);
	crew->master->unload(crew->master->self, generation->config.config);
	generation->number = 0;
}

static bool generation_load(struct crew *crew, struct generation *generation, const struct generation *before,
                            sense_error *err)
{
	struct sense_master_config *config = &generation->config;
	*config = (struct sense_master_config){.config = NULL};
	if (crew->master->load(crew->master->self, config, err))
		return false;
	if (sense_listen_open(&generation->listen, config->addresses, config->address_count, config->workers,
	                      before ? &before->listen : NULL, err)) {
		crew->master->unload(crew->master->self, config->config);
		return false;
	}
	unsigned long room = sense_descriptors_raise(config->descriptors);
	if (room < config->descriptors)
		sense_log(SENSE_LOG_WARN, "server",
		          "a worker may open %lu files and sockets, fewer than agents.max wants (%lu): raise "
		          "LimitNOFILE",
		          room, config->descriptors);
	generation->number = ++crew->last_number;
	return true;
}

static void workers_add(struct crew *crew, const struct generation *generation)
{
	for (unsigned slot = 0; slot < generation->config.workers && crew->count < PROCESSES_MAX; slot++)
		crew->members[crew->count++] = (struct member){
		    .child = -1, .slot = slot, .ready_fd = -1, .generation = generation->number};
}

static void workers_stop(struct crew *crew, const struct generation *generation)
{
	for (unsigned i = 0; i < crew->count;) {
		struct member *member = &crew->members[i];
		if (member->child < 0 && member->generation == generation->number) {
			if (member->phase == ABSENT) {
				*member = crew->members[--crew->count];
				continue;
			}
			member_stop(member, generation->config.drain_us);
		}
		i++;
	}
}

static unsigned workers_of(const struct crew *crew, const struct generation *generation, unsigned *ready)
{
	unsigned count = 0;
	*ready = 0;
	for (unsigned i = 0; i < crew->count; i++) {
		const struct member *member = &crew->members[i];
		if (member->child >= 0 || member->generation != generation->number)
			continue;
		count++;
		*ready += member->phase == READY;
	}
	return count;
}

static void ready_tell(struct crew *crew, const char *what)
{
	char text[128];
	snprintf(text, sizeof text, "%s: %u workers, configuration %u", what, crew->current.config.workers,
	         crew->current.number);
	sense_log(SENSE_LOG_INFO, "server", "%s", text);
	sense_notify_ready(&crew->notify, text);
}

static void reload_begin(struct crew *crew)
{
	sense_error err;
	crew->reload = false;
	sense_notify_reloading(&crew->notify);
	if (generation_load(crew, &crew->next, &crew->current, &err)) {
		workers_add(crew, &crew->next);
		return;
	}
	sense_log(SENSE_LOG_ERROR, err.subsystem, "the new configuration is not taken: %s", err.message);
	ready_tell(crew, "goes on with the configuration it had");
}

/* A worker of the new configuration did not begin: those of the one before stay. */
static void reload_undo(struct crew *crew)
{
	sense_log(SENSE_LOG_ERROR, "server", "the new configuration is not taken: its workers do not begin");
	workers_stop(crew, &crew->next);
	crew->old = crew->next;
	crew->next.number = 0;
	ready_tell(crew, "goes on with the configuration it had");
}

static void reload_finish(struct crew *crew)
{
	crew->old = crew->current;
	crew->current = crew->next;
	crew->next.number = 0;
	workers_stop(crew, &crew->old);
	sense_listen_leave(&crew->old.listen, &crew->current.listen);
	for (unsigned i = 0; i < crew->master->child_count; i++)
		if (crew->master->children[i].anew)
			member_stop(&crew->members[i], crew->old.config.drain_us);
	ready_tell(crew, "reloaded");
}

/* ---- starting and ending ------------------------------------------------------------------------------- */

/* Children in their order. False: at the beginning, one has to be ready before others begin. */
static bool children_start(struct crew *crew, uint64_t now)
{
	for (unsigned i = 0; i < crew->master->child_count; i++) {
		struct member *member = &crew->members[i];
		if (member->phase == ABSENT && member->due_us <= now)
			member_start(member, crew->master, &crew->current, &crew->unblocked);
		if (!crew->begun && member->phase != READY && member->phase != DONE)
			return false;
	}
	return true;
}

static void workers_start(struct crew *crew, uint64_t now)
{
	for (unsigned i = 0; i < crew->count; i++) {
		struct member *member = &crew->members[i];
		const struct generation *generation =
		    member->generation == crew->current.number ? &crew->current : &crew->next;
		if (member->child < 0 && member->phase == ABSENT && member->due_us <= now)
			member_start(member, crew->master, generation, &crew->unblocked);
	}
}

static void stop_begin(struct crew *crew, int code)
{
	if (crew->stopping)
		return;
	crew->stopping = true;
	crew->code = code;
	sense_notify_stopping(&crew->notify, "ending");
	workers_stop(crew, &crew->current);
	if (crew->next.number)
		workers_stop(crew, &crew->next);
}

/* Children end after the workers, which use them, and each before the ones that it may use itself. */
static bool stop_step(struct crew *crew)
{
	if (crew->count > crew->master->child_count)
		return false;
	for (unsigned i = crew->master->child_count; i-- > 0;) {
		if (crew->members[i].pid <= 0)
			continue;
		member_stop(&crew->members[i], crew->current.config.drain_us);
		return false;
	}
	return true;
}

static void overdue_kill(struct crew *crew, uint64_t now)
{
	char name[64];
	for (unsigned i = 0; i < crew->count; i++) {
		struct member *member = &crew->members[i];
		if (!member->leaving || member->due_us > now)
			continue;
		sense_log(SENSE_LOG_WARN, "server", "%s (process %d) does not end in its time: killed",
		          member_name(member, crew->master, name, sizeof name), (int)member->pid);
		kill(member->pid, SIGKILL);
		member->due_us = now + 1000000;
	}
}

/* ---- what has happened --------------------------------------------------------------------------------- */

static void died_judge(struct crew *crew, const struct member *member)
{
	const struct sense_child *child = member->child >= 0 ? &crew->master->children[member->child] : NULL;
	if (crew->stopping)
		return;
	if (child && child->policy == SENSE_CHILD_ONCE)
		stop_begin(crew, 1);
	else if (!crew->begun && member->failures >= START_FAILURES_MAX)
		stop_begin(crew, 1);
	else if (!child && crew->next.number && member->generation == crew->next.number)
		reload_undo(crew);
}

static struct member *member_of(struct crew *crew, pid_t pid)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->members[i].pid == pid)
			return &crew->members[i];
	return NULL;
}

static void process_ended(struct crew *crew, pid_t pid, int wait_status)
{
	struct member *member = member_of(crew, pid);
	if (!member)
		return;
	bool wished = member_ended(member, crew->master, wait_status);
	struct member dead = *member;
	if (wished)
		member->due_us = 0;
	if (member->child < 0 && (wished || crew->stopping))
		*member = crew->members[--crew->count];
	if (!wished)
		died_judge(crew, &dead);
}

static void reap(struct crew *crew)
{
	int wait_status;
	for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;)
		process_ended(crew, pid, wait_status);
}

static void ready_take(struct member *member)
{
	char byte;
	ssize_t got = read(member->ready_fd, &byte, 1);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == 1)
		member->phase = READY;
	close(member->ready_fd); /* without the byte: it has ended, or will */
	member->ready_fd = -1;
}

static int timeout_of(const struct crew *crew)
{
	/* By the time of the latest step: what came due since has not been looked at. */
	uint64_t now = crew->now_us;
	uint64_t due = now + 3600000000;
	for (unsigned i = 0; i < crew->count; i++) {
		const struct member *member = &crew->members[i];
		if ((member->leaving || member->phase == ABSENT) && member->due_us > now &&
		    member->due_us < due)
			due = member->due_us;
	}
	if (crew->alive_us && crew->alive_us < due)
		due = crew->alive_us > now ? crew->alive_us : now;
	return (int)((due - now) / 1000) + 1;
}

static void wait_for(struct crew *crew)
{
	struct pollfd fds[PROCESSES_MAX];
	unsigned which[PROCESSES_MAX], count = 0;
	for (unsigned i = 0; i < crew->count; i++) {
		if (crew->members[i].ready_fd < 0)
			continue;
		fds[count] = (struct pollfd){.fd = crew->members[i].ready_fd, .events = POLLIN};
		which[count++] = i;
	}
	int ms = timeout_of(crew);
	struct timespec timeout = {ms / 1000, ms % 1000 * 1000000L};
	if (ppoll(fds, count, &timeout, &crew->unblocked) <= 0)
		return;
	for (unsigned i = 0; i < count; i++)
		if (fds[i].revents)
			ready_take(&crew->members[which[i]]);
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static void generations_step(struct crew *crew)
{
	unsigned ready, count = workers_of(crew, &crew->current, &ready);
	if (!crew->begun && count && ready == count) {
		crew->begun = true;
		ready_tell(crew, "ready");
	}
	if (crew->next.number && workers_of(crew, &crew->next, &ready) == ready && ready)
		reload_finish(crew);
	if (crew->old.number && !workers_of(crew, &crew->old, &ready))
		generation_end(crew, &crew->old);
	if (crew->reload && crew->begun && !crew->next.number && !crew->old.number)
		reload_begin(crew);
}

/* False: everything has ended. */
static bool step(struct crew *crew)
{
	reap(crew);
	/* Not before: what has just ended is to begin again at once. */
	uint64_t now = crew->now_us = sense_clock_monotonic_us();
	if (told_to_end)
		stop_begin(crew, 0);
	if (told_to_reload) {
		told_to_reload = 0;
		crew->reload = true;
	}
	overdue_kill(crew, now);
	if (crew->alive_us && crew->alive_us <= now) {
		sense_notify_alive(&crew->notify);
		crew->alive_us = now + sense_notify_alive_every_us(&crew->notify);
	}
	if (crew->stopping)
		return !stop_step(crew);
	generations_step(crew);
	if (children_start(crew, now))
		workers_start(crew, now);
	return true;
}

int sense_master_run(const struct sense_master *master)
{
	static struct crew crew;
	sense_error err;
	crew = (struct crew){.master = master};
	signals_take(&crew.unblocked);
	sense_notify_init(&crew.notify);
	if (sense_notify_alive_every_us(&crew.notify))
		crew.alive_us = sense_clock_monotonic_us();
	if (!generation_load(&crew, &crew.current, NULL, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		return 1;
	}
	for (unsigned i = 0; i < crew.current.listen.addresses; i++)
		sense_log(SENSE_LOG_INFO, "server", "listens on %s (port %u)", crew.current.listen.names[i],
		          sense_listen_port(&crew.current.listen, i));
	for (unsigned i = 0; i < master->child_count && i < SENSE_CHILDREN_MAX; i++)
		crew.members[crew.count++] = (struct member){.child = (int)i, .ready_fd = -1};
	workers_add(&crew, &crew.current);
	while (step(&crew))
		wait_for(&crew);
	generation_end(&crew, &crew.current);
	generation_end(&crew, &crew.next);
	generation_end(&crew, &crew.old);
	sense_log(SENSE_LOG_INFO, "server", "ended");
	return crew.code;
}
