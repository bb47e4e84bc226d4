#include "core/cli/pass.h"

#include <stdio.h>

#include "core/base/log.h"
#include "core/catalogue/programs.h"
#include "core/cli/scan.h"

#define TICK_MS 100u

struct session {
	const struct sense_run *run;
	sense_keeper *keeper;
	sense_scan *scan;
	sense_programs *programs; /* for names of tools; NULL: their ids serve */
};

static bool on_finding(void *self, const struct sense_finding *finding)
{
	return sense_scan_finding(((struct session *)self)->scan, finding);
}

static void on_host_event(void *self, const struct sense_host_event *event)
{
	sense_scan_event(((struct session *)self)->scan, (enum sense_event_kind)event->kind, &event->given,
	                 event->ts_us);
}

static void on_message(void *self, enum sense_log_level level, const char *subsystem, const char *text)
{
	(void)self;
	sense_log(level, subsystem, "%s", text);
}

static bool on_tick(void *self, const struct sense_shared *shared)
{
	(void)shared;
	sense_keeper_look(((struct session *)self)->keeper, TICK_MS);
	return true;
}

static const char *tool_name(void *programs, const char *id)
{
	const struct sense_program *program = programs ? sense_programs_by_id(programs, id) : NULL;
	return program ? program->name : NULL;
}

static const char *tool_class(void *programs, const char *id)
{
	const struct sense_program *program = programs ? sense_programs_by_id(programs, id) : NULL;
	return program ? program->class : NULL;
}

static bool session_open(struct session *session, sense_error *err)
{
	const struct sense_run *run = session->run;
	struct sense_sensors_config config = {
	    .conf = run->conf,
	    .plugins_dir = run->plugins_dir,
	    .catalogue_dir = run->catalogue_dir,
	    .mode = SENSE_SENSOR_ONCE,
	};
	config.names = sense_conf_list(run->conf, SENSE_CONF_HOST_SENSORS, &config.name_count);
	if (!config.name_count) {
		sense_fail(err, SENSE_E_CONFIG, "scan", "host.sensors is empty: there is nothing to look with");
		return false;
	}
	session->programs = sense_programs_load(run->catalogue_dir, NULL);
	session->scan = sense_scan_new(sense_scan_form_of(run->cli), run->cli->color);
	if (!session->scan)
		sense_fail(err, SENSE_E_MEMORY, "scan", "no memory for what is found");
	session->keeper = session->scan ? sense_keeper_new(&config, err) : NULL;
	return session->keeper && !sense_keeper_start(session->keeper, err);
}

static int session_run(struct session *session)
{
	sense_error err = {0};
	struct sense_outcome outcome = {0};
	struct sense_job job = session->run->job;
	job.host = sense_keeper_link(session->keeper);
	job.sink = (struct sense_supervisor_sink){.self = session,
	                                          .finding = on_finding,
	                                          .host_event = on_host_event,
	                                          .message = on_message,
	                                          .tick = on_tick};
	enum sense_status status = sense_supervisor_run(&job, &outcome, &err);
	if (status)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	if (outcome.signal)
		return 128 + outcome.signal;
	const struct sense_inventory_totals totals = {
	    .rows = sense_scan_rows_of(session->run->cli),
	    .catalogue = session->programs,
	    .tool_name = tool_name,
	    .tool_class = tool_class,
	};
	bool shown = sense_scan_end(session->scan, &totals);
	bool whole = !status && outcome.complete && !outcome.failures && !outcome.restarts &&
	             !sense_keeper_restarts(session->keeper);
	return shown && whole ? SENSE_EXIT_OK : SENSE_EXIT_FAILED;
}

int sense_pass_run(const struct sense_run *run)
{
	sense_error err = {0};
	struct session session = {.run = run};
	int code = SENSE_EXIT_FAILED;
	if (session_open(&session, &err))
		code = session_run(&session);
	else
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	sense_keeper_free(session.keeper);
	sense_scan_free(session.scan);
	sense_programs_free(session.programs);
	return code;
}
