#include "lua/shift.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/conf/units.h"
#include "core/host/intake.h"
#include "core/host/keeper.h"
#include "core/plugin/loader.h"
#include "core/proc/lockdown.h"
#include "lua/standby.h"

#define PUBLISH_PACKETS 32768u
#define ERROR_PACKETS 1024u /* rules fail: told sooner, a crash would lose the counts */
#define IDLE_MS 100 /* how soon a worker without packets notices that it has new policies */
#define INTAKE_BATCHES 8u /* events of the host are looked for at each such batch of packets ... */
#define INTAKE_EVENTS 64u /* ... and so many of them taken */
#define CLOCK_BATCHES 256u
#define WORKER_MEMORY_BYTES ((uint64_t)4 << 30)

struct shift {
	const struct sense_shift_config *config;
	struct sense_worker *worker;
	struct sense_station station;
	struct sense_reloader reloader;
	struct sense_memory memory; /* lies in what outlives this worker */
	void *capture;         /* the one being read */
	uint64_t bytes_before; /* of the sources before it */
	uint64_t published;    /* when counters were last told, in PUBLISH_PACKETS */
	uint64_t errors_told;  /* script errors then, and when, in ERROR_PACKETS */
	uint64_t errors_at;
	uint64_t suspended; /* rules, each time */
	uint64_t batches;
	struct sense_intake intake;
};

/* ---- what is told ---------------------------------------------------------------------------- */

static void on_finding(void *self, const struct sense_finding *finding)
{
	sense_worker_finding(((struct shift *)self)->worker, finding);
}

static void on_flow(void *self, const struct sense_flowrecord *record)
{
	sense_worker_flow(((struct shift *)self)->worker, record);
}

static void on_script_error(void *self, const struct sense_rule *rule, const sense_error *err)
{
	(void)rule; /* the message names it, with file and line */
	sense_worker_log(((struct shift *)self)->worker, SENSE_LOG_WARN, "rules", "%s", err->message);
}

static void rule_publish(struct shift *shift, unsigned number)
{
	const struct sense_station *station = &shift->station;
	const struct sense_rule_stats *stats = sense_engine_rule_stats(station->engine, number);
	if (!stats->matched && !stats->skipped)
		return;
	const struct sense_rule_counts counts = {
	    .matched = stats->matched,
	    .held = stats->held,
	    .findings = stats->findings,
	    .suppressed = stats->suppressed,
	    .errors = stats->errors,
	    .skipped = stats->skipped,
	    .suspended = sense_lua_rule_suspended(station->lua, number),
	    .cpu_us = sense_lua_rule_cpu_us(station->lua, number),
	    .last_ts = stats->last_ts,
	};
	sense_worker_rule_counts(shift->worker, number, &counts);
}

static void counters_publish(struct shift *shift, const struct sense_engine_stats *s)
{
	const uint64_t values[SENSE_COUNTER_COUNT] = {
	    [SENSE_COUNT_PACKETS] = s->packets,
	    [SENSE_COUNT_BYTES] = s->bytes,
	    [SENSE_COUNT_FIRST_TS] = s->first_ts,
	    [SENSE_COUNT_LAST_TS] = s->last_ts,
	    [SENSE_COUNT_FLOWS] = s->flows,
	    [SENSE_COUNT_FLOWS_EVICTED] = s->flows_evicted,
	    [SENSE_COUNT_FLOWS_EXPIRED] = s->flows_expired,
	    [SENSE_COUNT_FLOWS_PEAK] = s->flows_peak,
	    [SENSE_COUNT_NOT_IP] = s->not_ip,
	    [SENSE_COUNT_TRUNCATED] = s->truncated,
	    [SENSE_COUNT_MALFORMED] = s->malformed,
	    [SENSE_COUNT_UNKNOWN_LINK] = s->unknown_link,
	    [SENSE_COUNT_FRAGMENTS] = s->fragments,
	    [SENSE_COUNT_FRAGMENTS_LOST] = s->fragments_lost,
	    [SENSE_COUNT_CLASSIFIED] = s->classified,
	    [SENSE_COUNT_HELLOS] = s->hellos,
	    [SENSE_COUNT_HELLOS_MISSED] = s->hellos_missed,
	    [SENSE_COUNT_HTTP_REQUESTS] = s->http_requests,
	    [SENSE_COUNT_DNS_MESSAGES] = s->dns_messages,
	    [SENSE_COUNT_EVENTS] = s->events,
	    [SENSE_COUNT_SCRIPT_CALLS] = s->script_calls,
	    [SENSE_COUNT_SCRIPT_ERRORS] = s->script_errors,
	    [SENSE_COUNT_FINDINGS] = s->findings,
	    [SENSE_COUNT_SUPPRESSED] = s->suppressed,
	    [SENSE_COUNT_OBSERVED] = s->observed,
	    [SENSE_COUNT_ACTIVITIES] = s->activities,
	    [SENSE_COUNT_ACTIVITIES_EVICTED] = s->activities_evicted,
	    [SENSE_COUNT_ACTIVITY_EVENTS] = s->activity_events,
	    [SENSE_COUNT_ACTIVITIES_UNTOLD] = s->activities_untold,
	    [SENSE_COUNT_ASSEMBLIES_DROPPED] = s->assemblies_dropped,
	    [SENSE_COUNT_OUT_OF_MEMORY] = s->out_of_memory,
	    [SENSE_COUNT_STATE_ENTRIES] = shift->memory.state.entries,
	    [SENSE_COUNT_STATE_EVICTED] = shift->memory.state.evicted,
	    [SENSE_COUNT_RULES_SUSPENDED] = shift->suspended,
	    [SENSE_COUNT_HOST_EVENTS] = shift->intake.taken,
	    [SENSE_COUNT_HOST_MALFORMED] = shift->intake.malformed,
	    [SENSE_COUNT_ATTRIBUTED] = s->attributed,
	    [SENSE_COUNT_UNATTRIBUTED] = s->unattributed,
	};
	for (unsigned i = 0; i < SENSE_COUNT_DROPPED; i++)
		sense_worker_count(shift->worker, (enum sense_counter)i, values[i]);
	shift->errors_told = s->script_errors;
	shift->errors_at = s->packets / ERROR_PACKETS;
	for (unsigned i = 0; i < sense_ruleset_count(shift->station.rules); i++)
		rule_publish(shift, i);
}

