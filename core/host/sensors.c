#include "core/host/sensors.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/host/internal.h"
#include "core/plugin/loader.h"
#include "core/service/pace.h"

#define IDLE_MS 1000u      /* how long the process sleeps at most */
#define REOPEN_MS 60000u   /* a sensor that failed is tried again */
#define READY_TURNS 64u    /* calls of one `ready` in a row, before the others get their turn */
#define BURST_NS UINT64_C(100000000) /* CPU time of slow work that may be used at once */

struct sensor {
	const char *name;
	const struct sense_sensor_ops *ops; /* NULL: the plugin cannot be loaded */
	void *state;                        /* NULL: not open */
	uint64_t due_ms;                    /* of its next piece of slow work, or of being opened again */
	uint64_t failures;
	bool swept; /* a whole sweep is done */
};

struct process {
	const struct sense_sensors_config *config;
	const struct sense_host *host;
	struct sensor sensors[SENSE_SENSORS_MAX];
	unsigned count;
	struct sense_pace pace; /* of slow work */
	uint64_t rests_ns;      /* how long it has to wait; 0: it may go on */
	uint64_t expire_at_ms;
	bool ended;
};

static uint64_t now_ms(void)
{
	return sense_pace_wall() / 1000000;
}

/* ---- one sensor ---------------------------------------------------------------------------------- */

static void sensor_failed(struct sensor *sensor, const sense_error *err)
{
	if (!sensor->failures++)
		sense_log(SENSE_LOG_WARN, sensor->name, "%s", err->message);
	sense_telling_gap(sensor->name, NULL, err->message, 0);
	if (sensor->ops && sensor->state)
		sensor->ops->close(sensor->state);
	sensor->state = NULL;
	sensor->swept = true; /* a scan does not wait for it */
	sensor->due_ms = now_ms() + REOPEN_MS;
}

static void sensor_open(struct process *process, struct sensor *sensor)
{
	sense_error err = {0};
	if (sensor->ops->open(process->host, process->config->mode, &sensor->state, &err)) {
		sensor->state = NULL;
		sensor_failed(sensor, &err);
		return;
	}
	sensor->due_ms = 0;
	sensor->swept = !sensor->ops->sweep;
}

static void sensor_load(struct process *process, struct sensor *sensor)
{
	sense_error err = {0};
	const struct sense_plugin *plugin = sense_plugin_load(process->config->plugins_dir, sensor->name, &err);
	if (plugin && plugin->size >= offsetof(struct sense_plugin, sensor) + sizeof plugin->sensor)
		sensor->ops = plugin->sensor;
	if (plugin && !sensor->ops)
		sense_fail(&err, SENSE_E_UNSUPPORTED, "host", "plugin '%s' is no sensor", sensor->name);
	if (sensor->ops)
		sensor_open(process, sensor);
	else
		sensor_failed(sensor, &err);
}

static void sensor_ready(struct process *process, struct sensor *sensor)
{
	(void)process;
	sense_error err = {0};
	struct pollfd more = {.fd = sensor->ops->fd(sensor->state), .events = POLLIN};
	for (unsigned i = 0; i < READY_TURNS; i++) {
		if (sensor->ops->ready(sensor->state, &err)) {
			sensor_failed(sensor, &err);
			return;
		}
		if (poll(&more, 1, 0) <= 0)
			return;
	}
}

static void sensor_sweep(struct process *process, struct sensor *sensor)
{
	sense_error err = {0};
	uint32_t wait_ms = 0;
	sense_pace_begin(&process->pace, sense_pace_cpu());
	enum sense_status status = sensor->ops->sweep(sensor->state, &wait_ms, &err);
	process->rests_ns = sense_pace_end(&process->pace, sense_pace_wall(), sense_pace_cpu());
	if (status) {
		sensor_failed(sensor, &err);
		return;
	}
	sensor->swept = sensor->swept || wait_ms;
	sensor->due_ms = wait_ms ? now_ms() + wait_ms : 0;
}

/* ---- the loop ------------------------------------------------------------------------------------ */

static bool sensor_has_fd(const struct sensor *sensor)
{
	return sensor->state && sensor->ops->fd && sensor->ops->ready;
}

/* A piece of slow work for each sensor that has some due. The time until the next. */
static unsigned sweeps(struct process *process)
{
	bool once = process->config->mode == SENSE_SENSOR_ONCE;
	uint64_t now = now_ms();
	unsigned wait = IDLE_MS;
	if (process->rests_ns)
		process->rests_ns = sense_pace_wait(&process->pace, sense_pace_wall());
	for (unsigned i = 0; i < process->count; i++) {
		struct sensor *sensor = &process->sensors[i];
		if (!sensor->ops || (once && sensor->swept) || (sensor->state && !sensor->ops->sweep))
			continue;
		/* In a scan one after the other: who listens is asked when it is known who runs. */
		if (once && i && !process->sensors[i - 1].swept)
			break;
		if (sensor->due_ms > now) {
			uint64_t left = sensor->due_ms - now;
			wait = left < wait ? (unsigned)left : wait;
			continue;
		}
		if (process->rests_ns && !once) {
			uint64_t rest = process->rests_ns / 1000000 + 1;
			wait = rest < wait ? (unsigned)rest : wait;
			continue;
		}
		if (!sensor->state)
			sensor_open(process, sensor);
		else
			sensor_sweep(process, sensor);
		if (!sensor->due_ms)
			wait = 0;
	}
	return wait;
}

static bool all_swept(const struct process *process)
{
	for (unsigned i = 0; i < process->count; i++)
		if (!process->sensors[i].swept)
			return false;
	return true;
}

