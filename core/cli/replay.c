#include "core/cli/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/cli/findings.h"
#include "core/cli/keep.h"
#include "core/cli/stats.h"
#include "core/cli/status.h"
#include "core/cli/table.h"
#include "core/show/json.h"
#include "core/show/progress.h"
#include "core/show/terminal.h"

struct session {
	const struct sense_cli *cli;
	struct sense_source *sources;
	unsigned source_count;
	unsigned open_failures;
	uint64_t total_bytes; /* of the captures; 0: not known */
	struct sense_output out;
	sense_table *table;
	sense_spool *spool; /* --keep */
	bool not_kept;      /* some finding could not be */
	struct sense_progress progress;
};

/* ---- results --------------------------------------------------------------------------------------- */

static void keep(struct session *session, const struct sense_finding *finding)
{
	sense_error err;
	bool known;
	if (!sense_spool_put(session->spool, finding, &known, &err))
		return;
	if (!session->not_kept)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	session->not_kept = true;
}

static void keep_commit(struct session *session)
{
	sense_error err;
	if (!sense_spool_commit(session->spool, &err))
		return;
	if (!session->not_kept)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	session->not_kept = true;
}

static bool on_finding(void *self, const struct sense_finding *finding)
{
	struct session *session = self;
	if (session->spool)
		keep(session, finding);
	if (session->table)
		sense_table_finding(session->table, finding);
	else if (!session->cli->flows)
		sense_json_finding(&session->out.buf, finding);
	return sense_output_flush_when_full(&session->out);
}

static bool on_flow(void *self, const struct sense_flowrecord *record)
{
	struct session *session = self;
	if (session->table)
		sense_table_flow(session->table, record);
	else if (session->cli->flows)
		sense_json_flow(&session->out.buf, record);
	return sense_output_flush_when_full(&session->out);
}

static void on_message(void *self, enum sense_log_level level, const char *subsystem, const char *text)
{
	sense_progress_clear(&((struct session *)self)->progress);
	sense_log(level, subsystem, "%s", text);
}

static bool on_tick(void *self, const struct sense_crew *crew)
{
	struct session *session = self;
	const struct sense_shared_page *page = crew->member[0].page; /* a replay has one worker */
	if (session->spool)
		keep_commit(session);
	sense_progress_update(&session->progress,
	                      atomic_load_explicit(&page->progress_done, memory_order_relaxed),
	                      session->total_bytes,
	                      atomic_load_explicit(&page->taken, memory_order_relaxed));
	return sense_output_flush(&session->out);
}

static void on_control(void *self, const struct sense_supervisor_view *view,
                       const struct sense_control_request *request, struct sense_buf *out)
{
	(void)self;
	if (!sense_spool_answer(NULL, request, out))
		sense_status_answer(view, NULL, request, out);
}

/* ---- sources --------------------------------------------------------------------------------------- */

/* All captures are open at once: the worker has no way to open one. */
static void descriptors_raise(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int source_open(const char *path)
{
	struct stat st;
	if (!strcmp(path, "-"))
		return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR;
		return -1;
	}
	return fd;
}

static bool sources_open(struct session *session)
{
	const struct sense_cli *cli = session->cli;
	session->sources = calloc(cli->path_count + 1u, sizeof *session->sources);
	if (!session->sources) {
		sense_log(SENSE_LOG_ERROR, "replay", "no memory for %u captures", cli->path_count);
		return false;
	}
	descriptors_raise();
	for (unsigned i = 0; i < cli->path_count; i++) {
		const char *path = cli->paths[i];
		int fd = source_open(path);
		if (fd < 0) {
			sense_log(SENSE_LOG_ERROR, "replay", "%s: %s%s", path, strerror(errno),
			          errno == EISDIR ? "; name captures, and policies by --policies" : "");
			session->open_failures++;
			continue;
		}
		session->sources[session->source_count++] =
		    (struct sense_source){.name = strcmp(path, "-") ? path : "stdin", .fd = fd};
	}
	return true;
}

/* What there is to read, for the progress bar; nobody knows how much a pipe will bring. */
static uint64_t sources_size(const struct session *session)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < session->source_count; i++) {
		struct stat st;
		if (fstat(session->sources[i].fd, &st) || !S_ISREG(st.st_mode))
			return 0;
		total += (uint64_t)st.st_size;
	}
	return total;
}

static void sources_close(struct session *session)
{
	for (unsigned i = 0; i < session->source_count; i++)
		close(session->sources[i].fd);
	free(session->sources);
}

