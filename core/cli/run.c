#include "core/cli/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/log.h"
#include "core/cli/findings.h"
#include "core/cli/fleet.h"
#include "core/cli/keep.h"
#include "core/cli/status.h"
#include "core/host/capture.h"
#include "core/service/notify.h"
#include "core/show/json.h"
#include "core/show/terminal.h"
#include "core/spool/spool.h"

#define TICK_MS 100u
#define STATUS_MS 10000u /* how often the service manager is told how it goes */

struct session {
	const struct sense_run *run;
	sense_keeper *keeper;   /* NULL: nobody looks at this host */
	sense_capture *capture; /* NULL: no packets */
	sense_spool *spool;     /* NULL: findings are not kept */
	sense_fleet *fleet;
	struct sense_notify notify;
	struct sense_output out; /* with --json */
	bool ready, stopping, put, spool_failing;
	unsigned alive_left_ms, status_left_ms;
	uint64_t findings;
};

/* ---- results ------------------------------------------------------------------------------------- */

static void spool_put(struct session *session, const struct sense_finding *finding)
{
	sense_error err;
	bool known = false;
	if (!session->spool)
		return;
	if (sense_spool_put(session->spool, finding, &known, &err))
		sense_log(SENSE_LOG_WARN, err.subsystem, "%s", err.message);
	session->put = true;
}

static bool on_finding(void *self, const struct sense_finding *finding)
{
	struct session *session = self;
	struct sense_finding told = *finding;
	if (sense_fleet_observes(session->fleet))
		told.action = "observe";
	session->findings++;
	spool_put(session, &told);
	if (session->run->cli->json)
		sense_json_finding(&session->out.buf, &told);
	/* Nobody reads it any more: the service goes on. */
	if (session->run->cli->json)
		sense_output_flush_when_full(&session->out);
	return true;
}

static void on_message(void *self, enum sense_log_level level, const char *subsystem, const char *text)
{
	(void)self;
	sense_log(level, subsystem, "%s", text);
}

static void on_control(void *self, const struct sense_supervisor_view *view,
                       const struct sense_control_request *request, struct sense_buf *out)
{
	struct session *session = self;
	const struct sense_status_live live = {
	    .keeper = session->keeper, .capture = session->capture, .spool = session->spool,
	    .link = sense_fleet_link(session->fleet)};
	if (!sense_spool_answer(session->spool, request, out))
		sense_status_answer(view, &live, request, out);
}

static void on_loaded(void *self, const struct sense_generations *all)
{
	struct session *session = self;
	sense_fleet_loaded(session->fleet, all);
}

/* ---- time ---------------------------------------------------------------------------------------- */

static bool elapsed(unsigned *left_ms, unsigned every_ms)
{
	*left_ms -= *left_ms < TICK_MS ? *left_ms : TICK_MS;
	if (*left_ms)
		return false;
	*left_ms = every_ms;
	return true;
}

static void spool_commit(struct session *session)
{
	sense_error err;
	if (!session->put || !session->spool)
		return;
	bool failed = sense_spool_commit(session->spool, &err) != SENSE_OK;
	if (failed && !session->spool_failing) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s; findings wait in memory", err.message);
		if (session->keeper)
			sense_keeper_gap(session->keeper, "spool", NULL, err.message, 0);
	} else if (!failed && session->spool_failing) {
		sense_log(SENSE_LOG_INFO, "spool", "findings are kept on disk again");
	}
	session->spool_failing = failed;
	session->put = failed; /* it is tried again */
}

static void stopping_tell(struct session *session)
{
	if (!session->stopping)
		sense_notify_stopping(&session->notify, "stopping");
	session->stopping = true;
}

static void notify_tick(struct session *session, const struct sense_crew *crew)
{
	char text[SENSE_NOTIFY_TEXT_MAX];
	uint64_t alive_us = sense_notify_alive_every_us(&session->notify);
	if (atomic_load_explicit(&crew->member[0].page->stop, memory_order_relaxed))
		stopping_tell(session);
	bool running = sense_crew_phase(crew) >= SENSE_PHASE_RUN;
	if (alive_us && elapsed(&session->alive_left_ms, (unsigned)(alive_us / 1000)))
		sense_notify_alive(&session->notify);
	if (!running || session->stopping || !elapsed(&session->status_left_ms, STATUS_MS))
		return;
	snprintf(text, sizeof text, "%llu packets, %llu events, %llu findings",
	         (unsigned long long)sense_crew_count(crew, SENSE_COUNT_PACKETS),
	         (unsigned long long)sense_crew_count(crew, SENSE_COUNT_EVENTS),
	         (unsigned long long)session->findings);
	if (session->ready)
		sense_notify_status(&session->notify, text);
	else
		sense_notify_ready(&session->notify, text);
	if (!session->ready)
		sense_log(SENSE_LOG_INFO, "run", "running; `sense-agent status` tells more");
	session->ready = true;
}