/* Whoever holds the other end asks for sweeps that are not due yet; or is gone. */
static void life_look(struct process *process)
{
	char asked[16];
	ssize_t got = read(process->config->life, asked, sizeof asked);
	process->ended = !got || (got < 0 && errno != EAGAIN && errno != EINTR);
	for (unsigned i = 0; got > 0 && i < process->count; i++)
		if (process->sensors[i].state)
			process->sensors[i].due_ms = 0;
}

/* Waits for what comes in at once, and takes it. */
static void take(struct process *process, unsigned wait_ms)
{
	struct pollfd fds[SENSE_SENSORS_MAX + 2];
	struct sensor *of[SENSE_SENSORS_MAX + 2] = {NULL};
	struct sense_outbox *outbox = &sense_telling.outbox;
	unsigned count = 2;
	fds[0] = (struct pollfd){.fd = process->config->life, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = sense_outbox_waits(outbox) ? outbox->fd : -1, .events = POLLOUT};
	for (unsigned i = 0; i < process->count; i++) {
		struct sensor *sensor = &process->sensors[i];
		if (!sensor_has_fd(sensor))
			continue;
		of[count] = sensor;
		fds[count] = (struct pollfd){.fd = sensor->ops->fd(sensor->state), .events = POLLIN};
		count++;
	}
	if (poll(fds, count, (int)wait_ms) <= 0)
		return;
	if (fds[0].revents)
		life_look(process);
	if (fds[1].revents)
		sense_outbox_flush(outbox);
	for (unsigned i = 2; i < count; i++)
		if (fds[i].revents && sensor_has_fd(of[i]))
			sensor_ready(process, of[i]);
}

/* They change with networks; whose flow is whose depends on them. */
static void locals_look(struct sense_board *board)
{
	struct sense_addr locals[SENSE_BOARD_LOCALS];
	struct ifaddrs *all, *one;
	unsigned count = 0;
	if (getifaddrs(&all))
		return;
	for (one = all; one && count < SENSE_BOARD_LOCALS; one = one->ifa_next) {
		const struct sockaddr *addr = one->ifa_addr;
		if (addr && addr->sa_family == AF_INET6) {
			memcpy(locals[count++].bytes, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, 16);
		} else if (addr && addr->sa_family == AF_INET) {
			locals[count] = (struct sense_addr){.bytes = {[10] = 0xff, [11] = 0xff}};
			memcpy(locals[count++].bytes + 12,
			       &((const struct sockaddr_in *)(const void *)addr)->sin_addr, 4);
		}
	}
	freeifaddrs(all);
	sense_board_locals(board, locals, count);
}

static void upkeep(struct process *process)
{
	struct sense_board *board = process->config->board;
	uint64_t now = now_ms();
	sense_board_beat(board);
	if (now < process->expire_at_ms)
		return;
	process->expire_at_ms = now + 1000;
	sense_roster_expire(sense_telling.roster, sense_clock_us());
	locals_look(board);
	sense_board_gauge(board, "processes", sense_roster_count(sense_telling.roster));
	sense_board_gauge(board, "processes.refused", sense_roster_refused(sense_telling.roster));
	sense_board_gauge(board, "events.sent", sense_telling.outbox.sent);
	sense_board_gauge(board, "events.dropped", sense_telling.outbox.dropped);
	sense_board_gauge(board, "endpoints", sense_telling.attributed);
}

static void run(struct process *process)
{
	while (!process->ended) {
		unsigned wait = sweeps(process);
		upkeep(process);
		if (process->config->mode == SENSE_SENSOR_ONCE && all_swept(process))
			break;
		take(process, wait);
	}
	if (process->config->mode != SENSE_SENSOR_ONCE)
		return;
	sense_host_message_begin(&sense_telling.message, SENSE_HOST_END, sense_clock_us());
	sense_outbox_send(&sense_telling.outbox, &sense_telling.message);
}

static void process_close(struct process *process)
{
	for (unsigned i = 0; i < process->count; i++)
		if (process->sensors[i].state)
			process->sensors[i].ops->close(process->sensors[i].state);
	sense_roster_free(sense_telling.roster);
	sense_programs_free(sense_telling.programs);
	sense_outbox_fini(&sense_telling.outbox);
	free(process);
}

int sense_sensors_main(const struct sense_sensors_config *config)
{
	sense_error err = {0};
	struct process *process = calloc(1, sizeof *process);
	sense_telling = (struct sense_telling){
	    .config = config,
	    .roster = sense_roster_new(),
	    .programs = sense_programs_load(config->catalogue_dir, &err),
	    .outbox = {.fd = config->out, .patient = config->mode == SENSE_SENSOR_ONCE},
	};
	if (!process || !sense_telling.roster) {
		sense_log(SENSE_LOG_ERROR, "host", "no memory for the processes of this host");
		free(process);
		return EXIT_FAILURE;
	}
	if (!sense_telling.programs)
		sense_log(SENSE_LOG_ERROR, "host", "AI programs are not recognised: %s", err.message);
	sense_board_clear(config->board);
	process->config = config;
	process->host = sense_telling_host();
	sense_pace_init(&process->pace, (unsigned)sense_conf_number(config->conf, SENSE_CONF_HOST_CPU), BURST_NS,
	                sense_pace_wall());
	process->count = config->name_count < SENSE_SENSORS_MAX ? config->name_count : SENSE_SENSORS_MAX;
	for (unsigned i = 0; i < process->count; i++) {
		process->sensors[i].name = config->names[i];
		sensor_load(process, &process->sensors[i]);
	}
	run(process);
	process_close(process);
	return EXIT_SUCCESS;
}
