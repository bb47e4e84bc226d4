/*
 * sense-agent: the composition root. Reads the configuration, then either checks or prints what it
 * was given, or lets a supervised worker put plugins, catalogue, policies and engine together.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/cli/cli.h"
#include "core/cli/replay.h"
#include "core/conf/conf.h"
#include "core/engine/engine.h"
#include "core/plugin/loader.h"
#include "core/proc/seccomp.h"
#include "lua/conf_file.h"
#include "lua/policy.h"

#define RULES_MAX 65536u
#define UPDATE_EVERY_US (60u * 1000000u)
#define UPDATE_EVERY_KIB 1024u
#define PUBLISH_PACKETS 32768u
#define WORKER_MEMORY_BYTES ((uint64_t)4 << 30)
#define DEFAULT_CONFIG "/etc/sense/agent.lua"

/* ---- where things are ------------------------------------------------------------------------------ */

/*
 * Beside the program as it was built, or as `make install` lays it out: the first that exists of
 * DIR(program)/first and DIR(program)/second.
 */
static const char *beside_program(char out[PATH_MAX], const char *first, const char *second)
{
	char program[PATH_MAX / 2];
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
	if (len < 0)
		len = 0;
	program[len] = '\0';
	char *slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	snprintf(out, PATH_MAX, "%s/%s", program, first);
	if (access(out, F_OK))
		snprintf(out, PATH_MAX, "%s/%s", program, second);
	return out;
}

static const char *plugins_dir(const struct sense_conf *conf, char out[PATH_MAX])
{
	const char *set = sense_conf_text(conf, SENSE_CONF_PLUGINS_DIR);
	return *set ? set : beside_program(out, "plugins", "../lib/sense/plugins");
}

static const char *catalogue_dir(const struct sense_conf *conf, char out[PATH_MAX])
{
	const char *set = sense_conf_text(conf, SENSE_CONF_CATALOGUE_DIR);
	return *set ? set : beside_program(out, "policies/catalogue", "../share/sense/policies/catalogue");
}

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

/* ---- policies ------------------------------------------------------------------------------------------ */

static enum sense_status policies_read(const struct sense_conf *conf, const char *const *dirs,
                                       unsigned count, struct sense_policy_sources *sources,
                                       sense_error *err)
{
	char path[PATH_MAX];
	enum sense_status status = SENSE_OK;
	if (!count)
		dirs = sense_conf_list(conf, SENSE_CONF_POLICIES_DIRS, &count);
	if (!count)
		return sense_policy_read(
		    sources, beside_program(path, "policies", "../share/sense/policies"), err);
	for (unsigned i = 0; i < count && !status; i++) {
		unsigned before = sources->count;
		status = sense_policy_read(sources, dirs[i], err);
		if (!status && sources->count == before)
			status = sense_fail(err, SENSE_E_CONFIG, "policy", "%s: no policies (*.lua) there", dirs[i]);
	}
	return status;
}

/* mark: where the watchdog looks; NULL: nobody watches. */
static sense_lua *lua_new(const struct sense_conf *conf, union sense_mark *mark, sense_error *err)
{
	struct sense_lua_limits limits = {
	    .memory = sense_conf_number(conf, SENSE_CONF_RULES_MEMORY),
	    .soft_us = sense_conf_number(conf, SENSE_CONF_RULES_SOFT_LIMIT),
	    .load_us = sense_conf_number(conf, SENSE_CONF_RULES_LOAD_LIMIT),
	    .mark = mark,
	};
	return sense_lua_new(&limits, err);
}

/* `check`: loads the policies as a worker would, and says all that is wrong with them. */
static int check(const struct sense_conf *conf, const struct sense_cli *cli)
{
	sense_error err;
	struct sense_report report;
	struct sense_policy_sources sources;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	sense_ruleset *rules = sense_ruleset_new();
	sense_lua *lua = rules ? lua_new(conf, NULL, &err) : NULL;
	bool bad = !lua || policies_read(conf, cli->paths, cli->path_count, &sources, &err) ||
	           sense_policy_load(lua, &sources, rules, &report, &err) ||
	           sense_ruleset_compile(rules, &err);
	sense_report_print(&report, stderr);
	if (bad && !report.count)
		fprintf(stderr, "sense-agent: %s\n", err.message);
	else if (bad)
		fprintf(stderr, "sense-agent: %u problem%s\n", report.count, report.count == 1 ? "" : "s");
	else
		printf("no mistakes: %u rule%s in %u file%s\n", sense_ruleset_count(rules),
		       sense_ruleset_count(rules) == 1 ? "" : "s", sources.count,
		       sources.count == 1 ? "" : "s");
	sense_lua_free(lua);
	sense_ruleset_free(rules);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return bad ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}

/* ---- the worker ------------------------------------------------------------------------------------------ */

