/* The sensor plugin `procs`: the processes of a Linux host. See README.md. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor.h"

enum { READY_US = 5000 };

static void sensor_close(void *self)
{
	struct sensor *sensor = self;
	connector_close(sensor->connector);
	perf_close(sensor->perf);
	if (sensor->scan)
		closedir(sensor->scan);
	if (sensor->proc >= 0)
		close(sensor->proc);
	inventory_free(sensor);
	users_fini(&sensor->users);
	digests_free(sensor->digests);
	table_fini(&sensor->table);
	free(sensor);
}

static bool set_to(const struct sense_host *host, const char *key, const char *value)
{
	const char *set = host->setting(key);
	return set && !strcmp(set, value);
}

/* Without it ends, and what lives for less than a second, are seen by chance. */
static void connector_try(struct sensor *sensor)
{
	const char *why = "host.connector is false";
	if (!set_to(sensor->host, "host.connector", "false"))
		sensor->connector = connector_open(&why);
	if (sensor->connector < 0)
		gap_tell(sensor, "process connector", why);
	else if (!(sensor->perf = perf_open()))
		gap_tell(sensor, "perf_event_open", strerror(errno));
}

/* Mounted with hidepid (proc(5)), /proc shows each user his own processes alone. */
static void visibility_check(struct sensor *sensor)
{
	struct procfs_stat stat;
	if (!look_stat(sensor->proc, 1, &stat))
		gap_tell(sensor, "/proc", "processes of others are hidden (hidepid)");
}

static enum sense_status sensor_open(const struct sense_host *host, enum sense_sensor_mode mode, void **out,
                                     sense_error *err)
{
	enum sense_status status = SENSE_OK;
	struct sensor *sensor = calloc(1, sizeof *sensor);
	if (!sensor)
		return host->fail(err, SENSE_E_MEMORY, "procs", "no memory");
	sensor->host = host;
	sensor->once = mode == SENSE_SENSOR_ONCE;
	sensor->first_scan = true;
	sensor->connector = sensor->look.dir = -1;
	sensor->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool hashes = !set_to(host, "host.hash", "false");
	sensor->digests = hashes ? digests_new() : NULL;
	if (!table_init(&sensor->table) || (hashes && !sensor->digests))
		status = host->fail(err, SENSE_E_MEMORY, "procs", "no memory");
	if (!status && sensor->proc < 0)
		status = host->fail(err, SENSE_E_IO, "procs", "/proc cannot be opened");
	if (!status)
		status = inventory_load(sensor, err);
	if (status) {
		sensor_close(sensor);
		return status;
	}
	visibility_check(sensor);
	if (!sensor->once)
		connector_try(sensor);
	*out = sensor;
	return SENSE_OK;
}

static int sensor_fd(void *self)
{
	return ((struct sensor *)self)->connector;
}

static enum sense_status sensor_ready(void *self, sense_error *err)
{
	struct sensor *sensor = self;
	uint64_t deadline = now_us() + READY_US;
	(void)err;
	watch_drain(sensor, deadline);
	watch_pending(sensor, deadline);
	return SENSE_OK;
}

static enum sense_status sensor_sweep(void *self, uint32_t *wait_ms, sense_error *err)
{
	(void)err;
	return scan_sweep(self, wait_ms);
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
    .name = "procs",
    .version = "1.0",
    .summary = "processes of this host: the kernel's process connector, or /proc",
    .sensor = &ops,
    .platform =
	"Windows: ETW Microsoft-Windows-Kernel-Process (start, stop, image load) and the tool-help snapshot "
        "at "
	"the beginning; macOS: EndpointSecurity ES_EVENT_TYPE_NOTIFY_FORK, _EXEC, _EXIT and libproc. Both: "
	"pid, parent, start time, executable, arguments, user, names of variables, exit code.",
};
