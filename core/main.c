/*
 * sense-agent: the composition root. Reads the configuration, then either checks or prints what it
 * was given, or lets a supervised worker put plugins, catalogue, policies and engine together.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/signals.h"
#include "core/cli/cli.h"
#include "core/cli/enroll.h"
#include "core/cli/findings.h"
#include "core/cli/pass.h"
#include "core/cli/replay.h"
#include "core/cli/run.h"
#include "core/cli/status.h"
#include "core/host/capture.h"
#include "core/link/managed.h"
#include "core/platform/platform.h"
#include "lua/conf_dir.h"
#include "lua/shift.h"
#include "lua/station.h"
#include "lua/tools/tools.h"

/* ---- configuration ---------------------------------------------------------------------------------- */

static enum sense_status conf_load(struct sense_conf *conf, const struct sense_cli *cli,
                                   struct sense_report *report, sense_error *err)
{
	const struct sense_conf_given given = {cli->config_file, cli->sets, cli->set_count};
	enum sense_status status = sense_conf_load(conf, &sense_agent_conf, &given, report, err);
	if (!status)
		sense_log_setup((enum sense_log_level)sense_conf_number(conf, SENSE_CONF_LOG_LEVEL),
		                (enum sense_log_format)sense_conf_number(conf, SENSE_CONF_LOG_FORMAT));
	return status;
}

/* ---- commands -------------------------------------------------------------------------------------------- */

/* What a run reads its policies from, now and at each reload. */
struct policies_source {
	const struct sense_conf *conf;
	const struct sense_cli *cli;
};

/* Those of the fleet's server stand in for all others, unless the command line names some. */
static enum sense_status managed_read(const struct policies_source *source, struct sense_bundle *out, sense_error *err)
{
	struct sense_manifest manifest;
	if (source->cli->command != SENSE_CLI_RUN || source->cli->policy_count ||
	    sense_conf_number(source->conf, SENSE_CONF_UPLINK_ENABLED))
		return SENSE_E_NOTFOUND;
	return sense_managed_read(sense_conf_text(source->conf, SENSE_CONF_AGENT_DIR), &manifest, out, err);
}

static enum sense_status policies_read(void *self, struct sense_bundle *out, sense_error *err)
{
	const struct policies_source *source = self;
	const struct sense_cli *cli = source->cli;
	struct sense_station station = {.conf = source->conf};
	struct sense_policy_sources sources;
	enum sense_status status = managed_read(source, out, err);
	if (status != SENSE_E_NOTFOUND)
		return status;
	status = SENSE_OK;
	sense_policy_sources_init(&sources);
	if (!cli->no_policies)
		status = sense_station_read(&station, cli->policies, cli->policy_count, &sources, err);
	for (unsigned i = 0; !status && i < sources.count; i++) {
		const struct sense_policy_source *one = &sources.items[i];
		sense_bundle_add(out, &(struct sense_bundle_item){one->file, one->name, one->text, one->len});
	}
	sense_policy_sources_fini(&sources);
	return status;
}

/* What every run of a worker needs. */
struct assembly {
	struct sense_crew crew;
	struct policies_source policies_of;
	struct sense_policies policies;
	struct sense_shift_config shift;
	char last_good[PATH_MAX];
};

/* A service has defaults of its own: it keeps the last good policies, and answers at the usual socket. */
static void service_defaults(struct assembly *a, const struct sense_conf *conf)
{
	if (!*a->policies.socket)
		a->policies.socket = SENSE_CONTROL_DEFAULT;
	if (*a->policies.last_good)
		return;
	snprintf(a->last_good, sizeof a->last_good, "%s/policies.last_good",
	         sense_conf_text(conf, SENSE_CONF_AGENT_DIR));
	a->policies.last_good = a->last_good;
}

static enum sense_status assemble(struct assembly *a, const struct sense_conf *conf, const struct sense_cli *cli,
                                  sense_error *err)
{
	struct sense_memory_plan plan;
	unsigned path_count = cli->policy_count;
	*a = (struct assembly){.policies_of = {conf, cli}};
	sense_station_memory(conf, &plan);
	bool shares = cli->command == SENSE_CLI_RUN && !cli->no_capture;
	unsigned workers = shares ? (unsigned)sense_conf_number(conf, SENSE_CONF_CAPTURE_WORKERS) : 1;
	enum sense_status status = sense_crew_new(&a->crew, workers, SENSE_RULES_MAX, plan.total, err);
	if (status)
		return status;
	a->policies = (struct sense_policies){
	    .self = &a->policies_of,
	    .read = policies_read,
	    .paths = sense_station_paths(conf, cli->policies, &path_count),
	    .watch = sense_conf_number(conf, SENSE_CONF_POLICIES_WATCH),
	    .last_good = sense_conf_text(conf, SENSE_CONF_POLICIES_LAST_GOOD),
	    .socket = sense_conf_text(conf, SENSE_CONF_CONTROL_SOCKET),
	    .group = sense_conf_text(conf, SENSE_CONF_CONTROL_GROUP),
	};
	a->policies.path_count = cli->no_policies ? 0 : path_count;
	a->shift = (struct sense_shift_config){.conf = conf, .observed_too = cli->observed};
	return SENSE_OK;
}