static bool on_tick(void *self, const struct sense_crew *crew)
{
	struct session *session = self;
	if (session->keeper)
		sense_keeper_look(session->keeper, TICK_MS);
	if (session->capture)
		sense_capture_look(session->capture, TICK_MS, session->keeper);
	spool_commit(session);
	sense_fleet_look(session->fleet, TICK_MS);
	notify_tick(session, crew);
	if (session->run->cli->json)
		sense_output_flush(&session->out);
	return true;
}

/* ---- begin and end ------------------------------------------------------------------------------- */

static bool capture_open(struct session *session, struct sense_job *job, sense_error *err)
{
	const struct sense_run *run = session->run;
	if (run->cli->no_capture)
		return true;
	session->capture = sense_capture_open(run->conf, run->plugins_dir, run->cli->interfaces,
	                                      run->cli->interface_count, job->crew->count, err);
	if (!session->capture)
		return false;
	job->sources = sense_capture_sources(session->capture);
	job->source_count = job->crew->count;
	return true;
}

static bool host_open(struct session *session, struct sense_job *job, sense_error *err)
{
	const struct sense_run *run = session->run;
	struct sense_sensors_config config = {
	    .conf = run->conf,
	    .plugins_dir = run->plugins_dir,
	    .catalogue_dir = run->catalogue_dir,
	    .mode = SENSE_SENSOR_WATCH,
	};
	config.names = sense_conf_list(run->conf, SENSE_CONF_HOST_SENSORS, &config.name_count);
	session->keeper = sense_keeper_new(&config, err);
	if (!session->keeper)
		return false;
	job->host = sense_keeper_link(session->keeper);
	return !config.name_count || !sense_keeper_start(session->keeper, err);
}

static bool fleet_open(struct session *session, const struct sense_job *job, sense_error *err)
{
	const struct sense_fleet_config config = {
	    .conf = session->run->conf,
	    .plugins_dir = session->run->plugins_dir,
	    .crew = job->crew,
	    .keeper = session->keeper,
	    .capture = session->capture,
	    .spool = session->spool,
	};
	session->fleet = sense_fleet_new(&config, err);
	return session->fleet != NULL;
}

static int exit_code(enum sense_status status, const struct sense_outcome *outcome)
{
	/* To be told to stop is how a service ends. */
	return status || (!outcome->signal && !outcome->complete) ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}

int sense_run_run(const struct sense_run *run)
{
	sense_error err = {0};
	struct sense_outcome outcome = {0};
	struct session session = {.run = run};
	struct sense_job job = run->job;
	int code = SENSE_EXIT_FAILED;
	sense_notify_init(&session.notify);
	session.out.subsystem = "run";
	job.service = true;
	job.sink = (struct sense_supervisor_sink){.self = &session,
	                                          .finding = on_finding,
	                                          .message = on_message,
	                                          .tick = on_tick,
	                                          .loaded = on_loaded,
	                                          .control = on_control};
	/* The sensor process first: what it need not have is not open yet. */
	if (!host_open(&session, &job, &err) || sense_keep_open(run->conf, &session.spool, &err) ||
	    !capture_open(&session, &job, &err) || !fleet_open(&session, &job, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		goto out;
	}
	enum sense_status status = sense_supervisor_run(&job, &outcome, &err);
	if (status)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	stopping_tell(&session);
	spool_commit(&session);
	code = exit_code(status, &outcome);
out:
	sense_output_flush(&session.out);
	sense_buf_fini(&session.out.buf);
	sense_fleet_free(session.fleet);
	sense_keeper_free(session.keeper);
	sense_capture_close(session.capture);
	sense_spool_close(session.spool);
	return code;
}