/* ---- the end --------------------------------------------------------------------------------------- */

static void table_show(struct session *session, const struct sense_crew *crew)
{
	struct sense_table_style style = {
	    .width = sense_terminal_width(),
	    .color = sense_terminal_color(session->cli->color),
	};
	struct sense_table_totals totals = {
	    .flows = sense_crew_count(crew, SENSE_COUNT_FLOWS),
	    .packets = sense_crew_count(crew, SENSE_COUNT_PACKETS),
	    .files = session->source_count,
	    .observed = session->cli->observed ? 0 : sense_crew_count(crew, SENSE_COUNT_OBSERVED),
	};
	sense_table_print(session->table, &style, &totals, &session->out.buf);
}

static void stats_show(const struct session *session, const struct sense_crew *crew,
                       const struct sense_outcome *outcome, uint64_t begun_us)
{
	struct rusage own = {0};
	struct sense_buf text;
	getrusage(RUSAGE_SELF, &own);
	struct sense_stats_run run = {
	    .crew = crew,
	    .outcome = outcome,
	    .files = session->source_count,
	    .files_failed = session->open_failures,
	    .cpu_s = outcome->worker_cpu_s + (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
	             (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6,
	    .elapsed_s = (double)(sense_clock_monotonic_us() - begun_us) / 1e6,
	};
	sense_buf_init(&text, 0);
	sense_stats_write(&run, &text);
	fputs(sense_buf_str(&text), stderr);
	sense_buf_fini(&text);
}

static int exit_code(const struct session *session, enum sense_status status,
                     const struct sense_outcome *outcome, const struct sense_crew *crew)
{
	if (outcome->signal)
		return 128 + outcome->signal;
	/* A restart lost flows, a quarantined or suspended rule did not see all: the answer is not whole. */
	bool failed = status || session->not_kept || session->open_failures || session->out.failed || outcome->failures ||
	              outcome->restarts || outcome->malformed ||
	              sense_crew_count(crew, SENSE_COUNT_RULES_SUSPENDED);
	return failed ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}

static enum sense_status supervise(struct session *session, const struct sense_replay *replay,
                                   struct sense_outcome *outcome)
{
	sense_error err;
	struct sense_job job = replay->job;
	job.sources = session->sources;
	job.source_count = session->source_count;
	job.sink = (struct sense_supervisor_sink){.self = session,
	                                          .finding = on_finding,
	                                          .flow = on_flow,
	                                          .message = on_message,
	                                          .tick = on_tick,
	                                          .control = on_control};
	enum sense_status status = sense_supervisor_run(&job, outcome, &err);
	sense_progress_clear(&session->progress);
	if (status)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	if (outcome->signal)
		sense_log(SENSE_LOG_WARN, "replay", "stopped by %s; what was found so far follows",
		          strsignal(outcome->signal));
	return status;
}

int sense_replay_run(const struct sense_replay *replay)
{
	struct sense_outcome outcome = {0};
	struct session session = {.cli = replay->cli, .out.subsystem = "replay"};
	uint64_t begun_us = sense_clock_monotonic_us();
	sense_error err;
	int code = SENSE_EXIT_FAILED;
	sense_buf_init(&session.out.buf, 0);
	if (!sources_open(&session) || !session.source_count)
		goto out;
	if (!replay->cli->json && !replay->cli->flows && !(session.table = sense_table_new())) {
		sense_log(SENSE_LOG_ERROR, "replay", "no memory for the table");
		goto out;
	}
	if (replay->cli->keep && sense_keep_open(replay->conf, &session.spool, &err)) {
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
		goto out;
	}
	session.total_bytes = sources_size(&session);
	sense_progress_init(&session.progress, !replay->cli->no_progress);
	enum sense_status status = supervise(&session, replay, &outcome);
	/* When nothing could even be loaded, a count of zero findings would read like an answer. */
	if (session.table && sense_crew_phase(replay->job.crew) >= SENSE_PHASE_RUN)
		table_show(&session, replay->job.crew);
	if (session.spool)
		keep_commit(&session);
	sense_output_flush(&session.out);
	if (replay->cli->stats)
		stats_show(&session, replay->job.crew, &outcome, begun_us);
	code = exit_code(&session, status, &outcome, replay->job.crew);
out:
	sense_spool_close(session.spool);
	sense_table_free(session.table);
	sources_close(&session);
	sense_buf_fini(&session.out.buf);
	return code;
}