static struct sense_job job_of(struct assembly *a, const struct sense_conf *conf)
{
	return (struct sense_job){
	    .crew = &a->crew,
	    .worker_main = sense_shift_main,
	    .worker_context = &a->shift,
	    .policies = &a->policies,
	    .limits = {.call_cpu_ms = (unsigned)(sense_conf_number(conf, SENSE_CONF_RULES_HARD_LIMIT) / 1000)},
	};
}

static int replay(struct assembly *a, const struct sense_conf *conf, const struct sense_cli *cli)
{
	a->shift.flows = cli->flows || !cli->json; /* the table adds up their bytes */
	a->shift.all_flows = cli->flows;
	return sense_replay_run(&(struct sense_replay){.cli = cli, .conf = conf, .job = job_of(a, conf)});
}

static int on_host(struct assembly *a, const struct sense_conf *conf, const struct sense_cli *cli,
                   int (*go)(const struct sense_run *run))
{
	char plugins[PATH_MAX], catalogue[PATH_MAX];
	const struct sense_run run = {
	    .conf = conf,
	    .cli = cli,
	    .plugins_dir = sense_station_plugins_dir(conf, plugins),
	    .catalogue_dir = sense_station_catalogue_dir(conf, catalogue),
	    .job = job_of(a, conf),
	};
	return go(&run);
}

static int run(struct assembly *a, const struct sense_conf *conf, const struct sense_cli *cli)
{
	a->shift.capture = cli->no_capture ? NULL : SENSE_CAPTURE_PLUGIN;
	a->shift.live = true;
	sense_platform_large_blocks_apart();
	service_defaults(a, conf);
	return on_host(a, conf, cli, sense_run_run);
}

/* It changes nothing: it keeps no policies, and the socket is that of an agent that runs. */
static int scan(struct assembly *a, const struct sense_conf *conf, const struct sense_cli *cli)
{
	a->shift.host_events = true;
	a->policies.last_good = a->policies.socket = "";
	a->policies.watch = false;
	return on_host(a, conf, cli, sense_pass_run);
}

static int enroll(const struct sense_conf *conf, const struct sense_cli *cli)
{
	char plugins[PATH_MAX];
	return sense_enroll_run(cli, conf, sense_station_plugins_dir(conf, plugins));
}

static int with_worker(const struct sense_conf *conf, const struct sense_cli *cli,
                       int (*go)(struct assembly *, const struct sense_conf *, const struct sense_cli *))
{
	sense_error err;
	struct assembly assembly;
	if (assemble(&assembly, conf, cli, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		return SENSE_EXIT_FAILED;
	}
	int code = go(&assembly, conf, cli);
	sense_crew_free(&assembly.crew);
	return code;
}

/* Commands that look at policies and settings, and need no worker. */
static int tool(const struct sense_conf *conf, const struct sense_cli *cli)
{
	switch (cli->command) {
	case SENSE_CLI_CHECK:
		return sense_tool_check(conf, cli);
	case SENSE_CLI_TEST:
		return sense_tool_test(conf, cli);
	case SENSE_CLI_BENCH:
		return sense_tool_bench(conf, cli);
	case SENSE_CLI_EXPLAIN:
		return sense_tool_explain(conf, cli);
	case SENSE_CLI_NEW:
		return sense_tool_new(cli);
	case SENSE_CLI_API:
		return sense_tool_api(cli);
	default:
		sense_conf_print(conf, stdout);
		return SENSE_EXIT_OK;
	}
}

static int command(const struct sense_cli *cli)
{
	sense_error err;
	struct sense_conf conf;
	struct sense_report report;
	if (cli->example) {
		sense_conf_print_example(&sense_agent_conf, stdout); /* also when the configuration at hand is wrong */
		return SENSE_EXIT_OK;
	}
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
		code = with_worker(&conf, cli, replay);
		break;
	case SENSE_CLI_RUN:
		code = with_worker(&conf, cli, run);
		break;
	case SENSE_CLI_SCAN:
	case SENSE_CLI_INVENTORY:
		code = with_worker(&conf, cli, scan);
		break;
	case SENSE_CLI_STATUS:
	case SENSE_CLI_RELOAD:
		code = sense_status_ask(cli, sense_conf_text(&conf, SENSE_CONF_CONTROL_SOCKET));
		break;
	case SENSE_CLI_FINDINGS:
		code = sense_findings_run(cli, &conf);
		break;
	case SENSE_CLI_ENROLL:
		code = enroll(&conf, cli);
		break;
	default:
		code = tool(&conf, cli);
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
	sense_signals_begin();
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
