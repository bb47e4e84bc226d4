/* `test`: reads policies and test files, has each file run by a child, and adds up what it says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lua/tools/test.h"

#define STALL_MS 30000u
#define RESULTS_MAX 100000u

/* What a test run found out about a rule, by its number; and in which files. */
struct session {
	const struct sense_conf *conf;
	const struct sense_cli *cli;
	struct sense_kit kit;
	struct sense_policy_sources policies, tests;
	unsigned count, cap;
	struct sense_test_result *results;
	uint8_t *fired; /* by rule number */
	uint8_t *about; /* tests.count a rule: the file has a test that names it or made it fire */
	bool failed;
	struct sense_buf survivors;
	unsigned mutants;
};

/* Listening to one child. */
struct hearing {
	struct session *session;
	const struct sense_test_job *job;
	unsigned file;
	struct sense_buf in;               /* records that are not whole yet */
	struct sense_test_result *current; /* the test in hand; NULL: none */
	int number;                        /* its number */
	bool mutant;                       /* only `seen` matters */
	unsigned seen;                     /* bits of all failures */
};

/* ---- results ---- */

static struct sense_test_result *result_add(struct session *session, const char *file, const char *name,
                                            int line)
{
	if (session->count == session->cap && session->cap < RESULTS_MAX) {
		unsigned cap = session->cap ? session->cap * 2 : 64;
		struct sense_test_result *grown = realloc(session->results, cap * sizeof *grown);
		if (grown) {
			session->results = grown;
			session->cap = cap;
		}
	}
	char *copy = strdup(name);
	if (session->count == session->cap || !copy) {
		fputs("sense-agent: no memory for the results of the tests\n", stderr);
		free(copy);
		session->failed = true;
		return NULL;
	}
	struct sense_test_result *result = &session->results[session->count++];
	*result = (struct sense_test_result){.file = file, .name = copy, .line = line};
	sense_buf_init(&result->text, 0);
	return result;
}

static void result_fail(struct hearing *hearing, unsigned kind, const char *text, size_t len)
{
	hearing->seen |= kind;
	if (!hearing->current)
		return;
	hearing->session->failed = true;
	hearing->current->failed |= kind;
	if (hearing->current->text.len)
		sense_buf_addc(&hearing->current->text, '\n');
	sense_buf_add(&hearing->current->text, text, len);
}

static void file_fail(struct hearing *hearing, const char *text, size_t len)
{
	hearing->seen |= SENSE_TEST_BROKEN;
	if (hearing->mutant)
		return;
	hearing->current = result_add(hearing->session, hearing->job->file->file, "the file itself", 1);
	result_fail(hearing, SENSE_TEST_BROKEN, text, len);
	hearing->current = NULL;
}

static void rule_note(struct hearing *hearing, unsigned rule, bool fired)
{
	struct session *session = hearing->session;
	if (hearing->mutant || rule >= sense_ruleset_count(session->kit.station.rules))
		return;
	session->about[(size_t)rule * session->tests.count + hearing->file] = 1;
	session->fired[rule] |= fired;
}

static void record_take(struct hearing *hearing, const struct sense_test_record *record, const char *text)
{
	char name[256];
	switch (record->type) {
	case SENSE_TEST_RECORD_BEGIN:
		hearing->number = record->number < RESULTS_MAX ? (int)record->number : -1;
		snprintf(name, sizeof name, "%.*s", (int)(record->len < 255 ? record->len : 255), text);
		if (!hearing->mutant)
			hearing->current =
			    result_add(hearing->session, hearing->job->file->file, name, (int)record->line);
		break;
	case SENSE_TEST_RECORD_FAIL:
		result_fail(hearing, record->number, text, record->len);
		break;
	case SENSE_TEST_RECORD_FIRED:
	case SENSE_TEST_RECORD_NAMED:
		rule_note(hearing, record->number, record->type == SENSE_TEST_RECORD_FIRED);
		break;
	case SENSE_TEST_RECORD_END:
		if (hearing->current)
			hearing->current->seconds = (double)record->number / 1e6;
		hearing->current = NULL;
		break;
	case SENSE_TEST_RECORD_FILE:
		file_fail(hearing, text, record->len);
		break;
	}
}

/* As sense_guard.take. */
static void on_data(void *context, const void *data, size_t len)
{
	struct hearing *hearing = context;
	struct sense_test_record record;
	size_t done = 0;
	sense_buf_add(&hearing->in, data, len);
	while (hearing->in.len - done >= sizeof record) {
		memcpy(&record, hearing->in.data + done, sizeof record);
		if (record.len > SENSE_TEST_RECORD_TEXT_MAX ||
		    hearing->in.len - done - sizeof record < record.len)
			break;
		record_take(hearing, &record, hearing->in.data + done + sizeof record);
		done += sizeof record + record.len;
	}
	memmove(hearing->in.data, hearing->in.data + done, hearing->in.len - done);
	hearing->in.len -= done;
}

