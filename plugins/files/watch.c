/*
 * inotify(7) on the directories that walks come through. An event is of use only when its name is on the way
 * to a place; then that one entry is looked at again, once nothing more happened to it for a moment. What
 * cannot be watched is found by the next sweep, and a gap says so.
 */
#include "files.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS 300u     /* an entry is looked at so long after its last event */
#define PATIENCE_MS 3000u /* ... or after its first */
#define BUSY_MS 20u       /* between two pieces of work that are due at once */
#define MASK                                                                                                \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF | IN_ONLYDIR | \
	 IN_EXCL_UNLINK)

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

enum sense_status watch_open(struct files *files, sense_error *err)
{
	struct watcher *watcher = &files->watcher;
	struct epoll_event event = {.events = EPOLLIN};
	watcher->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	watcher->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	watcher->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watcher->timer < 0 || watcher->epoll < 0 ||
	    epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, watcher->timer, &event) ||
	    (watcher->inotify >= 0 && epoll_ctl(watcher->epoll, EPOLL_CTL_ADD, watcher->inotify, &event)))
		return files->host->fail(err, SENSE_E_IO, "files", "cannot watch directories: %s",
		                         strerror(errno));
	if (watcher->inotify < 0)
		tell_gap(files, files->homes.at[0], "",
		         "directories cannot be watched: changes are found by sweeps", 1);
	return SENSE_OK;
}