static void on_budget(void *self, unsigned number, double share, uint64_t span_us)
{
	struct shift *shift = self;
	const struct sense_conf *conf = shift->station.conf;
	const char *id = sense_ruleset_get(shift->station.rules, number)->id;
	char window[64], span[64];
	if (!span_us) {
		sense_worker_log(shift->worker, SENSE_LOG_INFO, "rules", "rule %s goes on after its suspension",
		                 id);
		return;
	}
	shift->suspended++;
	sense_worker_count(shift->worker, SENSE_COUNT_RULES_SUSPENDED, shift->suspended);
	rule_publish(shift, number);
	sense_duration_format((double)sense_conf_number(conf, SENSE_CONF_RULES_BUDGET_WINDOW) / 1e6, window,
	                      sizeof window);
	sense_duration_format((double)span_us / 1e6, span, sizeof span);
	sense_worker_log(shift->worker, SENSE_LOG_WARN, "rules",
	                 "rule %s used %.0f %% of the CPU time of the last %s (limit %llu %%): suspended for %s "
	                 "of CPU time",
	                 id, share, window,
	                 (unsigned long long)sense_conf_number(conf, SENSE_CONF_RULES_BUDGET), span);
}

/* ---- between events -------------------------------------------------------------------------- */

/* One step of loading new policies. They go to work between two events. */
static void reload_step(struct shift *shift)
{
	if (!sense_reloader_step(&shift->reloader))
		return;
	counters_publish(shift, sense_engine_stats(shift->station.engine));
	sense_reloader_swap(&shift->reloader);
}

/* False: there may be more. */
static bool intake_take(struct shift *shift)
{
	for (unsigned i = 0; i < INTAKE_EVENTS; i++) {
		const struct sense_host_event *event = sense_intake_next(&shift->intake);
		if (!event)
			return true;
		if (shift->config->host_events)
			sense_worker_host_event(shift->worker, shift->intake.data, shift->intake.len);
		sense_engine_event(shift->station.engine, (enum sense_event_kind)event->kind, event->ts_us,
		                   &event->given);
	}
	return false;
}

/* The source is silent. The time until the next look, in milliseconds. */
static int on_idle(void *self)
{
	struct shift *shift = self;
	bool due = sense_reloader_due(&shift->reloader);
	bool all = !shift->station.engine || intake_take(shift);
	if (due)
		reload_step(shift);
	if (shift->config->live && shift->station.engine)
		sense_engine_clock(shift->station.engine, sense_clock_us());
	if (!due && shift->station.engine)
		counters_publish(shift, sense_engine_stats(shift->station.engine));
	if (!sense_worker_flush(shift->worker) || sense_worker_stopping(shift->worker) || shift->intake.ended)
		return -1;
	return due || !all ? 0 : IDLE_MS;
}

