#include "core/host/capture.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/plugin/loader.h"
#include "core/shared/crew.h"

#define TELL_EVERY_MS 1000u
#define TELL_MS 60000u /* drops are told at once, then at most so often */
#define KEEP_MAX 4u

/* Drops that were told, by interface. */
struct told {
	char name[32]; /* "": a free place */
	uint64_t dropped;
};

struct sense_capture {
	const struct sense_live_ops *ops;
	void *live;
	struct sense_source sources[SENSE_WORKERS_MAX];
	int keep[SENSE_WORKERS_MAX][KEEP_MAX];
	unsigned workers;
	struct sense_live_stats stats;
	struct told told[SENSE_CAPTURE_INTERFACES_MAX + 1]; /* the last: of all together */
	unsigned tell_left_ms, quiet_left_ms;
	bool failed;   /* the latest look did */
	struct sense_live_interface seen[SENSE_CAPTURE_INTERFACES_MAX];
	unsigned seen_count;
};

static unsigned keeps(sense_capture *capture, unsigned worker)
{
	const struct sense_live_ops *ops = capture->ops;
	if (ops->size < offsetof(struct sense_live_ops, keeps) + sizeof ops->keeps || !ops->keeps)
		return 0;
	return ops->keeps(capture->live, worker, capture->keep[worker], KEEP_MAX);
}

static enum sense_status begin(sense_capture *capture, const struct sense_conf *conf,
                               const char *const *interfaces, unsigned interface_count, sense_error *err)
{
	if (!interface_count)
		interfaces = sense_conf_list(conf, SENSE_CONF_CAPTURE_INTERFACES, &interface_count);
	const struct sense_live_want want = {
	    .size = sizeof want,
	    .interfaces = interfaces,
	    .interface_count = interface_count,
	    .workers = capture->workers,
	    .ring_bytes = sense_conf_number(conf, SENSE_CONF_CAPTURE_RING),
	    .snaplen = (uint32_t)sense_conf_number(conf, SENSE_CONF_CAPTURE_SNAPLEN),
	    .filter = sense_conf_text(conf, SENSE_CONF_CAPTURE_FILTER),
	};
	int fds[SENSE_WORKERS_MAX];
	enum sense_status status = capture->ops->begin(sense_plugin_host(), &want, &capture->live, fds, err);
	for (unsigned i = 0; !status && i < capture->workers; i++)
		capture->sources[i] = (struct sense_source){
		    .name = "live", .fd = fds[i], .keep = capture->keep[i], .keep_count = keeps(capture, i)};
	return status;
}

sense_capture *sense_capture_open(const struct sense_conf *conf, const char *plugins_dir,
                                  const char *const *interfaces, unsigned interface_count, unsigned workers,
                                  sense_error *err)
{
	const struct sense_plugin *plugin = sense_plugin_load(plugins_dir, SENSE_CAPTURE_PLUGIN, err);
	if (!plugin)
		return NULL;
	sense_capture *capture = calloc(1, sizeof *capture);
	if (!capture) {
		sense_fail(err, SENSE_E_MEMORY, "capture", "no memory");
		return NULL;
	}
	capture->workers = workers < SENSE_WORKERS_MAX ? workers : SENSE_WORKERS_MAX;
	if (plugin->size >= offsetof(struct sense_plugin, live) + sizeof plugin->live)
		capture->ops = plugin->live;
	if (!capture->ops) {
		sense_fail(err, SENSE_E_UNSUPPORTED, "capture", "plugin '%s' captures nothing live",
		           SENSE_CAPTURE_PLUGIN);
		free(capture);
		return NULL;
	}
	if (begin(capture, conf, interfaces, interface_count, err)) {
		free(capture);
		return NULL;
	}
	capture->seen_count =
	    capture->ops->interfaces(capture->live, capture->seen, SENSE_CAPTURE_INTERFACES_MAX);
	return capture;
}

void sense_capture_close(sense_capture *capture)
{
	if (!capture)
		return;
	capture->ops->end(capture->live);
	free(capture);
}

const struct sense_source *sense_capture_sources(const sense_capture *capture)
{
	return capture->sources;
}

/* ---- looking ------------------------------------------------------------------------------------- */

static void gap(sense_keeper *keeper, const char *where, const char *why, double count)
{
	if (count > 0)
		sense_log(SENSE_LOG_WARN, "capture", "%s: %.0f packets %s", where ? where : "all interfaces", count,
		          why);
	else
		sense_log(SENSE_LOG_WARN, "capture", "%s: %s", where ? where : "all interfaces", why);
	if (keeper)
		sense_keeper_gap(keeper, "packets", where, why, count);
}

