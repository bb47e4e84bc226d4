/* The process that does what is due now and then, and passes on what was stored. */
#include <signal.h>
#include <string.h>

#include "core/base/log.h"
#include "server/ingest/outbox.h"
#include "server/jobs/jobs.h"
#include "server/jobs/turn.h"
#include "server/serve/internal.h"

struct work {
	struct ev_loop *loop;
	sense_db *db;
	sense_jobs *jobs;
	sense_turn *turn;
	sense_ingest_outbox *outbox; /* while it is our turn */
};

static void on_gained(void *self)
{
	struct work *work = self;
	sense_error err;
	const char *redis = sense_serve.redis;
	for (const char *const *scheme = (const char *const[]){"unix://", "redis://", NULL}; *scheme;
	     scheme++)
		if (!strncmp(redis, *scheme, strlen(*scheme)))
			redis += strlen(*scheme);
	const struct sense_ingest_outbox_config config = {.db = work->db, .redis = redis};
	work->outbox = sense_ingest_outbox_new(work->loop, &config, &err);
	if (!work->outbox)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
}

static void on_lost(void *self)
{
	struct work *work = self;
	sense_ingest_outbox_free(work->outbox);
	work->outbox = NULL;
}

static enum sense_status begin(struct work *work, const struct sense_conf *conf, sense_error *err)
{
	const struct sense_db_config store = {
	    .conninfo = sense_serve.conninfo, .connections = 2, .timeout_us = 300 * UINT64_C(1000000)};
	const struct sense_turn_config turn = {.conninfo = sense_serve.conninfo,
	                                       .name = "sense.outbox",
	                                       .gained = on_gained,
	                                       .lost = on_lost,
	                                       .self = work};
	work->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!work->loop)
		return sense_fail(err, SENSE_E_MEMORY, "jobs", "no memory for an event loop");
	work->db = sense_db_new(work->loop, &store, err);
	if (!work->db)
		return err->status;
	work->jobs =
	    sense_jobs_new(work->loop, work->db,
	                   (unsigned)sense_conf_number(conf, SENSE_SERVER_KEY_FINDINGS_RETENTION), err);
	/* Without Redis batches leave the outbox by themselves, by retention. */
	if (work->jobs && *sense_serve.redis)
		work->turn = sense_turn_new(work->loop, &turn, err);
	return work->jobs && (work->turn || !*sense_serve.redis) ? SENSE_OK : err->status;
}

static void end(struct work *work)
{
	sense_turn_free(work->turn);
	sense_db_free(work->db);
	sense_jobs_free(work->jobs);
	if (work->loop)
		ev_loop_destroy(work->loop);
}

static void on_term(struct ev_loop *loop, ev_signal *watcher, int events)
{
	(void)watcher;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

int sense_serve_jobs(void *self, void *config, struct sense_server_process *process)
{
	sense_error err;
	struct work work = {0};
	ev_signal term;
	(void)self;
	enum sense_status status = begin(&work, ((const struct sense_worker_plan *)config)->conf, &err);
	if (status) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	} else {
		ev_signal_init(&term, on_term, SIGTERM);
		ev_signal_start(work.loop, &term);
		sense_server_process_ready(process);
		ev_run(work.loop, 0);
	}
	end(&work);
	return status ? 1 : 0;
}
