/*
 * The sensor: sweeps over the system's places and all homes, one after the other, in pieces; between them
 * what inotify says. Both use the same walker, each with its own, so that a change is not kept waiting by a
 * sweep.
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_DEFAULT_MS (6u * 3600u * 1000u)
#define SWEEP_LEAST_MS 1000u

/* "6h", "90s", "500ms": as the host has read it already, so it is well-formed. */
static uint64_t duration_ms(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"us", 0.001}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
	char *end = NULL;
	double number = text ? strtod(text, &end) : 0, ms = number * 1e3;
	if (!end || !(number > 0))
		return SWEEP_DEFAULT_MS;
	end += strspn(end, " ");
	for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
		if (!strcmp(units[i].unit, end))
			ms = number * units[i].ms;
	return ms < SWEEP_LEAST_MS ? SWEEP_LEAST_MS : ms > 31e9 ? (uint64_t)31e9 : (uint64_t)ms;
}

static void files_close(void *sensor)
{
	struct files *files = sensor;
	walk_end(&files->sweep);
	walk_end(&files->again);
	watch_close(files);
	places_free(&files->places);
	known_free(&files->known);
	homes_free(&files->homes);
	mounts_free(&files->mounts);
	free(files);
}

static enum sense_status files_open(const struct sense_host *host, enum sense_sensor_mode mode, void **sensor,
                                    sense_error *err)
{
	struct files *files = calloc(1, sizeof *files);
	enum sense_status status;
	if (!files)
		return host->fail(err, SENSE_E_MEMORY, "files", "no memory");
	files->host = host;
	files->mode = mode;
	files->mounts.fd = files->sweep.root = files->again.root = -1;
	files->watcher.inotify = files->watcher.timer = files->watcher.epoll = -1;
	files->every_ms = duration_ms(host->setting("host.sweep_every"));
	files->known.now = 1;
	mounts_read(&files->mounts);
	homes_read(&files->homes, &files->mounts, host->setting("host.homes"));
	status = places_load(&files->places, host, err);
	if (!status && !files->homes.count)
		status = host->fail(err, SENSE_E_MEMORY, "files", "no memory");
	if (!status && mode == SENSE_SENSOR_WATCH)
		status = watch_open(files, err);
	if (status) {
		files_close(files);
		return status;
	}
	*sensor = files;
	return SENSE_OK;
}

static int files_fd(void *sensor)
{
	return ((struct files *)sensor)->watcher.epoll;
}

static void tell_gauges(const struct files *files)
{
	files->host->gauge("files.homes", files->homes.count - 1);
	files->host->gauge("files.places", files->places.count);
	files->host->gauge("files.known", files->known.count);
	files->host->gauge("files.watches", files->watcher.count);
	files->host->gauge("files.entries", files->looked);
}

/* ---- sweeps -------------------------------------------------------------------------------------------- */

static void sweep_begin(struct files *files)
{
	homes_read(&files->homes, &files->mounts, files->host->setting("host.homes"));
	files->watcher.overflowed = false;
	files->sweeping = true;
	files->sweep_home = 0;
	files->swept_one = false;
}

/* What this home's walk did not meet is gone, if the walk was whole. */
static void home_done(struct files *files, struct home *home)
{
	if (!home->cut)
		known_expire_home(files, home, files->sweep_since);
	home->swept = true;
}

/* False: the sweep is complete. */
static bool sweep_go(struct files *files)
{
	while (files->work < WORK_PIECE) {
		if (files->swept_one) {
			if (walk_go(files, &files->sweep))
				return true;
			home_done(files, files->homes.at[files->sweep_home++]);
			files->swept_one = false;
		}
		if (files->sweep_home == files->homes.count) {
			files->sweeping = false;
			tell_gauges(files);
			return false;
		}
		struct home *home = files->homes.at[files->sweep_home];
		files->sweep_since = ++files->known.now;
		home->cut = home->full = home->unwatched = false;
		files->work += 5;
		walk_begin(files, &files->sweep, home);
		files->swept_one = true;
	}
	return true;
}

/* ---- changes ------------------------------------------------------------------------------------------- */

static void change_begin(struct files *files, const struct job *job)
{
	const struct watch *watch = watch_find(files, job->wd);
	if (!watch)
		return;
	snprintf(files->again_path, sizeof files->again_path, "%s/%s%s", watch->home->path, watch->rel,
	         job->name);
	files->again_since = ++files->known.now;
	files->again_home = watch->home;
	files->again_cut = watch->home->cut;
	watch->home->cut = false;
	files->work += 5;
	walk_begin_entry(files, &files->again, watch->home, watch->rel, job->name, watch->states,
	                 watch->count);
}

static void change_done(struct files *files)
{
	if (!files->again_home->cut)
		known_expire_below(files, files->again_path, files->again_since);
	files->again_home->cut |= files->again_cut;
	files->again_home = NULL;
}

/* True: there is more to do at once. */
static bool changes_go(struct files *files)
{
	struct job job;
	while (files->work < WORK_PIECE) {
		if (files->again_home) {
			if (walk_go(files, &files->again))
				return true;
			change_done(files);
		}
		if (!watch_due(files, &job))
			return false;
		change_begin(files, &job);
	}
	return true;
}

static enum sense_status files_ready(void *sensor, sense_error *err)
{
	struct files *files = sensor;
	bool busy;
	(void)err;
	files->work = 0;
	mounts_read(&files->mounts);
	watch_read(files);
	busy = changes_go(files);
	/* Events were lost, and the next sweep may be hours away. */
	if (files->watcher.overflowed && !files->sweeping) {
		tell_gap(files, files->homes.at[0], "",
		         "changes came faster than they were read: all is looked at again",
		         ++files->overflows);
		sweep_begin(files);
		files->own_sweep = true;
	}
	if (files->own_sweep)
		files->own_sweep = files->sweeping && sweep_go(files);
	watch_arm(files, busy || files->own_sweep);
	return SENSE_OK;
}

static enum sense_status files_sweep(void *sensor, uint32_t *wait_ms, sense_error *err)
{
	struct files *files = sensor;
	(void)err;
	files->work = 0;
	mounts_read(&files->mounts);
	if (!files->sweeping)
		sweep_begin(files);
	*wait_ms =
	    sweep_go(files) ? 0 : (uint32_t)(files->every_ms < UINT32_MAX ? files->every_ms : UINT32_MAX);
	return SENSE_OK;
}

static const struct sense_sensor_ops sensor_ops = {
    .size = sizeof(struct sense_sensor_ops),
    .open = files_open,
    .fd = files_fd,
    .ready = files_ready,
    .sweep = files_sweep,
    .close = files_close,
};

SENSE_PLUGIN_EXPORT = {
    .size = sizeof(struct sense_plugin),
    .name = "files",
    .version = "1",
    .summary = "files that speak of AI use: MCP configurations, instructions, models, extensions, packages",
    .sensor = &sensor_ops,
    .platform =
	"Homes of all users; places of the catalogue for this system, opened without following links out "
	"of a home; notice of changes below them (Windows: ReadDirectoryChangesW or the USN journal, "
	"reparse points not followed; macOS: FSEvents, O_NOFOLLOW_ANY, Full Disk Access)",
};
