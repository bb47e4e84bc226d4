#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/platform/platform.h"
#include "core/proc/watch.h"
#include "lua/tools/tools.h"

/* What the parent knows of the child. */
struct attendance {
	const struct sense_guard *guard;
	const union sense_mark *mark; /* shared with the child, and only read here */
	struct sense_guard_end *end;
	pid_t pid;
	struct sense_watch watch;
	unsigned every_ms;
};

static unsigned hard_limit_ms(const struct sense_guard *guard)
{
	return (unsigned)(sense_conf_number(guard->conf, SENSE_CONF_RULES_HARD_LIMIT) / 1000);
}

/* The judgement is that of the supervisor; that calls of rules follow each other is sign enough of life. */
static void look(struct attendance *child, unsigned elapsed_ms)
{
	uint64_t call = sense_mark_read(child->mark);
	if (child->end->hung ||
	    sense_watch_look(&child->watch, call, call, elapsed_ms) == SENSE_WATCH_FINE)
		return;
	child->end->hung = true;
	kill(child->pid, SIGKILL);
}

/* Until the child has closed its end, which it does by ending. */
static void attend(struct attendance *child, int in)
{
	char data[4096];
	for (;;) {
		struct pollfd waiting = {.fd = in, .events = POLLIN};
		int ready = poll(&waiting, 1, (int)child->every_ms);
		look(child, ready ? 0 : child->every_ms);
		if (ready <= 0)
			continue;
		ssize_t got = read(in, data, sizeof data);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		if (child->guard->take)
			child->guard->take(child->guard->context, data, (size_t)got);
	}
}

static void child_run(const struct sense_guard *guard, union sense_mark *mark, int out)
{
	sense_platform_end_with_parent();
	int code = guard->body(guard->context, mark, out);
	if (fflush(stdout) && code == SENSE_EXIT_OK && errno != EPIPE)
		code = SENSE_EXIT_FAILED;
	_exit(code);
}

static enum sense_status watch_child(struct attendance *child, int in, sense_error *err)
{
	int state;
	struct sense_guard_end *end = child->end;
	const struct sense_guard *guard = child->guard;
	struct sense_supervisor_limits limits = {.call_cpu_ms = hard_limit_ms(guard),
	                                         .stall_cpu_ms = guard->stall_ms ? guard->stall_ms : UINT_MAX};
	limits = sense_watch_defaults(&limits);
	child->every_ms = sense_watch_interval_ms(&limits);
	sense_watch_begin(&child->watch, child->pid, &limits);
	attend(child, in);
	while (waitpid(child->pid, &state, 0) < 0)
		if (errno != EINTR)
			return sense_fail_errno(err, "guard", "cannot wait for the process that runs rules");
	end->code = WIFEXITED(state) ? WEXITSTATUS(state) : SENSE_EXIT_FAILED;
	end->signal = WIFSIGNALED(state) ? WTERMSIG(state) : 0;
	end->rule = sense_mark_rule(sense_mark_read(child->mark));
	return SENSE_OK;
}

enum sense_status sense_guard_run(const struct sense_guard *guard, struct sense_guard_end *end,
                                  sense_error *err)
{
	int ends[2];
	enum sense_status status;
	*end = (struct sense_guard_end){0};
	union sense_mark *mark =
	    mmap(NULL, sizeof *mark, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mark == MAP_FAILED)
		return sense_fail_errno(err, "guard", "no memory to watch over rules");
	if (pipe(ends)) {
		status = sense_fail_errno(err, "guard", "cannot make a pipe");
		goto out;
	}
	fflush(NULL); /* or both would write it */
	struct attendance child = {.guard = guard, .mark = mark, .end = end, .pid = fork()};
	if (!child.pid) {
		close(ends[0]);
		child_run(guard, mark, ends[1]);
	}
	close(ends[1]);
	status =
	    child.pid < 0 ? sense_fail_errno(err, "guard", "cannot fork") : watch_child(&child, ends[0], err);
	close(ends[0]);
out:
	munmap(mark, sizeof *mark);
	return status;
}

void sense_guard_describe(const struct sense_guard *guard, const struct sense_guard_end *end, char *out,
                          size_t cap)
{
	if (end->hung && end->rule)
		snprintf(out, cap, "ran longer than its hard limit of %u ms and was stopped",
		         hard_limit_ms(guard));
	else if (end->hung)
		snprintf(out, cap, "%u s of CPU time went by without any progress", guard->stall_ms / 1000);
	else if (end->signal)
		snprintf(out, cap, "ended by %s", strsignal(end->signal));
	else
		snprintf(out, cap, "ended early, with exit code %d", end->code);
}

/* The child knew which rule it was by its number; here the policies are read once more for its name. */
static void rule_tell(const struct sense_guard *guard, const struct sense_guard_end *end, const char *how,
                      const char *const *dirs, unsigned count)
{
	struct sense_report report;
	struct sense_policy_sources sources;
	struct sense_station station = {.conf = guard->conf};
	sense_report_init(&report);
	sense_policy_sources_init(&sources);
	bool good = end->rule && !sense_station_read(&station, dirs, count, &sources, NULL) &&
	            !sense_station_rules(&station, &sources, NULL, &report, NULL);
	const struct sense_rule *rule = good ? sense_ruleset_get(station.rules, end->rule - 1) : NULL;
	if (rule)
		fprintf(stderr, "%s:%d: rule \"%s\": %s\n", rule->file, rule->line, rule->id, how);
	else
		fprintf(stderr, "sense-agent: %s\n", how);
	sense_station_close(&station);
	sense_policy_sources_fini(&sources);
	sense_report_fini(&report);
}

int sense_tool_guarded(const struct sense_guard *guard, const char *const *dirs, unsigned count)
{
	sense_error err;
	char how[160];
	struct sense_guard_end end;
	if (sense_guard_run(guard, &end, &err))
		return sense_tool_fail(&err);
	if (!end.signal)
		return end.code;
	sense_guard_describe(guard, &end, how, sizeof how);
	rule_tell(guard, &end, how, dirs, count);
	return SENSE_EXIT_FAILED;
}
