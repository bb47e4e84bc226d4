#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lua/tools/test.h"

/* At work on the tests of one file. */
struct shift {
	const struct sense_test_job *job;
	union sense_mark *mark;
	int out;
	unsigned failed; /* bits of the test in hand */
};

static void write_whole(int fd, const void *data, size_t len)
{
	for (const char *at = data; len;) {
		ssize_t written = write(fd, at, len);
		if (written < 0 && errno != EINTR)
			_exit(SENSE_EXIT_FAILED); /* whoever wanted to know is gone */
		if (written > 0) {
			at += written;
			len -= (size_t)written;
		}
	}
}

static void tell(const struct shift *shift, enum sense_test_record_type type, unsigned number, int line,
                 const char *text)
{
	size_t len = text ? strlen(text) : 0;
	struct sense_test_record record = {
	    .type = type,
	    .number = number,
	    .line = (uint32_t)line,
	    .len = (uint32_t)(len < SENSE_TEST_RECORD_TEXT_MAX ? len : SENSE_TEST_RECORD_TEXT_MAX),
	};
	write_whole(shift->out, &record, sizeof record);
	write_whole(shift->out, text, record.len);
}

static void on_failed(void *context, unsigned kind, const char *text)
{
	struct shift *shift = context;
	shift->failed |= kind;
	tell(shift, SENSE_TEST_RECORD_FAIL, kind, 0, text);
}

/* What is wrong with the test as a whole. */
static void test_fail(struct shift *shift, int line, const char *what)
{
	sense_error err;
	sense_fail(&err, SENSE_E_SCRIPT, "test", "%s:%d: %s", shift->job->file->file, line, what);
	on_failed(shift, SENSE_TEST_BROKEN, err.message);
}

/* Which rules the test is about, and which it made fire: coverage is counted from that. */
static void rules_tell(const struct shift *shift, const struct sense_test_run *run)
{
	const struct sense_station *station = &run->kit->station;
	unsigned count = station->rules ? sense_ruleset_count(station->rules) : 0;
	for (unsigned i = 0; station->engine && i < count; i++)
		if (sense_engine_rule_stats(station->engine, i)->findings)
			tell(shift, SENSE_TEST_RECORD_FIRED, i, 0, NULL);
	for (unsigned i = 0; i < run->plan->step_count; i++) {
		char near[160];
		const char *rule = run->plan->steps[i].rule;
		int number = rule && count ? sense_kit_rule(station->rules, rule, near, sizeof near) : -1;
		if (number >= 0)
			tell(shift, SENSE_TEST_RECORD_NAMED, (unsigned)number, 0, NULL);
	}
}

static void plan_run(struct shift *shift, struct sense_kit *kit, const struct sense_test_plan *plan)
{
	struct sense_test_run run = {
	    .kit = kit,
	    .sources = shift->job->sources,
	    .file = shift->job->file,
	    .plan = plan,
	    .mark = shift->mark,
	    .mutant = shift->job->mutant,
	    .failed = on_failed,
	    .context = shift,
	};
	sense_test_run(&run);
	rules_tell(shift, &run);
	sense_test_run_fini(&run);
}

static uint64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A test that expects nothing cannot fail, whatever the policies do. */
static bool expects(const struct sense_test_plan *plan)
{
	for (unsigned i = 0; i < plan->step_count; i++)
		if (plan->steps[i].op == SENSE_TEST_EXPECT || plan->steps[i].op == SENSE_TEST_NOTHING)
			return true;
	return plan->only_line != 0;
}

static void test_run(struct shift *shift, sense_lua *recorder, struct sense_kit *kit, int number)
{
	int line;
	char name[256];
	sense_error err;
	struct sense_test_plan plan = {.error = NULL};
	uint64_t begun = now_us();
	if (sense_test_about(recorder, number, name, sizeof name, &line))
		return;
	shift->failed = 0;
	tell(shift, SENSE_TEST_RECORD_BEGIN, (unsigned)number, line, name);
	if (sense_test_record(recorder, number, &plan, &err)) {
		test_fail(shift, line, err.message);
	} else if (plan.error) {
		on_failed(shift, SENSE_TEST_BROKEN, plan.error);
	} else if (!expects(&plan)) {
		test_fail(shift, line, "the test expects nothing: it could never fail");
	} else {
		plan_run(shift, kit, &plan);
	}
	sense_test_plan_fini(&plan);
	tell(shift, SENSE_TEST_RECORD_END, (unsigned)(now_us() - begun), 0, NULL);
}

int sense_test_child(const struct sense_test_job *job, union sense_mark *mark, int out)
{
	sense_error err;
	struct shift shift = {.job = job, .mark = mark, .out = out};
	struct sense_lua_limits limits = {.load_us =
	                                      sense_conf_number(job->conf, SENSE_CONF_RULES_LOAD_LIMIT)};
	struct sense_kit kit = {.station.conf = job->conf,
	                        .station.catalogue = (sense_catalogue *)job->catalogue};
	sense_lua *recorder = sense_lua_new(&limits, &err);
	int count = recorder ? sense_test_load(recorder, job->file, &err) : -1;
	if (count < 0)
		tell(&shift, SENSE_TEST_RECORD_FILE, 0, 0, err.message);
	else if (!count)
		tell(&shift, SENSE_TEST_RECORD_FILE, 0, 0, "there is no test in this file");
	for (int i = job->first; i < count; i++) {
		test_run(&shift, recorder, &kit, i);
		if (shift.failed & job->enough)
			break;
	}
	kit.station.catalogue = NULL; /* lent */
	sense_kit_close(&kit);
	sense_lua_free(recorder);
	return SENSE_EXIT_OK;
}
