/* The loop: connections at their pace, findings at theirs, and the end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "contrib/load/load.h"

#define TICK_S 0.01

enum { CONNECTING_MAX = 256 };

void load_error(struct load *load, const char *code)
{
	struct load_counts *counts = &load->counts;
	unsigned i = 0;
	while (i < counts->error_count &&
	       strncmp(counts->errors[i].code, code, sizeof counts->errors[i].code - 1))
		i++;
	if (i == LOAD_ERRORS_MAX)
		i--;
	else if (i == counts->error_count)
		snprintf(counts->errors[counts->error_count++].code, sizeof counts->errors[0].code, "%s",
		         code);
	counts->errors[i].count++;
}

double load_pause(double first, unsigned doublings, double most)
{
	while (doublings-- && first < most)
		first *= 2;
	return (first < most ? first : most) * (0.5 + 0.5 * (double)random() / RAND_MAX);
}

/* ---- findings ------------------------------------------------------------------------------------------ */

static uint64_t left(const struct load *load)
{
	uint64_t total = load->options.total;
	return !total ? UINT64_MAX : load->generated < total ? total - load->generated : 0;
}

uint64_t load_findings_take(struct load *load, struct load_agent *agent, uint64_t most)
{
	uint64_t count = left(load) < most ? left(load) : most;
	if (!load->generating || !load->options.rate_max)
		return 0;
	load->state->spools[agent->index].generated += count;
	load->generated += count;
	return count;
}

/* By turns; agents that are away as well, as their spools fill. */
static void generate(struct load *load, double now)
{
	const struct load_options *options = &load->options;
	if (load->generating &&
	    ((options->seconds > 0 && now >= load->begun + options->seconds) || !left(load))) {
		load->generating = false;
		load->generated_until = now;
	}
	if (!load->generating || options->rate_max)
		return;
	load->generate_debt += options->rate * (now - load->last_tick);
	uint64_t count = (uint64_t)load->generate_debt;
	load->generate_debt -= (double)count;
	if (count > left(load))
		count = left(load);
	load->generated += count;
	for (; count; count--) {
		struct load_agent *agent = &load->agents[load->next_agent++ % options->agents];
		load->state->spools[agent->index].generated++;
		if (agent->waiting <= 0)
			agent->waiting = now;
	}
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

static void connect_some(struct load *load, double now)
{
	unsigned agents = load->options.agents;
	load->connect_credit += load->options.ramp * (now - load->last_tick);
	if (load->connect_credit > load->options.ramp)
		load->connect_credit = load->options.ramp;
	for (unsigned i = 0; i < agents && load->connect_credit >= 1 && load->connecting < CONNECTING_MAX;
	     i++) {
		struct load_agent *agent = &load->agents[load->next_connect++ % agents];
		if (agent->state != LOAD_WAITS || agent->due > now)
			continue;
		load->connect_credit -= 1;
		load_connect(agent);
	}
}

static bool is_done(const struct load *load)
{
	const struct load_options *options = &load->options;
	if (options->wait_policy && load->policy_missing)
		return false;
	if (load->generating)
		return options->wait_policy && !options->rate_max && options->rate <= 0;
	/* Each has heard at least once how far the server is. */
	return load->acknowledged == load->generated && !load->unknown;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct load *load = timer->data;
	double now = ev_now(loop);
	(void)events;
	generate(load, now);
	connect_some(load, now);
	for (unsigned i = 0; i < load->options.agents; i++)
		load_agent_time(&load->agents[i], now);
	load->last_tick = now;
	if (load->options.every > 0 && now - load->told_at >= load->options.every) {
		load->told_at = now;
		load_report_line(load, now);
	}
	double over = load->options.wait_policy && load->options.seconds > 0
	                ? load->begun + load->options.seconds
	                : load->generated_until;
	if (is_done(load) || (!load->generating && now > over + load->options.drain))
		ev_break(loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct load *load = watcher->data;
	(void)events;
	load->stopped = true;
	ev_break(loop, EVBREAK_ALL);
}

static void descriptors_raise(unsigned agents)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < agents + 64)
		fprintf(stderr, "sense-load: only %llu files may be open (ulimit -n)\n",
		        (unsigned long long)limit.rlim_cur);
}

static void begin(struct load *load)
{
	descriptors_raise(load->options.agents);
	srandom((unsigned)load->options.seed);
	ev_timer_init(&load->tick, on_tick, 0, TICK_S);
	ev_signal_init(&load->term, on_signal, SIGTERM);
	ev_signal_init(&load->interrupt, on_signal, SIGINT);
	load->tick.data = load->term.data = load->interrupt.data = load;
	ev_timer_start(load->loop, &load->tick);
	ev_signal_start(load->loop, &load->term);
	ev_signal_start(load->loop, &load->interrupt);
	for (unsigned i = 0; i < load->options.agents; i++) {
		load->agents[i].load = load;
		load->agents[i].index = i;
		load->agents[i].fd = -1;
		load->generated += load->state->spools[i].generated;
		load->acknowledged += load->state->spools[i].acknowledged;
	}
	load->generated_begin = load->generated;
	load->acknowledged_begin = load->acknowledged;
	load->policy_missing = load->options.wait_policy ? load->options.agents : 0;
	load->unknown = load->options.agents;
	load->generating = true;
	ev_now_update(load->loop);
	load->begun = load->last_tick = load->told_at = ev_now(load->loop);
	load->counts.cpu_begin = load_cpu();
}

enum sense_status load_run(struct load *load, sense_error *err)
{
	enum sense_status status = load_transport_begin(load, err);
	load->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!load->loop)
		return sense_fail(err, SENSE_E_MEMORY, "load", "no memory for an event loop");
	if (status)
		return status;
	begin(load);
	ev_run(load->loop, 0);
	load->ended = ev_time();
	if (load->generating)
		load->generated_until = load->ended;
	return SENSE_OK;
}