static const struct sense_live_interface *find(const struct sense_live_interface *list, unsigned count,
                                               const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (!strncmp(list[i].name, name, sizeof list[i].name))
			return &list[i];
	return NULL;
}

/* One that went away is a gap when it was asked for by name; others come and go. */
static void interfaces_look(sense_capture *capture, sense_keeper *keeper)
{
	struct sense_live_interface now[SENSE_CAPTURE_INTERFACES_MAX];
	unsigned count = capture->ops->interfaces(capture->live, now, SENSE_CAPTURE_INTERFACES_MAX);
	for (unsigned i = 0; i < count; i++) {
		const struct sense_live_interface *was =
		    find(capture->seen, capture->seen_count, now[i].name);
		if (now[i].wanted_by_name && was && was->up && !now[i].up)
			gap(keeper, now[i].name, "the interface is gone or down", 0);
		else if (now[i].wanted_by_name && was && !was->up && now[i].up)
			sense_log(SENSE_LOG_INFO, "capture", "%s: the interface is back", now[i].name);
	}
	memcpy(capture->seen, now, count * sizeof *now);
	capture->seen_count = count;
}

static struct told *told_of(sense_capture *capture, const char *name)
{
	struct told *unused = NULL;
	for (unsigned i = 0; i < SENSE_CAPTURE_INTERFACES_MAX; i++) {
		struct told *told = &capture->told[i];
		if (!strncmp(told->name, name, sizeof told->name))
			return told;
		/* One that is not there any more makes room. */
		if (!unused && (!*told->name || !find(capture->seen, capture->seen_count, told->name)))
			unused = told;
	}
	if (unused) {
		*unused = (struct told){0};
		memcpy(unused->name, name, sizeof unused->name);
	}
	return unused;
}

/* Told by interface as far as they are known so, the rest for all. */
static void drops_tell(sense_capture *capture, sense_keeper *keeper)
{
	static const char why[] = "were dropped: they came faster than they were looked at";
	struct told *all = &capture->told[SENSE_CAPTURE_INTERFACES_MAX];
	uint64_t left = capture->stats.dropped - all->dropped;
	for (unsigned i = 0; i < capture->seen_count; i++) {
		const struct sense_live_interface *interface = &capture->seen[i];
		struct told *told = interface->dropped ? told_of(capture, interface->name) : NULL;
		/* Less than before: of another interface by that name. */
		uint64_t before = told && told->dropped <= interface->dropped ? told->dropped : 0;
		if (!told || interface->dropped == before || !left)
			continue;
		uint64_t more = interface->dropped - before < left ? interface->dropped - before : left;
		gap(keeper, interface->name, why, (double)more);
		told->dropped = interface->dropped;
		left -= more;
	}
	if (left)
		gap(keeper, NULL, why, (double)left);
	all->dropped = capture->stats.dropped;
}

static void drops_look(sense_capture *capture, sense_keeper *keeper)
{
	const struct told *all = &capture->told[SENSE_CAPTURE_INTERFACES_MAX];
	capture->quiet_left_ms -= capture->quiet_left_ms < TELL_EVERY_MS ? capture->quiet_left_ms : TELL_EVERY_MS;
	if (capture->stats.dropped == all->dropped || capture->quiet_left_ms)
		return;
	drops_tell(capture, keeper);
	capture->quiet_left_ms = TELL_MS;
}

void sense_capture_look(sense_capture *capture, unsigned elapsed_ms, sense_keeper *keeper)
{
	sense_error err;
	bool failed = capture->ops->look(capture->live, &capture->stats, &err) != SENSE_OK;
	if (failed && !capture->failed)
		gap(keeper, NULL, err.message, 0);
	capture->failed = failed;
	capture->tell_left_ms -= capture->tell_left_ms < elapsed_ms ? capture->tell_left_ms : elapsed_ms;
	if (capture->tell_left_ms)
		return;
	capture->tell_left_ms = TELL_EVERY_MS;
	interfaces_look(capture, keeper);
	drops_look(capture, keeper);
}

struct sense_live_stats sense_capture_stats(const sense_capture *capture)
{
	return capture->stats;
}

unsigned sense_capture_interfaces(const sense_capture *capture, struct sense_live_interface *out, unsigned max)
{
	return capture->ops->interfaces(capture->live, out, max);
}