/* Everything that a worker puts together. */
struct station {
	const struct sense_conf *conf;
	const struct sense_cli *cli;
	struct sense_worker *worker;
	const struct sense_capture_ops *capture;
	const struct sense_classifier_ops *classifier;
	sense_catalogue *catalogue;
	sense_ruleset *rules;
	sense_lua *lua;
	sense_engine *engine;
	void *open_capture;
	uint64_t bytes_before; /* of the sources before the one being read */
	uint64_t published;    /* when counters were last told, in PUBLISH_PACKETS */
};

static void on_finding(void *self, const struct sense_finding *finding)
{
	sense_worker_finding(((struct station *)self)->worker, finding);
}

static void on_flow(void *self, const struct sense_flowrecord *record)
{
	sense_worker_flow(((struct station *)self)->worker, record);
}

static void on_script_error(void *self, const struct sense_rule *rule, const sense_error *err)
{
	(void)rule; /* the message names it, with file and line */
	sense_worker_log(((struct station *)self)->worker, SENSE_LOG_WARN, "rules", "%s", err->message);
}

static void counters_publish(struct station *station, const struct sense_engine_stats *s)
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
	    [SENSE_COUNT_ASSEMBLIES_DROPPED] = s->assemblies_dropped,
	    [SENSE_COUNT_OUT_OF_MEMORY] = s->out_of_memory,
	};
	for (unsigned i = 0; i < SENSE_COUNT_DROPPED; i++)
		sense_worker_count(station->worker, (enum sense_counter)i, values[i]);
	for (unsigned i = 0; i < sense_ruleset_count(station->rules); i++)
		sense_worker_rule_errors(station->worker, i, sense_engine_rule_errors(station->engine, i));
}

/* What a crash must not lose is told with each batch, before it is worked through; the rest seldom. */
static bool on_batch(void *self, const struct sense_engine_stats *stats)
{
	struct station *station = self;
	struct sense_worker *worker = station->worker;
	sense_worker_taken(worker, stats->packets, station->capture->position(station->open_capture));
	sense_worker_count(worker, SENSE_COUNT_PACKETS, stats->packets);
	sense_worker_count(worker, SENSE_COUNT_BYTES, stats->bytes);
	sense_worker_count(worker, SENSE_COUNT_FLOWS, stats->flows);
	sense_worker_count(worker, SENSE_COUNT_FINDINGS, stats->findings);
	sense_worker_flows_live(worker, stats->flows_live);
	if (stats->packets / PUBLISH_PACKETS != station->published) {
		struct sense_capture_progress progress = station->capture->progress(station->open_capture);
		station->published = stats->packets / PUBLISH_PACKETS;
		sense_worker_progress(worker, station->bytes_before + progress.done);
		counters_publish(station, stats);
	}
	return !sense_worker_stopping(worker);
}

static enum sense_status plugins_load(struct station *station, sense_error *err)
{
	char path[PATH_MAX];
	const char *dir = plugins_dir(station->conf, path);
	const struct sense_plugin *capture = sense_plugin_load(dir, "pcap", err);
	const struct sense_plugin *classifier = capture ? sense_plugin_load(dir, "ndpi", err) : NULL;
	if (!classifier)
		return err->status;
	station->capture = capture->capture;
	station->classifier = classifier->classifier;
	if (!station->capture || !station->classifier)
		return sense_fail(err, SENSE_E_UNSUPPORTED, "plugin", "%s: '%s' does not offer what its name says",
		                  dir, station->capture ? "ndpi" : "pcap");
	return SENSE_OK;
}

static enum sense_status rules_load(struct station *station, sense_error *err)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	const struct sense_cli *cli = station->cli;
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	enum sense_status status = SENSE_OK;
	if (!cli->no_policies)
		status = policies_read(station->conf, cli->policies, cli->policy_count, &sources, err);
	if (!status)
		status = sense_policy_load(station->lua, &sources, station->rules, &report, err);
	if (!status)
		status = sense_ruleset_compile(station->rules, err);
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++) {
		sense_error problem = {.subsystem = "policy"};
		sense_problem_format(&report.items[i], problem.message, sizeof problem.message);
		sense_worker_fail(station->worker, &problem);
	}
	for (unsigned i = 0; !status && i < sense_ruleset_count(station->rules); i++)
		sense_worker_rule(station->worker, i, sense_ruleset_get(station->rules, i)->id);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
	return status;
}

