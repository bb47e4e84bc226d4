#include "core/proc/steer.h"

#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/service/treewatch.h"

struct sense_steer {
	struct ev_loop *loop;
	const struct sense_job *job;
	struct sense_supervisor_view *view;
	struct sense_generations all;
	sense_control *control;
	sense_treewatch *watch;
	ev_signal hangup;
	bool again; /* one more reload was asked for while one was under way */
};

static void on_say(void *self, enum sense_log_level level, const char *text)
{
	const struct sense_supervisor_sink *sink = &((sense_steer *)self)->job->sink;
	if (sink->message)
		sink->message(sink->self, level, "policy", text);
	else
		sense_log(level, "policy", "%s", text);
}

/* ---- reloads -------------------------------------------------------------------------------------- */

static uint64_t reload(void *self);

static void ended(sense_steer *steer)
{
	const struct sense_supervisor_sink *sink = &steer->job->sink;
	if (sink->loaded)
		sink->loaded(sink->self, &steer->all);
	sense_control_ended(steer->control, steer->all.last.ticket);
	if (!steer->again)
		return;
	steer->again = false;
	reload(steer);
}

static uint64_t reload(void *self)
{
	sense_steer *steer = self;
	if (sense_generations_pending(&steer->all)) {
		steer->again = true;
		return steer->all.last.ticket + 1;
	}
	if (sense_generations_reload(&steer->all))
		return steer->all.last.ticket;
	ended(steer);
	return 0;
}

bool sense_steer_loaded(sense_steer *steer, unsigned worker, const struct sense_ipc_loaded *loaded)
{
	enum sense_generations_step step = sense_generations_loaded(&steer->all, worker, loaded);
	if (step == SENSE_GENERATIONS_OVER)
		ended(steer);
	return step != SENSE_GENERATIONS_ANEW;
}

bool sense_steer_died(sense_steer *steer, unsigned worker, const char *how)
{
	bool loading = sense_generations_died(&steer->all, worker, how);
	if (loading)
		ended(steer);
	return loading;
}

struct sense_generations *sense_steer_generations(sense_steer *steer)
{
	return &steer->all;
}

/* ---- who asks ------------------------------------------------------------------------------------- */

static void on_hangup(struct ev_loop *loop, ev_signal *watcher, int events)
{
	(void)loop;
	(void)events;
	reload(watcher->data);
}

/* Also a file that is none of ours may have changed; and what was refused is not refused twice. */
static void on_changed(void *self)
{
	sense_steer *steer = self;
	const struct sense_generations *all = &steer->all;
	char hash[SENSE_BUNDLE_HASH_MAX];
	bool pending = sense_generations_pending(all);
	if (!sense_generations_disk(all, hash, NULL) &&
	    !strcmp(hash, pending || all->last.result != SENSE_ATTEMPT_LOADED ? all->last.hash : all->now.hash))
		return;
	reload(steer);
}

static void on_reply(void *self, const struct sense_control_request *request, struct sense_buf *out)
{
	sense_steer *steer = self;
	const struct sense_supervisor_sink *sink = &steer->job->sink;
	if (sink->control)
		sink->control(sink->self, steer->view, request, out);
	else
		sense_buf_adds(out, "failed\nnot answered here\n");
}

/* ---- begin and end -------------------------------------------------------------------------------- */

static enum sense_status listen_begin(sense_steer *steer, sense_error *err)
{
	const struct sense_policies *policies = steer->job->policies;
	const struct sense_control_ops ops = {
	    .self = steer, .group = policies->group, .reload = reload, .reply = on_reply};
	if (policies->socket && *policies->socket &&
	    !(steer->control = sense_control_open(steer->loop, policies->socket, &ops, err)))
		return err->status;
	if (policies->watch &&
	    !(steer->watch = sense_treewatch_open(steer->loop, policies->paths, policies->path_count,
	                                          on_changed, steer, err)))
		return err->status;
	ev_signal_init(&steer->hangup, on_hangup, SIGHUP);
	steer->hangup.data = steer;
	ev_signal_start(steer->loop, &steer->hangup);
	return SENSE_OK;
}

sense_steer *sense_steer_begin(struct ev_loop *loop, const struct sense_job *job,
                               struct sense_supervisor_view *view, sense_error *err)
{
	sense_error why;
	sense_steer *steer = calloc(1, sizeof *steer);
	if (!steer) {
		sense_fail(err, SENSE_E_MEMORY, "supervisor", "no memory for the policies");
		return NULL;
	}
	steer->loop = loop;
	steer->job = job;
	steer->view = view;
	steer->all.policies = job->policies;
	steer->all.crew = job->crew;
	steer->all.self = steer;
	steer->all.say = on_say;
	view->generations = &steer->all;
	/* The first generation is read before somebody can ask for the next. */
	if (sense_generations_begin(&steer->all, &why) || listen_begin(steer, &why)) {
		sense_fail(err, why.status, why.subsystem, "%s", why.message);
		sense_steer_end(steer);
		return NULL;
	}
	return steer;
}

void sense_steer_end(sense_steer *steer)
{
	if (!steer)
		return;
	if (steer->hangup.data)
		ev_signal_stop(steer->loop, &steer->hangup);
	sense_control_close(steer->control);
	sense_treewatch_close(steer->watch);
	sense_generations_end(&steer->all);
	free(steer);
}
