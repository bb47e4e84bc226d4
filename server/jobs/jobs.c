#include "server/jobs/jobs.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"

/* What ran under a lock that another server holds gives NULL. */
#define UNDER_LOCK(name, call)                                                                             \
	"SELECT CASE WHEN pg_try_advisory_xact_lock(hashtextextended('sense.job." name "', 0)) THEN " call \
	" END"

struct kind {
	struct sense_db_statement statement;
	double every; /* seconds */
	bool takes_retention;
	const char *what; /* "partitions made": said when it did some; NULL: not worth a word */
};

static const struct kind kinds[] = {
    {{"job_partitions", UNDER_LOCK("partitions", "sense.make_partitions()")}, 300, false, "partitions made"},
    {{"job_retention", UNDER_LOCK("retention", "sense.drop_partitions($1::integer)")},
     3600,
     true,
     "partitions dropped, of days beyond findings.retention"},
    {{"job_roll_up", UNDER_LOCK("roll_up", "sense.roll_up()")}, 5, false, NULL},
    {{"job_rollouts", UNDER_LOCK("rollouts", "sense.rollouts_step()")}, 5, false, "rollouts went on"},
    {{"job_commands", UNDER_LOCK("commands", "sense.commands_expire()")}, 30, false, NULL},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct job {
	sense_jobs *jobs;
	const struct kind *kind;
	ev_timer timer;
	bool under_way, failed;
};

struct sense_jobs {
	struct ev_loop *loop;
	sense_db *db;
	char retention[16];
	struct job job[KINDS];
};

static void done(void *self, const struct sense_db_result *result)
{
	struct job *job = self;
	uint64_t count = result->outcome == SENSE_DB_DONE && result->rows ? sense_db_uint(result, 0, 0) : 0;
	bool failed = result->outcome == SENSE_DB_REFUSED;
	job->under_way = false;
	if (failed && !job->failed)
		sense_log(SENSE_LOG_ERROR, "jobs", "%s: %s", job->kind->statement.name,
		          result->message ? result->message : "refused by the database");
	if (count && job->kind->what)
		sense_log(SENSE_LOG_INFO, "jobs", "%llu %s", (unsigned long long)count, job->kind->what);
	job->failed = failed;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct job *job = timer->data;
	const struct sense_db_param retention = SENSE_DB_TEXT(job->jobs->retention);
	(void)loop;
	(void)events;
	if (job->under_way)
		return;
	job->under_way = sense_db_ask(job->jobs->db, NULL, &job->kind->statement, &retention,
	                              job->kind->takes_retention ? 1 : 0, done, job);
}

sense_jobs *sense_jobs_new(struct ev_loop *loop, sense_db *db, unsigned retention, sense_error *err)
{
	sense_jobs *jobs = calloc(1, sizeof *jobs);
	if (!jobs) {
		sense_fail(err, SENSE_E_MEMORY, "jobs", "no memory");
		return NULL;
	}
	jobs->loop = loop;
	jobs->db = db;
	snprintf(jobs->retention, sizeof jobs->retention, "%u", retention);
	for (unsigned i = 0; i < KINDS; i++) {
		struct job *job = &jobs->job[i];
		job->jobs = jobs;
		job->kind = &kinds[i];
		ev_timer_init(&job->timer, on_timer, 0.1, kinds[i].every);
		job->timer.data = job;
		ev_timer_start(loop, &job->timer);
	}
	return jobs;
}

void sense_jobs_free(sense_jobs *jobs)
{
	for (unsigned i = 0; jobs && i < KINDS; i++)
		ev_timer_stop(jobs->loop, &jobs->job[i].timer);
	free(jobs);
}
