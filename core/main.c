/*
 * sense-agent: the composition root. Reads the configuration, then either checks or prints what it
 * was given, or lets a supervised worker put plugins, catalogue, policies and engine together.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/cli/cli.h"
#include "core/cli/replay.h"
#include "core/conf/units.h"
#include "core/plugin/loader.h"
#include "core/proc/seccomp.h"
#include "lua/conf_file.h"
#include "lua/station.h"

#define PUBLISH_PACKETS 32768u
#define ERROR_PACKETS 1024u /* rules fail: told sooner, a crash would lose the counts */
#define WORKER_MEMORY_BYTES ((uint64_t)4 << 30)
#define DEFAULT_CONFIG "/etc/sense/agent.lua"

/* ---- configuration ---------------------------------------------------------------------------------- */

static enum sense_status conf_load(struct sense_conf *conf, const struct sense_cli *cli,
                                   struct sense_report *report, sense_error *err)
{
	enum sense_status status = sense_conf_init(conf, err);
	if (status)
		return status;
	const char *file = cli->config_file;
	if (!file && !access(DEFAULT_CONFIG, R_OK))
		file = DEFAULT_CONFIG;
	/* Every source is read even when one is wrong, so that one run tells all there is to mend. */
	if (file)
		status = sense_conf_file_load(conf, file, report, err);
	enum sense_status environment = sense_conf_environment(conf, environ, report, err);
	status = status ? status : environment;
	for (unsigned i = 0; i < cli->set_count; i++) {
		char name[64];
		const char *value = strchr(cli->sets[i], '=');
		sense_error set_err;
		snprintf(name, sizeof name, "%.*s", (int)(value - cli->sets[i]), cli->sets[i]);
		if (!sense_conf_set(conf, name, value + 1, "command line", &set_err))
			continue;
		struct sense_problem problem = {.key = name, .message = set_err.message};
		sense_report_add(report, &problem);
		status = sense_fail(err, SENSE_E_CONFIG, "conf", "the configuration is not valid");
	}
	if (!status)
		sense_log_setup((enum sense_log_level)sense_conf_number(conf, SENSE_CONF_LOG_LEVEL),
		                (enum sense_log_format)sense_conf_number(conf, SENSE_CONF_LOG_FORMAT));
	return status;
}

/* ---- check --------------------------------------------------------------------------------------------- */

/* `check`: loads the policies as a worker would, and says all that is wrong with them. */
static int check(const struct sense_conf *conf, const struct sense_cli *cli)
{
	sense_error err;
	struct sense_report report;
	struct sense_policy_sources sources;
	struct sense_station station = {.conf = conf};
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	bool bad = sense_station_read(&station, cli->paths, cli->path_count, &sources, &err) ||
	           sense_station_rules(&station, &sources, NULL, &report, &err);
	sense_report_print(&report, stderr);
	if (bad && !report.count)
		fprintf(stderr, "sense-agent: %s\n", err.message);
	else if (bad)
		fprintf(stderr, "sense-agent: %u problem%s\n", report.count, report.count == 1 ? "" : "s");
	else
		printf("no mistakes: %u rule%s in %u file%s\n", sense_ruleset_count(station.rules),
		       sense_ruleset_count(station.rules) == 1 ? "" : "s", sources.count,
		       sources.count == 1 ? "" : "s");
	sense_station_close(&station);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return bad ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}

/* ---- the worker ------------------------------------------------------------------------------------------ */