static enum sense_status engine_start(struct station *station, struct sense_throttle *throttle,
                                      sense_error *err)
{
	const struct sense_conf *conf = station->conf;
	struct sense_shared *shared = station->worker->shared;
	enum sense_status status = sense_throttle_attach(throttle, shared->extra, shared->extra_bytes, err);
	if (status)
		return status;
	struct sense_engine_config config = {
	    .classifier = station->classifier,
	    .catalogue = station->catalogue,
	    .rules = station->rules,
	    .script = sense_lua_script(station->lua),
	    .throttle = throttle,
	    .quarantine = shared->quarantine,
	    .sink = {.self = station,
	             .finding = on_finding,
	             .flow = on_flow,
	             .script_error = on_script_error,
	             .batch = on_batch},
	    .observed_too = station->cli->observed,
	    .max_flows = (uint32_t)sense_conf_number(conf, SENSE_CONF_FLOW_MAX),
	    .max_names = (uint32_t)sense_conf_number(conf, SENSE_CONF_NAMES_CACHE),
	    .idle_timeout_us = sense_conf_number(conf, SENSE_CONF_FLOW_IDLE_TIMEOUT),
	    .update_every_us = UPDATE_EVERY_US,
	    .update_every_kib = UPDATE_EVERY_KIB,
	};
	if (station->cli->json && !station->cli->flows)
		config.sink.flow = NULL; /* findings alone were asked for */
	else
		config.hit_flows_only = !station->cli->flows; /* the table adds up their bytes */
	station->engine = sense_engine_new(&config, err);
	return station->engine ? SENSE_OK : err->status;
}

static enum sense_status station_open(struct station *station, struct sense_throttle *throttle,
                                      sense_error *err)
{
	char path[PATH_MAX];
	enum sense_status status = plugins_load(station, err);
	if (status)
		return status;
	station->catalogue = sense_catalogue_load(catalogue_dir(station->conf, path), err);
	if (!station->catalogue)
		return err->status;
	station->rules = sense_ruleset_new();
	station->lua = station->rules ? lua_new(station->conf, &station->worker->shared->page->call, err) : NULL;
	if (!station->lua)
		return station->rules ? err->status
		                      : sense_fail(err, SENSE_E_MEMORY, "rules", "no memory for the rules");
	status = rules_load(station, err);
	return status ? status : engine_start(station, throttle, err);
}

static void station_close(struct station *station)
{
	sense_engine_free(station->engine);
	sense_lua_free(station->lua);
	sense_ruleset_free(station->rules);
	sense_catalogue_free(station->catalogue);
}

static void source_read(struct station *station, unsigned number)
{
	sense_error err;
	struct sense_worker *worker = station->worker;
	const struct sense_source *source = &worker->sources[number];
	uint64_t from = number == worker->first_source ? worker->first_position : 0;
	sense_worker_source(worker, number, from);
	if (station->capture->open(sense_plugin_host(), source->name, source->fd, from,
	                           &station->open_capture, &err)) {
		sense_worker_fail(worker, &err);
		return;
	}
	if (sense_engine_run(station->engine, station->capture, station->open_capture, source->name, &err))
		sense_worker_fail(worker, &err);
	station->bytes_before += station->capture->progress(station->open_capture).total;
	station->capture->close(station->open_capture);
	station->open_capture = NULL;
}

static int worker_main(void *context, struct sense_worker *worker)
{
	sense_error err;
	struct sense_throttle throttle;
	struct station station = *(struct station *)context;
	station.worker = worker;
	sense_worker_phase(worker, SENSE_PHASE_LOAD);
	enum sense_status status = station_open(&station, &throttle, &err);
	if (!status)
		status = sense_worker_lockdown(worker, WORKER_MEMORY_BYTES, &err);
	if (status) {
		sense_worker_fail(worker, &err);
		sense_worker_flush(worker);
		station_close(&station);
		return SENSE_EXIT_FAILED;
	}
	sense_worker_phase(worker, SENSE_PHASE_RUN);
	for (unsigned i = worker->first_source; i < worker->source_count; i++)
		if (!sense_worker_stopping(worker))
			source_read(&station, i);
	sense_worker_phase(worker, SENSE_PHASE_DRAIN);
	sense_engine_finish(station.engine);
	counters_publish(&station, sense_engine_stats(station.engine));
	sense_worker_flush(worker);
	sense_worker_phase(worker, SENSE_PHASE_DONE);
	station_close(&station);
	return SENSE_EXIT_OK;
}

/* ---- commands -------------------------------------------------------------------------------------------- */

static int replay(const struct sense_conf *conf, const struct sense_cli *cli)
{
	sense_error err;
	struct sense_shared shared;
	unsigned entries = (unsigned)sense_conf_number(conf, SENSE_CONF_THROTTLE_ENTRIES);
	if (sense_shared_new(&shared, RULES_MAX, sense_throttle_bytes(entries), &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		return SENSE_EXIT_FAILED;
	}
	struct station station = {.conf = conf, .cli = cli};
	struct sense_replay run = {
	    .cli = cli,
	    .shared = &shared,
	    .worker_main = worker_main,
	    .worker_context = &station,
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