/* ---- one file ---- */

struct work {
	struct hearing hearing; /* first: the guard hands its context to both */
	struct sense_test_job job;
};

static int body(void *context, union sense_mark *mark, int out)
{
	return sense_test_child(&((struct work *)context)->job, mark, out);
}

/* The child did not come to its end: the test in hand is told so, and the next child goes on behind it. */
static bool died(struct work *work, const struct sense_guard *guard, const struct sense_guard_end *end)
{
	char how[160], text[400];
	struct hearing *hearing = &work->hearing;
	const struct sense_rule *rule =
	    end->rule ? sense_ruleset_get(hearing->session->kit.station.rules, end->rule - 1) : NULL;
	sense_guard_describe(guard, end, how, sizeof how);
	if (rule)
		snprintf(text, sizeof text, "%s:%d: rule \"%s\": %s", rule->file, rule->line, rule->id, how);
	else
		snprintf(text, sizeof text, "%s", how);
	bool in_test = hearing->number >= work->job.first;
	if (in_test)
		result_fail(hearing, SENSE_TEST_BROKEN, text, strlen(text));
	else
		file_fail(hearing, text, strlen(text));
	hearing->current = NULL;
	hearing->in.len = 0;
	work->job.first = hearing->number + 1;
	return in_test;
}

/* Bits of all failures in the file. */
static unsigned file_run(struct session *session, unsigned file, const struct sense_test_job *how,
                         bool mutant)
{
	struct work work = {
	    .hearing = {.session = session, .file = file, .number = -1, .mutant = mutant},
	    .job = *how,
	};
	struct sense_guard guard = {
	    .conf = session->conf, .body = body, .context = &work, .take = on_data, .stall_ms = STALL_MS};
	struct sense_guard_end end;
	sense_error err;
	work.job.conf = session->conf;
	work.job.catalogue = session->kit.station.catalogue;
	work.job.sources = &session->policies;
	work.job.file = &session->tests.items[file];
	work.hearing.job = &work.job;
	sense_buf_init(&work.hearing.in, 0);
	do {
		if (sense_guard_run(&guard, &end, &err)) {
			sense_tool_fail(&err);
			session->failed = true;
			break;
		}
	} while ((end.signal || end.code) && died(&work, &guard, &end) && !mutant);
	sense_buf_fini(&work.hearing.in);
	return work.hearing.seen;
}

/* ---- mutants ---- */

static bool is_test_of(const struct sense_policy_source *test, const char *policy_file)
{
	size_t len = strlen(policy_file);
	return len > 4 && !strncmp(test->file, policy_file, len - 4) &&
	       !strcmp(test->file + len - 4, "_test.lua");
}

/* A finding too few or too many; that a script fails on events that are not for it tells nothing. */
#define NOTICED (SENSE_TEST_MISSING | SENSE_TEST_EXTRA)

/* Some test that is about the rule, or stands beside its policy, fails. */
static bool noticed(struct session *session, const struct sense_rule *rule, const struct sense_test_job *job)
{
	for (unsigned i = 0; i < session->tests.count; i++)
		if ((is_test_of(&session->tests.items[i], rule->file) ||
		     session->about[(size_t)rule->number * session->tests.count + i]) &&
		    file_run(session, i, job, true) & NOTICED)
			return true;
	return false;
}

/* What is to be said of a mutant that no test noticed. */
static const char *const survivors[SENSE_MUTATIONS] = {
    [SENSE_MUTATION_FLIPPED] = "is turned round: no test says when it fires",
    [SENSE_MUTATION_NEVER] = "never fires: add a test with t:expect",
    [SENSE_MUTATION_ALWAYS] =
        "fires on everything: add an event that comes near, and t:forbid or t:nothing",
};

/* A rule without conditions fires on everything anyway. */
static bool possible(const struct sense_rule *rule, enum sense_mutation how)
{
	return how != SENSE_MUTATION_ALWAYS || rule->condition_count || rule->clause_count || rule->has_when;
}

static void mutate(struct session *session)
{
	const sense_ruleset *rules = session->kit.station.rules;
	for (unsigned i = 0; i < SENSE_MUTATIONS * sense_ruleset_count(rules); i++) {
		const struct sense_rule *rule = sense_ruleset_get(rules, i / SENSE_MUTATIONS);
		enum sense_mutation how = (enum sense_mutation)(i % SENSE_MUTATIONS);
		struct sense_test_job job = {.mutant = {rule->number + 1, how}, .enough = NOTICED};
		if (!possible(rule, how))
			continue;
		session->mutants++;
		if (noticed(session, rule, &job))
			continue;
		session->failed = true;
		sense_buf_printf(&session->survivors, "  %s:%d: rule \"%s\" %s\n", rule->file, rule->line,
		                 rule->id, survivors[how]);
	}
}