/* A worker at work. */
struct shift {
	struct sense_station station;
	const struct sense_cli *cli;
	struct sense_worker *worker;
	void *capture;         /* the one being read */
	uint64_t bytes_before; /* of the sources before it */
	uint64_t published;    /* when counters were last told, in PUBLISH_PACKETS */
	struct sense_state state; /* what rules count over time */
	struct sense_activities activities;
	uint64_t errors_told;  /* script errors then, and when, in ERROR_PACKETS */
	uint64_t errors_at;
	uint64_t suspended;    /* rules, each time */
	uint64_t idle[SENSE_RULES_MAX / 64]; /* rules in quarantine, and suspended ones */
};

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
	    [SENSE_COUNT_STATE_ENTRIES] = shift->state.entries,
	    [SENSE_COUNT_STATE_EVICTED] = shift->state.evicted,
	    [SENSE_COUNT_RULES_SUSPENDED] = shift->suspended,
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
		sense_worker_log(shift->worker, SENSE_LOG_INFO, "rules", "rule %s goes on after its suspension", id);
		return;
	}
	shift->suspended++;
	sense_worker_count(shift->worker, SENSE_COUNT_RULES_SUSPENDED, shift->suspended);
	rule_publish(shift, number);
	sense_duration_format((double)sense_conf_number(conf, SENSE_CONF_RULES_BUDGET_WINDOW) / 1e6, window,
	                      sizeof window);
	sense_duration_format((double)span_us / 1e6, span, sizeof span);
	sense_worker_log(shift->worker, SENSE_LOG_WARN, "rules",
	                 "rule %s used %.0f %% of the CPU time of the last %s (limit %llu %%): suspended for %s of CPU "
	                 "time",
	                 id, share, window,
	                 (unsigned long long)sense_conf_number(conf, SENSE_CONF_RULES_BUDGET), span);
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
	sense_lua_budget(shift->station.lua, shift->idle, on_budget, shift);
	bool failed = stats->script_errors != shift->errors_told && stats->packets / ERROR_PACKETS != shift->errors_at;
	if (failed || stats->packets / PUBLISH_PACKETS != shift->published) {
		struct sense_capture_progress progress = ops->progress(shift->capture);
		shift->published = stats->packets / PUBLISH_PACKETS;
		sense_worker_progress(worker, shift->bytes_before + progress.done);
		counters_publish(shift, stats);
	}
	return !sense_worker_stopping(worker);
}

static enum sense_status rules_load(struct shift *shift, sense_error *err)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	struct sense_station *station = &shift->station;
	const struct sense_cli *cli = shift->cli;
	enum sense_status status = SENSE_OK;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	if (!cli->no_policies)
		status = sense_station_read(station, cli->policies, cli->policy_count, &sources, err);
	if (!status)
		status = sense_station_rules(station, &sources, &shift->worker->shared->page->call, &report, err);
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++) {
		sense_error problem = {.subsystem = "policy"};
		sense_problem_format(&report.items[i], problem.message, sizeof problem.message);
		sense_worker_fail(shift->worker, &problem);
	}
	for (unsigned i = 0; !status && i < sense_ruleset_count(station->rules); i++)
		sense_worker_rule(shift->worker, i, sense_ruleset_get(station->rules, i)->id);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return status;
}

static enum sense_status engine_start(struct shift *shift, struct sense_throttle *throttle, sense_error *err)
{
	const struct sense_cli *cli = shift->cli;
	struct sense_shared *shared = shift->worker->shared;
	struct sense_memory_plan plan;
	sense_station_memory(shift->station.conf, &plan);
	memcpy(shift->idle, shared->quarantine, sizeof shift->idle);
	enum sense_status status =
	    sense_throttle_attach(throttle, sense_memory_of(&plan, shared->extra, SENSE_MEMORY_THROTTLE),
	                          plan.bytes[SENSE_MEMORY_THROTTLE], err);
	if (!status)
		status = sense_state_attach(
		    &shift->state, sense_memory_of(&plan, shared->extra, SENSE_MEMORY_STATE),
		    plan.bytes[SENSE_MEMORY_STATE],
		    (unsigned)sense_conf_number(shift->station.conf, SENSE_CONF_STATE_PER_POLICY), err);
	if (!status)
		status = sense_activities_attach(
		    &shift->activities, sense_memory_of(&plan, shared->extra, SENSE_MEMORY_ACTIVITY),
		    plan.bytes[SENSE_MEMORY_ACTIVITY],
		    sense_conf_number(shift->station.conf, SENSE_CONF_ACTIVITY_HALF_LIFE), err);
	if (status)
		return status;
	sense_lua_remember(shift->station.lua, &shift->state);
	struct sense_engine_config how = {
	    .throttle = throttle,
	    .activities = &shift->activities,
	    .quarantine = shift->idle,
	    .sink = {.self = shift,
	             .finding = on_finding,
	             .flow = on_flow,
	             .script_error = on_script_error,
	             .batch = on_batch},
	    .observed_too = cli->observed,
	};
	if (cli->json && !cli->flows)
		how.sink.flow = NULL; /* findings alone were asked for */
	else
		how.hit_flows_only = !cli->flows; /* the table adds up their bytes */
	return sense_station_engine(&shift->station, &how, err);
}