/* What a crash must not lose is told with each batch, before it is worked through; the rest seldom. */
static bool on_batch(void *self, const struct sense_engine_stats *stats)
{
	struct shift *shift = self;
	struct sense_worker *worker = shift->worker;
	const struct sense_capture_ops *ops = shift->station.capture;
	sense_worker_taken(worker, stats->packets, ops->position(shift->capture));
	sense_worker_count(worker, SENSE_COUNT_PACKETS, stats->packets);
	sense_worker_count(worker, SENSE_COUNT_BYTES, stats->bytes);
	sense_worker_count(worker, SENSE_COUNT_FLOWS, stats->flows);
	sense_worker_count(worker, SENSE_COUNT_FINDINGS, stats->findings);
	sense_worker_flows_live(worker, stats->flows_live);
	sense_lua_budget(shift->station.lua, shift->reloader.quarantine, on_budget, shift);
	bool failed = stats->script_errors != shift->errors_told &&
	              stats->packets / ERROR_PACKETS != shift->errors_at;
	if (failed || stats->packets / PUBLISH_PACKETS != shift->published) {
		struct sense_capture_progress progress = ops->progress(shift->capture);
		shift->published = stats->packets / PUBLISH_PACKETS;
		sense_worker_progress(worker, shift->bytes_before + progress.done);
		counters_publish(shift, stats);
	}
	if (sense_reloader_due(&shift->reloader))
		reload_step(shift);
	shift->batches++;
	if (shift->intake.fd >= 0 && shift->batches % INTAKE_BATCHES == 0)
		intake_take(shift);
	if (shift->config->live && shift->batches % CLOCK_BATCHES == 0)
		sense_engine_clock(shift->station.engine, sense_clock_us());
	return !sense_worker_stopping(worker);
}

/* ---- the shift ------------------------------------------------------------------------------- */

static enum sense_status engine_start(struct shift *shift, sense_error *err)
{
	const struct sense_shift_config *wanted = shift->config;
	const struct sense_engine_config how = {
	    .quarantine = shift->reloader.quarantine,
	    .sink = {.self = shift,
	             .finding = on_finding,
	             .flow = wanted->flows ? on_flow : NULL,
	             .script_error = on_script_error,
	             .batch = on_batch},
	    .observed_too = wanted->observed_too,
	    .hit_flows_only = !wanted->all_flows,
	};
	return sense_station_engine(&shift->station, &how, err);
}

static enum sense_status shift_begin(struct shift *shift, sense_error *err)
{
	enum sense_status status = sense_station_plugins(&shift->station, err);
	if (!status)
		status = sense_station_catalogue(&shift->station, err);
	if (!status)
		status = sense_station_remember(&shift->station, &shift->memory,
		                                shift->worker->shared->extra, err);
	if (!status)
		status = sense_reloader_first(&shift->reloader, err);
	return status ? status : engine_start(shift, err);
}

static void source_read(struct shift *shift, unsigned number)
{
	sense_error err;
	struct sense_worker *worker = shift->worker;
	const struct sense_capture_ops *ops = shift->station.capture;
	const struct sense_source *source = &worker->sources[number];
	uint64_t from = number == worker->first_source ? worker->first_position : 0;
	sense_worker_source(worker, number, from);
	if (ops->open(sense_plugin_host(), source->name, source->fd, from, &shift->capture, &err)) {
		sense_worker_fail(worker, &err);
		return;
	}
	if (sense_engine_run(shift->station.engine, ops, shift->capture, source->name, &err))
		sense_worker_fail(worker, &err);
	shift->bytes_before += ops->progress(shift->capture).total;
	ops->close(shift->capture);
	shift->capture = NULL;
}

int sense_shift_main(void *context, struct sense_worker *worker)
{
	sense_error err;
	const struct sense_shift_config *config = context;
	struct shift shift = {
	    .config = config,
	    .worker = worker,
	    .station = {.conf = config->conf,
	                .capture_plugin = config->capture,
	                .board = worker->host ? worker->host->board : NULL},
	    .intake = {.fd = worker->host ? worker->host->fd : -1},
	};
	const struct sense_plugin_idle idle = {.self = &shift, .work = on_idle, .fd = shift.intake.fd};
	shift.reloader = (struct sense_reloader){.station = &shift.station, .worker = worker};
	sense_plugin_on_idle(&idle);
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	enum sense_status status = shift_begin(&shift, &err);
	if (!status)
		status = sense_worker_lockdown(worker, WORKER_MEMORY_BYTES, &err);
	if (status) {
		sense_worker_fail(worker, &err);
		sense_worker_flush(worker);
		sense_reloader_close(&shift.reloader);
		sense_station_close(&shift.station);
		return EXIT_FAILURE;
	}
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (unsigned i = worker->first_source; i < worker->source_count; i++)
		if (!sense_worker_stopping(worker))
			source_read(&shift, i);
	if (shift.intake.fd >= 0 && !sense_worker_stopping(worker))
		sense_plugin_idle_run(&idle);
	sense_worker_phase(worker, SENSE_PHASE_DRAIN);
	sense_engine_finish(shift.station.engine);
	counters_publish(&shift, sense_engine_stats(shift.station.engine));
	sense_worker_flush(worker);
	sense_worker_phase(worker, SENSE_PHASE_DONE);
	sense_station_close(&shift.station);
	sense_reloader_close(&shift.reloader);
	return EXIT_SUCCESS;
}
