#include "core/service/treewatch.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/platform/platform.h"

#define CALM_S 0.2
#define SERIES_S 2.0
#define DEPTH_MAX 8

struct sense_treewatch {
	struct ev_loop *loop;
	ev_io io;
	ev_timer calm;
	ev_tstamp first; /* of a series */
	const char *const *paths;
	unsigned count;
	void (*changed)(void *self);
	void *self;
};

/* Adding a directory twice is one watch. One that cannot be watched (it is gone, too many) is said. */
static void tree_add(sense_treewatch *watch, const char *dir, unsigned depth)
{
	if (!sense_platform_watch_add(watch->io.fd, dir) && errno != ENOENT)
		sense_log(SENSE_LOG_WARN, "watch", "changes in %s will not be noticed: %s", dir,
		          strerror(errno));
	DIR *open = depth < DEPTH_MAX ? opendir(dir) : NULL;
	for (const struct dirent *entry; open && (entry = readdir(open));) {
		char path[PATH_MAX];
		struct stat st;
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) >= (int)sizeof path)
			continue;
		if (!lstat(path, &st) && S_ISDIR(st.st_mode))
			tree_add(watch, path, depth + 1);
	}
	if (open)
		closedir(open);
}

static void path_add(sense_treewatch *watch, const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	if (snprintf(dir, sizeof dir, "%s", path) >= (int)sizeof dir)
		return;
	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		tree_add(watch, dir, 0);
		return;
	}
	char *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	tree_add(watch, slash ? dir : ".", DEPTH_MAX);
}

static void on_event(struct ev_loop *loop, ev_io *watcher, int events)
{
	sense_treewatch *watch = watcher->data;
	(void)events;
	/* Which it was does not matter: all is read anew. */
	sense_platform_watch_drain(watcher->fd);
	if (!ev_is_active(&watch->calm))
		watch->first = ev_now(loop);
	if (ev_now(loop) - watch->first < SERIES_S)
		ev_timer_again(loop, &watch->calm);
}

static void on_calm(struct ev_loop *loop, ev_timer *timer, int events)
{
	sense_treewatch *watch = timer->data;
	(void)events;
	ev_timer_stop(loop, timer);
	for (unsigned i = 0; i < watch->count; i++)
		path_add(watch, watch->paths[i]); /* also what is new */
	watch->changed(watch->self);
}

sense_treewatch *sense_treewatch_open(struct ev_loop *loop, const char *const *paths, unsigned count,
                                      void (*changed)(void *self), void *self, sense_error *err)
{
	sense_treewatch *watch = calloc(1, sizeof *watch);
	int fd = sense_platform_watch_open();
	if (!watch || fd < 0) {
		sense_fail_errno(err, "watch", "cannot watch the policies for changes");
		if (fd >= 0)
			close(fd);
		free(watch);
		return NULL;
	}
	*watch = (sense_treewatch){
	    .loop = loop, .paths = paths, .count = count, .changed = changed, .self = self};
	ev_io_init(&watch->io, on_event, fd, EV_READ);
	watch->io.data = watch;
	ev_io_start(loop, &watch->io);
	ev_init(&watch->calm, on_calm);
	watch->calm.repeat = CALM_S;
	watch->calm.data = watch;
	for (unsigned i = 0; i < count; i++)
		path_add(watch, paths[i]);
	return watch;
}

void sense_treewatch_close(sense_treewatch *watch)
{
	if (!watch)
		return;
	ev_timer_stop(watch->loop, &watch->calm);
	ev_io_stop(watch->loop, &watch->io);
	close(watch->io.fd);
	free(watch);
}
