#include "core/host/capture.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/plugin/loader.h"

#define LOOK_MS 1000u
#define TELL_MS 60000u /* drops are told at once, then at most so often */

struct sense_capture {
	const struct sense_live_ops *ops;
	void *live;
	struct sense_source source;
	struct sense_live_stats stats;
	uint64_t told; /* drops */
	unsigned look_left_ms, quiet_left_ms;
	bool failed;   /* the latest look did */
	struct sense_live_interface seen[SENSE_CAPTURE_INTERFACES_MAX];
	unsigned seen_count;
};

static enum sense_status begin(sense_capture *capture, const struct sense_conf *conf,
                               const char *const *interfaces, unsigned interface_count, sense_error *err)
{
	if (!interface_count)
		interfaces = sense_conf_list(conf, SENSE_CONF_CAPTURE_INTERFACES, &interface_count);
	const struct sense_live_want want = {
	    .size = sizeof want,
	    .interfaces = interfaces,
	    .interface_count = interface_count,
	    .workers = 1,
	    .ring_bytes = sense_conf_number(conf, SENSE_CONF_CAPTURE_RING),
	    .snaplen = (uint32_t)sense_conf_number(conf, SENSE_CONF_CAPTURE_SNAPLEN),
	    .filter = sense_conf_text(conf, SENSE_CONF_CAPTURE_FILTER),
	};
	capture->source.name = "live";
	return capture->ops->begin(sense_plugin_host(), &want, &capture->live, &capture->source.fd, err);
}

sense_capture *sense_capture_open(const struct sense_conf *conf, const char *plugins_dir,
                                  const char *const *interfaces, unsigned interface_count, sense_error *err)
{
	const struct sense_plugin *plugin = sense_plugin_load(plugins_dir, SENSE_CAPTURE_PLUGIN, err);
	if (!plugin)
		return NULL;
	sense_capture *capture = calloc(1, sizeof *capture);
	if (!capture) {
		sense_fail(err, SENSE_E_MEMORY, "capture", "no memory");
		return NULL;
	}
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

const struct sense_source *sense_capture_source(const sense_capture *capture)
{
	return &capture->source;
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

static void drops_look(sense_capture *capture, sense_keeper *keeper)
{
	uint64_t dropped = capture->stats.dropped - capture->told;
	capture->quiet_left_ms -= capture->quiet_left_ms < LOOK_MS ? capture->quiet_left_ms : LOOK_MS;
	if (!dropped || capture->quiet_left_ms)
		return;
	gap(keeper, NULL, "were dropped: they came faster than they were looked at", (double)dropped);
	capture->told = capture->stats.dropped;
	capture->quiet_left_ms = TELL_MS;
}

void sense_capture_look(sense_capture *capture, unsigned elapsed_ms, sense_keeper *keeper)
{
	sense_error err;
	capture->look_left_ms -= capture->look_left_ms < elapsed_ms ? capture->look_left_ms : elapsed_ms;
	if (capture->look_left_ms)
		return;
	capture->look_left_ms = LOOK_MS;
	bool failed = capture->ops->look(capture->live, &capture->stats, &err) != SENSE_OK;
	if (failed && !capture->failed)
		gap(keeper, NULL, err.message, 0);
	capture->failed = failed;
	drops_look(capture, keeper);
	interfaces_look(capture, keeper);
}

struct sense_live_stats sense_capture_stats(const sense_capture *capture)
{
	return capture->stats;
}

unsigned sense_capture_interfaces(const sense_capture *capture, struct sense_live_interface *out, unsigned max)
{
	return capture->ops->interfaces(capture->live, out, max);
}