/* Watches lie in the order of their descriptors: the kernel counts them upwards. */
static unsigned place_of(const struct watcher *watcher, int wd)
{
	unsigned low = 0, high = watcher->count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (watcher->at[middle]->wd < wd)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct watch *watch_find(const struct files *files, int wd)
{
	unsigned at = place_of(&files->watcher, wd);
	return at < files->watcher.count && files->watcher.at[at]->wd == wd ? files->watcher.at[at] : NULL;
}

static void free_watch(struct watch *watch)
{
	if (watch->home)
		watch->home->watches--;
	free(watch->rel);
	free(watch->states);
	free(watch);
}

static void drop(struct watcher *watcher, int wd)
{
	unsigned at = place_of(watcher, wd);
	if (at == watcher->count || watcher->at[at]->wd != wd)
		return;
	free_watch(watcher->at[at]);
	memmove(watcher->at + at, watcher->at + at + 1, (--watcher->count - at) * sizeof *watcher->at);
}

void watch_close(struct files *files)
{
	struct watcher *watcher = &files->watcher;
	for (unsigned i = 0; i < watcher->count; i++)
		free_watch(watcher->at[i]);
	watcher->count = 0;
	for (unsigned i = 0; i < 3; i++) {
		int fd = (int[]){watcher->inotify, watcher->timer, watcher->epoll}[i];
		if (fd >= 0)
			close(fd);
	}
}

/* ---- directories ------------------------------------------------------------------------------------- */

/* States that were not there yet are added: one directory can be met on two ways. */
static bool merge(struct watch *watch, const struct state *states, unsigned count)
{
	struct state *grown = realloc(watch->states, (watch->count + count + 1) * sizeof *grown);
	if (!grown)
		return false;
	watch->states = grown;
	for (unsigned i = 0; i < count; i++) {
		bool there = false;
		for (unsigned k = 0; k < watch->count && !there; k++)
			there = !memcmp(&watch->states[k], &states[i], sizeof *states);
		if (!there && watch->count < STATES_MAX)
			watch->states[watch->count++] = states[i];
	}
	return true;
}

/* Takes rel over. */
static struct watch *insert(struct watcher *watcher, int wd, struct home *home, char *rel)
{
	struct watch *watch = calloc(1, sizeof *watch);
	unsigned at = place_of(watcher, wd);
	if (!watch || !rel) {
		free(watch);
		free(rel);
		return NULL;
	}
	*watch = (struct watch){.wd = wd, .home = home, .rel = rel};
	memmove(watcher->at + at + 1, watcher->at + at, (watcher->count - at) * sizeof *watcher->at);
	watcher->at[at] = watch;
	watcher->count++;
	home->watches++;
	return watch;
}

static void tell_full(struct files *files, struct home *home, const char *why)
{
	if (!home->unwatched)
		tell_gap(files, home, home->path, why, 1);
	home->unwatched = true;
}

void watch_directory(struct files *files, struct home *home, int fd, const char *rel,
                     const struct state *states, unsigned count)
{
	struct watcher *watcher = &files->watcher;
	char path[64];
	if (files->mode != SENSE_SENSOR_WATCH || watcher->inotify < 0)
		return;
	if (watcher->count == WATCHES_MAX || home->watches == WATCHES_HOME_MAX) {
		tell_full(files, home, "more directories than are watched: changes are found by sweeps");
		return;
	}
	/* By its descriptor, so that it is this directory and no other. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int wd = inotify_add_watch(watcher->inotify, path, MASK);
	files->work++;
	if (wd < 0) {
		tell_full(files, home,
		          errno == ENOSPC
		              ? "fs.inotify.max_user_watches is reached: changes are found by sweeps"
		              : strerror(errno));
		return;
	}
	struct watch *watch = (struct watch *)watch_find(files, wd);
	/* It was renamed since, or stands in another home by now. */
	if (watch && (watch->home != home || strcmp(watch->rel, rel))) {
		drop(watcher, wd);
		watch = NULL;
	}
	if (!watch)
		watch = insert(watcher, wd, home, strdup(rel));
	if (!watch || !merge(watch, states, count))
		inotify_rm_watch(watcher->inotify, wd);
}

/* ---- events ------------------------------------------------------------------------------------------- */

static void add_job(struct watcher *watcher, int wd, const char *name)
{
	uint64_t now = now_ms();
	for (unsigned i = 0; i < watcher->jobs; i++) {
		struct job *job = &watcher->queue[i];
		if (job->wd == wd && !strcmp(job->name, name)) {
			job->due_ms = now + QUIET_MS < job->last_ms ? now + QUIET_MS : job->last_ms;
			return;
		}
	}
	if (watcher->jobs == JOBS_MAX) {
		watcher->overflowed = true;
		return;
	}
	struct job *job = &watcher->queue[watcher->jobs++];
	*job = (struct job){.wd = wd, .due_ms = now + QUIET_MS, .last_ms = now + PATIENCE_MS};
	snprintf(job->name, sizeof job->name, "%s", name);
}

/*
 * Any file of a project can be a model, so each one that a build writes would be looked at again: only those
 * that are large, or were models. The path is good enough for that; what is found goes by descriptors.
 */
static bool may_be_model(struct files *files, const struct watch *watch, const char *name)
{
	char path[PATH_ROOM];
	struct stat st;
	if (snprintf(path, sizeof path, "%s/%s%s", watch->home->path, watch->rel, name) >= (int)sizeof path ||
	    mounts_remote(&files->mounts, path))
		return false;
	files->work++;
	return known_model(files, path) ||
	       (!lstat(path, &st) && S_ISREG(st.st_mode) && st.st_size >= MODEL_MIN);
}

static bool only_models(const struct files *files, const struct states *next, const struct states *leaves)
{
	for (unsigned i = 0; i < leaves->count; i++)
		if (files->places.at[leaves->at[i].place].leaf != LEAF_MODEL)
			return false;
	return !next->count;
}

static void take_event(struct files *files, const struct inotify_event *event)
{
	struct watcher *watcher = &files->watcher;
	const struct watch *watch = watch_find(files, event->wd);
	if (event->mask & IN_Q_OVERFLOW)
		watcher->overflowed = true;
	if (!watch)
		return;
	if (event->mask & (IN_IGNORED | IN_UNMOUNT)) {
		drop(watcher, event->wd);
		return;
	}
	/* What it is called now, the directory above tells. */
	if (event->mask & IN_MOVE_SELF) {
		inotify_rm_watch(watcher->inotify, event->wd);
		drop(watcher, event->wd);
		return;
	}
	if (!event->len)
		return;
	struct states *next = &files->again_next, *leaves = &files->again_leaves;
	places_step(&files->places, watch->states, watch->count, event->name, (event->mask & IN_ISDIR) != 0,
	            next, leaves);
	if (!next->count && !leaves->count)
		return;
	if (!only_models(files, next, leaves) || may_be_model(files, watch, event->name))
		add_job(watcher, event->wd, event->name);
}

void watch_read(struct files *files)
{
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t got = files->watcher.inotify < 0 ? -1 : read(files->watcher.inotify, buffer, sizeof buffer);
	for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
		const struct inotify_event *event = (const void *)(buffer + at);
		take_event(files, event);
		at += (ssize_t)(sizeof *event + event->len);
	}
}

bool watch_due(struct files *files, struct job *job)
{
	struct watcher *watcher = &files->watcher;
	uint64_t now = now_ms();
	for (unsigned i = 0; i < watcher->jobs; i++) {
		if (watcher->queue[i].due_ms > now)
			continue;
		*job = watcher->queue[i];
		watcher->queue[i] = watcher->queue[--watcher->jobs];
		return true;
	}
	return false;
}

/* When the descriptor is to wake the host: at once in a moment, or when the first job is due. */
void watch_arm(struct files *files, bool busy)
{
	struct watcher *watcher = &files->watcher;
	uint64_t now = now_ms(), due = busy ? now + BUSY_MS : 0, count;
	for (unsigned i = 0; i < watcher->jobs; i++)
		if (!due || watcher->queue[i].due_ms < due)
			due = watcher->queue[i].due_ms > now ? watcher->queue[i].due_ms : now + 1;
	struct itimerspec when = {
	    .it_value = {.tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000}};
	if (read(watcher->timer, &count, sizeof count) < 0 && errno != EAGAIN)
		return;
	timerfd_settime(watcher->timer, TFD_TIMER_ABSTIME, &when, NULL);
}
