#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "lua/cidr.h"
#include "server/cli/commands.h"
#include "server/cli/run.h"
#include "server/metrics.h"

#define DESCRIPTORS_BESIDE \
	512u /* stores, logs, listening sockets: what a worker has open beside connections */

static const struct sense_server_assembly nothing, *assembled = &nothing;

void sense_server_assemble(const struct sense_server_assembly *assembly)
{
	assembled = assembly;
}

/* One configuration, with what was made of it. */
struct loaded {
	struct sense_conf conf;
	struct sense_worker_plan plan;
};

struct session {
	const struct sense_server_cli *cli;
	const struct sense_server_assembly *assembly;
};

static sense_server_tls *tls_load(const struct sense_conf *conf, sense_error *err)
{
	char ca[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX];
	const char *dir = sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_DIR);
	struct sense_server_tls_files files = {ca, sense_conf_text(conf, SENSE_SERVER_KEY_TLS_CERTIFICATE),
	                                       sense_conf_text(conf, SENSE_SERVER_KEY_TLS_KEY)};
	if (!*files.certificate != !*files.key) {
		sense_fail(err, SENSE_E_CONFIG, "config",
		           "tls.certificate and tls.key go together: one is not set");
		return NULL;
	}
	snprintf(ca, sizeof ca, "%s/ca.pem", dir);
	snprintf(certificate, sizeof certificate, "%s/server.pem", dir);
	snprintf(key, sizeof key, "%s/server.key", dir);
	if (!*files.certificate) {
		files.certificate = certificate;
		files.key = key;
	}
	return sense_server_tls_new(&files, err);
}

static enum sense_status conf_read(struct session *session, struct sense_conf *conf, sense_error *err)
{
	struct sense_report report;
	sense_report_init(&report);
	enum sense_status status =
	    sense_conf_load(conf, &sense_server_conf, &session->cli->settings, &report, err);
	char text[512];
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++) {
		sense_problem_format(&report.items[i], text, sizeof text);
		sense_log(SENSE_LOG_ERROR, "config", "%s", text);
	}
	sense_report_fini(&report);
	return status;
}

static unsigned workers_of(const struct sense_conf *conf)
{
	uint64_t workers = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_WORKERS);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (!workers)
		workers = cores > 0 ? (uint64_t)cores : 1;
	return workers < SENSE_LISTEN_SLOTS_MAX ? (unsigned)workers : SENSE_LISTEN_SLOTS_MAX;
}

static enum sense_status networks_check(const struct sense_conf *conf, sense_error *err)
{
	unsigned count;
	struct sense_cidr network;
	const char *const *from = sense_conf_list(conf, SENSE_SERVER_KEY_SERVER_METRICS_FROM, &count);
	for (unsigned i = 0; i < count; i++)
		if (!sense_cidr_parse(from[i], &network))
			return sense_fail(
			    err, SENSE_E_CONFIG, "config",
			    "server.metrics_from: '%s' is neither a network (10.0.0.0/8) nor an address",
			    from[i]);
	return SENSE_OK;
}

static enum sense_status loaded_fill(struct session *session, struct loaded *loaded,
                                     struct sense_master_config *out, sense_error *err)
{
	const struct sense_conf *conf = &loaded->conf;
	const char *user_origin = conf->values[SENSE_SERVER_KEY_SERVER_USER].origin;
	enum sense_status status = sense_user_find(sense_conf_text(conf, SENSE_SERVER_KEY_SERVER_USER),
	                                           strcmp(user_origin, "default") != 0, &out->user, err);
	if (!status)
		status = networks_check(conf, err);
	if (!status && session->assembly->check)
		status = session->assembly->check(conf, err);
	if (status)
		return status;
	loaded->plan = (struct sense_worker_plan){
	    .conf = conf,
	    .tls = tls_load(conf, err),
	    .parts = session->assembly->parts,
	    .part_count = session->assembly->part_count,
	};
	if (!loaded->plan.tls)
		return err->status;
	out->workers = workers_of(conf);
	out->addresses = sense_conf_list(conf, SENSE_SERVER_KEY_SERVER_LISTEN, &out->address_count);
	out->drain_us = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_DRAIN);
	out->descriptors = sense_conf_number(conf, SENSE_SERVER_KEY_AGENTS_MAX) + DESCRIPTORS_BESIDE;
	out->config = &loaded->plan;
	sense_log_setup((enum sense_log_level)sense_conf_number(conf, SENSE_SERVER_KEY_LOG_LEVEL),
	                (enum sense_log_format)sense_conf_number(conf, SENSE_SERVER_KEY_LOG_FORMAT));
	return SENSE_OK;
}

static void unload(void *self, void *config)
{
	struct sense_worker_plan *plan = config;
	struct loaded *loaded = (struct loaded *)(void *)((char *)plan - offsetof(struct loaded, plan));
	(void)self;
	sense_server_tls_free(plan->tls);
	sense_conf_fini(&loaded->conf);
	free(loaded);
}

static enum sense_status load(void *self, struct sense_master_config *out, sense_error *err)
{
	struct session *session = self;
	struct loaded *loaded = calloc(1, sizeof *loaded);
	if (!loaded)
		return sense_fail(err, SENSE_E_MEMORY, "config", "no memory for the configuration");
	enum sense_status status = conf_read(session, &loaded->conf, err);
	if (!status)
		status = loaded_fill(session, loaded, out, err);
	if (status)
		unload(self, &loaded->plan);
	return status;
}

static int worker(void *config, struct sense_server_process *process)
{
	return sense_worker_run(config, process);
}

static enum sense_status metrics_share(const struct sense_server_assembly *assembly, sense_error *err)
{
	enum sense_status status = sense_worker_metrics(err);
	for (unsigned i = 0; !status && assembly->metrics && assembly->metrics[i]; i++)
		status = assembly->metrics[i](err);
	/* Pages that nobody touches cost nothing. */
	return status ? status : sense_metrics_share(sense_worker_place(SENSE_LISTEN_SLOTS_MAX, 1) + 1, err);
}

static int run(const struct sense_server_cli *cli, struct sense_conf *conf)
{
	sense_error err;
	struct session session = {cli, assembled};
	(void)conf; /* it was right; the master reads it, now and at each SIGHUP */
	if (metrics_share(session.assembly, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		return SENSE_SERVER_FAILED;
	}
	return sense_master_run(&(struct sense_master){
	    .self = &session,
	    .load = load,
	    .unload = unload,
	    .worker = worker,
	    .children = session.assembly->children,
	    .child_count = session.assembly->child_count,
	});
}

const struct sense_server_command sense_command_run = {
    .name = "run",
    .doc = "serve agents, until told to end",
    .more =
	"SIGHUP reads the configuration anew: a bad one changes nothing, and no connection is\n"
	"refused meanwhile. SIGTERM and SIGINT end the server, when what was asked is answered\n"
	"(server.drain).",
    .run = run,
};
