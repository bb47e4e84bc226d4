#include "server/proc/worker.h"

#include <signal.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "server/metrics.h"
#include "server/net/net.h"

struct run {
	const struct sense_worker_plan *plan;
	struct sense_server_process *process;
	struct sense_server_worker worker;
	sense_net *net;
	int fds[SENSE_LISTEN_ADDRESSES_MAX];
	unsigned begun; /* parts */
	bool draining;
	ev_signal told;
	ev_timer drain_timer;
};

enum sense_status sense_worker_metrics(sense_error *err)
{
	enum sense_status status = sense_net_metrics(err);
	if (!status)
		status = sense_calls_metrics(err);
	return status ? status : sense_httpd_metrics(err);
}

unsigned sense_worker_place(unsigned slot, unsigned generation)
{
	return 1 + 2 * slot + (generation & 1);
}

static void on_drained(void *self)
{
	struct run *run = self;
	ev_break(run->worker.loop, EVBREAK_ALL);
}

static void on_drain_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct run *run = timer->data;
	(void)events;
	sense_log(SENSE_LOG_WARN, "server", "%s: %u connections are cut off", run->process->name,
	          sense_net_connections(run->net));
	ev_break(loop, EVBREAK_ALL);
}

static void on_told(struct ev_loop *loop, ev_signal *told, int events)
{
	struct run *run = told->data;
	(void)events;
	if (run->draining)
		return;
	run->draining = true;
	ev_timer_init(&run->drain_timer, on_drain_timer, (double)run->process->drain_us / 1e6, 0);
	run->drain_timer.data = run;
	ev_timer_start(loop, &run->drain_timer);
	sense_net_drain(run->net, on_drained, run);
}

static const char *not_draining(void *self)
{
	return ((const struct run *)self)->draining ? "this worker ends" : NULL;
}

static enum sense_status tables_make(struct run *run, unsigned connections, sense_error *err)
{
	struct sense_server_worker *worker = &run->worker;
	worker->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	worker->revoked = sense_revoked_new();
	worker->calls = sense_calls_new(connections, worker->revoked);
	worker->http = sense_httpd_new(connections);
	if (!worker->loop || !worker->revoked || !worker->calls || !worker->http ||
	    !sense_httpd_routes_own(worker->http) || !sense_httpd_ready_ask(worker->http, not_draining, run))
		return sense_fail(err, SENSE_E_MEMORY, "server", "no memory for %u connections", connections);
	unsigned count;
	const char *const *from =
	    sense_conf_list(run->plan->conf, SENSE_SERVER_KEY_SERVER_METRICS_FROM, &count);
	sense_httpd_metrics_from(worker->http, from, count);
	return SENSE_OK;
}

static enum sense_status parts_begin(struct run *run, sense_error *err)
{
	for (; run->begun < run->plan->part_count && run->begun < SENSE_PARTS_MAX; run->begun++) {
		const struct sense_worker_part *part = &run->plan->parts[run->begun];
		enum sense_status status =
		    part->begin(part->self, &run->worker, &run->worker.states[run->begun], err);
		if (status)
			return status;
	}
	return SENSE_OK;
}

static enum sense_status net_make(struct run *run, unsigned connections, sense_error *err)
{
	const struct sense_listen *listen = run->process->listen;
	const struct sense_conf *conf = run->plan->conf;
	for (unsigned i = 0; i < listen->addresses; i++)
		run->fds[i] = listen->fds[i][run->process->slot];
	run->net = sense_net_new(
	    &(struct sense_net_config){
		.loop = run->worker.loop,
		.tls = run->plan->tls,
		.calls = run->worker.calls,
		.http = run->worker.http,
		.revoked = run->worker.revoked,
		.agents = &run->worker.agents,
		.fds = run->fds,
		.fd_count = listen->addresses,
		.connections_max = connections,
		.per_source_max = (unsigned)sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_PER_ADDRESS),
		.input_max = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_INPUT),
		.handshake_us = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_HANDSHAKE_TIMEOUT),
		.request_us = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_REQUEST_TIMEOUT),
		.send_us = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_SEND_TIMEOUT),
		.idle_us = sense_conf_number(conf, SENSE_SERVER_KEY_SERVER_IDLE_TIMEOUT),
		.heartbeat_us = sense_conf_number(conf, SENSE_SERVER_KEY_AGENTS_HEARTBEAT),
	    },
	    err);
	return run->net ? SENSE_OK : err->status;
}

static enum sense_status begin(struct run *run, sense_error *err)
{
	unsigned connections = (unsigned)sense_conf_number(run->plan->conf, SENSE_SERVER_KEY_AGENTS_MAX);
	sense_metrics_take(sense_worker_place(run->process->slot, run->process->generation));
	enum sense_status status = tables_make(run, connections, err);
	if (!status)
		status = net_make(run, connections, err);
	if (status)
		return status;
	ev_signal_init(&run->told, on_told, SIGTERM);
	run->told.data = run;
	ev_signal_start(run->worker.loop, &run->told);
	return parts_begin(run, err);
}

static void end(struct run *run)
{
	sense_net_free(run->net);
	while (run->begun-- > 0)
		if (run->plan->parts[run->begun].end)
			run->plan->parts[run->begun].end(run->worker.states[run->begun]);
	sense_calls_free(run->worker.calls);
	sense_httpd_free(run->worker.http);
	sense_revoked_free(run->worker.revoked);
	if (run->worker.loop)
		ev_loop_destroy(run->worker.loop);
}

int sense_worker_run(const struct sense_worker_plan *plan, struct sense_server_process *process)
{
	sense_error err = {.status = SENSE_OK};
	struct run run = {
	    .plan = plan,
	    .process = process,
	    .worker = {.conf = plan->conf, .slot = process->slot, .generation = process->generation},
	};
	enum sense_status status = begin(&run, &err);
	if (status) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s: %s", process->name, err.message);
	} else {
		sense_net_accept(run.net);
		sense_server_process_ready(process);
		ev_run(run.worker.loop, 0);
	}
	end(&run);
	return status ? 1 : 0;
}