/* ---- the command ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);
	return len >= tail && !strcmp(text + len - tail, end);
}

/*
 * A directory holds both; of a single file, the other one stands beside it: x.lua and x_test.lua.
 * False: something could not be read, which was said.
 */
static bool operand_read(struct session *session, const char *operand)
{
	sense_error err;
	struct stat st;
	char policy[4096], test[4096];
	bool single = !stat(operand, &st) && !S_ISDIR(st.st_mode);
	const char *path = policy;
	snprintf(policy, sizeof policy, "%s", operand);
	snprintf(test, sizeof test, "%s", operand);
	if (single && ends_with(operand, "_test.lua"))
		snprintf(policy, sizeof policy, "%.*s.lua", (int)(strlen(operand) - 9), operand);
	else if (single && ends_with(operand, ".lua"))
		snprintf(test, sizeof test, "%.*s_test.lua", (int)(strlen(operand) - 4), operand);
	if (single && access(test, F_OK)) {
		fprintf(stderr, "sense-agent: %s has no test: there is no %s\n", operand, test);
		return false;
	}
	if (sense_station_read(&session->kit.station, &path, 1, &session->policies, &err) ||
	    sense_policy_read(&session->tests, test, &err)) {
		sense_tool_fail(&err);
		return false;
	}
	return true;
}

static bool policies_load(struct session *session)
{
	sense_error err;
	struct sense_report report;
	struct sense_kit *kit = &session->kit;
	sense_report_init(&report);
	enum sense_status status = sense_station_catalogue(&kit->station, &err);
	if (!status)
		status = sense_kit_rules(kit, &session->policies, NULL, &report, &err);
	sense_report_print(&report, stderr);
	if (status && !report.count)
		sense_tool_fail(&err);
	sense_report_fini(&report);
	if (status)
		return false;
	unsigned count = sense_ruleset_count(kit->station.rules);
	session->fired = calloc(count + 1u, 1);
	session->about = calloc((size_t)count * session->tests.count + 1u, 1);
	return session->fired && session->about;
}

static bool session_begin(struct session *session)
{
	for (unsigned i = 0; i < session->cli->path_count; i++)
		if (!operand_read(session, session->cli->paths[i]))
			return false;
	if (!session->tests.count) {
		fputs("sense-agent: there are no tests (*_test.lua) there\n", stderr);
		return false;
	}
	return policies_load(session);
}

static void session_report(struct session *session)
{
	struct sense_buf out;
	const sense_ruleset *rules = session->kit.station.rules;
	struct sense_test_summary summary = {
	    .format = session->cli->format,
	    .count = session->count,
	    .results = session->results,
	    .rules = rules,
	    .fired = session->fired,
	    .mutants = session->mutants,
	    .survivors = sense_buf_str(&session->survivors),
	};
	sense_buf_init(&out, 0);
	sense_test_report(&summary, &out);
	fputs(sense_buf_str(&out), stdout);
	sense_buf_fini(&out);
	for (unsigned i = 0; session->cli->coverage && i < sense_ruleset_count(rules); i++)
		session->failed = session->failed || !session->fired[i];
}

int sense_tool_test(const struct sense_conf *conf, const struct sense_cli *cli)
{
	struct session session = {.conf = conf, .cli = cli, .kit.station.conf = conf, .failed = true};
	/* What holds here must hold anywhere: hours are those of UTC, in which the tests' clock is set. */
	setenv("TZ", "UTC0", 1);
	tzset();
	sense_policy_sources_init(&session.policies);
	sense_policy_sources_init(&session.tests);
	sense_buf_init(&session.survivors, 0);
	session.tests.tests = true;
	if (session_begin(&session)) {
		const struct sense_test_job plain = {.first = 0};
		session.failed = false;
		for (unsigned i = 0; i < session.tests.count; i++)
			file_run(&session, i, &plain, false);
		/* Mutants of rules whose tests fail already would tell nothing. */
		if (cli->mutate && !session.failed)
			mutate(&session);
		session_report(&session);
	}
	for (unsigned i = 0; i < session.count; i++) {
		free(session.results[i].name);
		sense_buf_fini(&session.results[i].text);
	}
	free(session.results);
	free(session.fired);
	free(session.about);
	sense_buf_fini(&session.survivors);
	sense_kit_close(&session.kit);
	sense_policy_sources_fini(&session.policies);
	sense_policy_sources_fini(&session.tests);
	return session.failed ? SENSE_EXIT_FAILED : SENSE_EXIT_OK;
}