static enum sense_status shift_begin(struct shift *shift, struct sense_throttle *throttle, sense_error *err)
{
	enum sense_status status = sense_station_plugins(&shift->station, err);
	if (!status)
		status = sense_station_catalogue(&shift->station, err);
	if (!status)
		status = rules_load(shift, err);
	return status ? status : engine_start(shift, throttle, err);
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

static int worker_main(void *context, struct sense_worker *worker)
{
	sense_error err;
	struct sense_throttle throttle;
	struct shift shift = *(struct shift *)context;
	shift.worker = worker;
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	enum sense_status status = shift_begin(&shift, &throttle, &err);
	if (!status)
		status = sense_worker_lockdown(worker, WORKER_MEMORY_BYTES, &err);
	if (status) {
		sense_worker_fail(worker, &err);
		sense_worker_flush(worker);
		sense_station_close(&shift.station);
		return SENSE_EXIT_FAILED;
	}
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (unsigned i = worker->first_source; i < worker->source_count; i++)
		if (!sense_worker_stopping(worker))
			source_read(&shift, i);
	sense_worker_phase(worker, SENSE_PHASE_DRAIN);
	sense_engine_finish(shift.station.engine);
	counters_publish(&shift, sense_engine_stats(shift.station.engine));
	sense_worker_flush(worker);
	sense_worker_phase(worker, SENSE_PHASE_DONE);
	sense_station_close(&shift.station);
	return SENSE_EXIT_OK;
}

/* ---- commands -------------------------------------------------------------------------------------------- */

static int replay(const struct sense_conf *conf, const struct sense_cli *cli)
{
	sense_error err;
	struct sense_shared shared;
	struct sense_memory_plan plan;
	sense_station_memory(conf, &plan);
	if (sense_shared_new(&shared, SENSE_RULES_MAX, plan.total, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		return SENSE_EXIT_FAILED;
	}
	struct shift shift = {.station.conf = conf, .cli = cli};
	struct sense_replay run = {
	    .cli = cli,
	    .shared = &shared,
	    .worker_main = worker_main,
	    .worker_context = &shift,
	    .limits = {.call_cpu_ms =
	                   (unsigned)(sense_conf_number(conf, SENSE_CONF_RULES_HARD_LIMIT) / 1000)},
	};
	int code = sense_replay_run(&run);
	sense_shared_free(&shared);
	return code;
}

static int command(const struct sense_cli *cli)
{
	sense_error err;
	struct sense_conf conf;
	struct sense_report report;
	sense_report_init(&report);
	int code = SENSE_EXIT_FAILED;
	if (conf_load(&conf, cli, &report, &err)) {
		sense_report_print(&report, stderr);
		if (!report.count)
			fprintf(stderr, "sense-agent: %s\n", err.message);
		goto out;
	}
	switch (cli->command) {
	case SENSE_CLI_REPLAY:
		code = replay(&conf, cli);
		break;
	case SENSE_CLI_CHECK:
		code = check(&conf, cli);
		break;
	case SENSE_CLI_CONFIG:
		sense_conf_print(&conf, stdout);
		code = SENSE_EXIT_OK;
		break;
	}
out:
	sense_conf_fini(&conf);
	sense_report_fini(&report);
	return code;
}

int main(int argc, char **argv)
{
	struct sense_cli cli;
	signal(SIGPIPE, SIG_IGN);
	tzset(); /* while files can be read */
	sense_hash_seed(); /* drawn once, before there are workers: all hash alike */
	sense_log_setup(SENSE_LOG_INFO, SENSE_LOG_AUTO);
	int code = sense_cli_parse(argc, argv, &cli);
	if (code < 0)
		code = command(&cli);
	sense_cli_fini(&cli);
	if (fflush(stdout) && code == SENSE_EXIT_OK && errno != EPIPE)
		code = SENSE_EXIT_FAILED;
	return code;
}
