#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rules/explain.h"
#include "lua/cidr.h"
#include "lua/tools/test.h"

#define ARENA_MAX ((size_t)256 << 20)
#define NEAR_MAX 64

void sense_test_fail(struct sense_test_run *run, unsigned kind, int line, const char *fmt, ...)
{
	struct sense_buf text;
	char message[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	sense_buf_init(&text, 0);
	sense_buf_printf(&text, "%s:%d: %s", run->file->file, line, message);
	run->failed(run->context, kind, sense_buf_str(&text));
	sense_buf_fini(&text);
}

/* ---- what the engine tells ---- */

static const char *keep(struct sense_test_run *run, const char *text)
{
	return text ? sense_arena_strndup(&run->arena, text, strlen(text)) : NULL;
}

static void finding_keep(struct sense_test_run *run, const struct sense_finding *from,
                         struct sense_finding *to)
{
	const char **const texts[] = {&to->type,         &to->severity, &to->rule,    &to->policy,
	                              &to->source_ip,    &to->dest_ip,  &to->host,    &to->service,
	                              &to->service_name, &to->category, &to->process, &to->user,
	                              &to->summary,      &to->action};
	*to = *from;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = keep(run, *texts[i]);
	for (unsigned i = 0; i < to->evidence_count; i++)
		to->evidence[i] = keep(run, to->evidence[i]);
	for (unsigned i = 0; i < to->tag_count; i++)
		to->tags[i] = keep(run, to->tags[i]);
	for (unsigned i = 0; i < to->detail_count; i++) {
		to->details[i].key = keep(run, to->details[i].key);
		to->details[i].string = keep(run, to->details[i].string);
	}
}

static void on_finding(void *self, const struct sense_finding *finding)
{
	struct sense_test_run *run = self;
	if (run->count == run->cap && run->cap < SENSE_TEST_FINDINGS_MAX) {
		unsigned cap = run->cap ? run->cap * 2 : 64;
		struct sense_test_finding *grown = realloc(run->findings, cap * sizeof *grown);
		if (grown) {
			run->findings = grown;
			run->cap = cap;
		}
	}
	if (run->count == run->cap) {
		run->lost++;
		return;
	}
	run->findings[run->count].named = false;
	finding_keep(run, finding, &run->findings[run->count++].finding);
}

static void on_script_error(void *self, const struct sense_rule *rule, const sense_error *err)
{
	struct sense_test_run *run = self;
	(void)rule; /* the message names it */
	run->failed(run->context, SENSE_TEST_BROKEN, err->message);
}

/* Of each rule that is expected, the event that came nearest; of equal ones, the latest. */
static void on_event(void *self, const struct sense_event *event)
{
	struct sense_test_run *run = self;
	for (unsigned i = 0; i < run->near_count; i++) {
		struct sense_test_near *near = &run->near[i];
		struct sense_buf why;
		if (!(near->rule->events >> event->kind & 1))
			continue;
		sense_buf_init(&why, 0);
		unsigned failed = sense_rule_explain(near->rule, event, &why).failed;
		if (near->why.len && failed > near->failed) {
			sense_buf_fini(&why);
			continue;
		}
		sense_buf_fini(&near->why);
		near->why = why;
		near->failed = failed;
	}
}

/* ---- beginning ---- */

/* Ids in the test are ids of rules, or somebody has to hear of it before anything runs. */
static bool rules_known(struct sense_test_run *run)
{
	bool good = true;
	char near[160];
	const struct sense_test_plan *plan = run->plan;
	const sense_ruleset *rules = run->kit->station.rules;
	run->near = calloc(NEAR_MAX, sizeof *run->near);
	for (unsigned i = 0; i < plan->step_count; i++) {
		const struct sense_test_step *step = &plan->steps[i];
		int number = step->rule ? sense_kit_rule(rules, step->rule, near, sizeof near) : 0;
		if (number < 0) {
			sense_test_fail(run, SENSE_TEST_BROKEN, step->line, "there is no rule '%s'%s",
			                step->rule, near);
			good = false;
		} else if (step->rule && step->times && run->near && run->near_count < NEAR_MAX) {
			run->near[run->near_count++].rule = sense_ruleset_get(rules, (unsigned)number);
		}
	}
	for (unsigned i = 0; i < plan->param_count; i++) {
		if (sense_kit_rule(rules, plan->params[i].rule, near, sizeof near) >= 0)
			continue;
		sense_test_fail(run, SENSE_TEST_BROKEN, plan->params[i].line,
		                "params: there is no rule '%s'%s", plan->params[i].rule, near);
		good = false;
	}
	return good;
}

static bool needs_capture(const struct sense_test_plan *plan)
{
	for (unsigned i = 0; i < plan->step_count; i++)
		if (plan->steps[i].op == SENSE_TEST_CAPTURE)
			return true;
	return false;
}

/* Policies are run anew: what they keep in locals must not pass from one test to the next. */
static bool begin(struct sense_test_run *run)
{
	sense_error err;
	struct sense_report report;
	struct sense_station *station = &run->kit->station;
	sense_report_init(&report);
	station->prepare = run->plan->param_count ? sense_test_params : NULL;
	station->context = run->plan;
	enum sense_status status = sense_kit_rules(run->kit, run->sources, run->mark, &report, &err);
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++) {
		char text[1200];
		sense_problem_format(&report.items[i], text, sizeof text);
		run->failed(run->context, SENSE_TEST_BROKEN, text);
	}
	if (status && !report.count)
		run->failed(run->context, SENSE_TEST_BROKEN, err.message);
	sense_report_fini(&report);
	if (status || !rules_known(run))
		return false;
	struct sense_engine_config how = {
	    .mutant = run->mutant,
	    .observed_too = true,
	    .sink = {.self = run, .finding = on_finding, .script_error = on_script_error, .event = on_event},
	};
	station->classifier = NULL; /* it takes longer to start than most tests to run */
	if (needs_capture(run->plan))
		status = sense_station_plugins(station, &err);
	if (!status)
		status = sense_kit_engine(run->kit, &how, &err);
	if (status)
		run->failed(run->context, SENSE_TEST_BROKEN, err.message);
	return !status;
}

/* ---- steps ---- */

static void give(struct sense_given *given, const struct sense_test_value *value)
{
	struct sense_cidr network;
	switch (sense_field_type(value->field)) {
	case SENSE_VALUE_NUMBER:
		sense_given_number(given, value->field, value->value.number);
		break;
	case SENSE_VALUE_BOOL:
		sense_given_bool(given, value->field, value->value.boolean);
		break;
	case SENSE_VALUE_ADDR:
		if (sense_cidr_parse(value->value.string.text, &network))
			sense_given_addr(given, value->field, &network.addr);
		break;
	default:
		sense_given_string(given, value->field, value->value.string.text);
	}
}

static bool known(const struct sense_given *given, enum sense_field field)
{
	return given->known[field / 64] >> field % 64 & 1;
}

static void scope_default(struct sense_given *given, enum sense_field addr, enum sense_field scope)
{
	if (known(given, addr) && !known(given, scope))
		sense_given_string(given, scope, sense_addr_scope(&given->values[addr].addr));
}

static void event_raise(struct sense_test_run *run, const struct sense_test_step *step)
{
	struct sense_given *given = calloc(1, sizeof *given);
	if (!given) {
		sense_test_fail(run, SENSE_TEST_BROKEN, step->line, "no memory for the event");
		return;
	}
	for (unsigned i = 0; i < step->value_count; i++) {
		enum sense_field field = step->values[i].field;
		if (!(sense_field_events(field) >> step->kind & 1))
			sense_test_fail(run, SENSE_TEST_BROKEN, step->line, "%s is never known on %s events",
			                sense_field_name(field), sense_event_name(step->kind));
		give(given, &step->values[i]);
	}
	scope_default(given, SENSE_FIELD_DST_IP, SENSE_FIELD_DST_SCOPE);
	scope_default(given, SENSE_FIELD_LISTEN_IP, SENSE_FIELD_LISTEN_SCOPE);
	sense_engine_event(run->kit->station.engine, step->kind, step->ts_us, given);
	free(given);
}

/* Flows end with their capture: what comes at a flow's end is part of what it shows. */
static void capture_run(struct sense_test_run *run, const struct sense_test_step *step)
{
	sense_error err;
	char path[PATH_MAX];
	const char *slash = strrchr(run->file->file, '/');
	int dir = slash && step->path[0] != '/' ? (int)(slash - run->file->file) + 1 : 0;
	snprintf(path, sizeof path, "%.*s%s", dir, run->file->file, step->path);
	if (sense_kit_capture(run->kit, path, &err))
		sense_test_fail(run, SENSE_TEST_BROKEN, step->line, "%s", err.message);
	sense_engine_finish(run->kit->station.engine);
}

void sense_test_run(struct sense_test_run *run)
{
	const struct sense_test_plan *plan = run->plan;
	sense_arena_init(&run->arena, ARENA_MAX);
	if (!begin(run))
		return;
	for (unsigned i = 0; i < plan->step_count; i++) {
		const struct sense_test_step *step = &plan->steps[i];
		if (step->op == SENSE_TEST_EVENT)
			event_raise(run, step);
		else if (step->op == SENSE_TEST_CAPTURE)
			capture_run(run, step);
		else
			sense_test_judge(run, step);
	}
	sense_test_judge_only(run);
	if (run->lost)
		sense_test_fail(run, SENSE_TEST_BROKEN, 1,
		                "more than %u findings in one test; %u were left out", run->count, run->lost);
}

void sense_test_run_fini(struct sense_test_run *run)
{
	for (unsigned i = 0; i < run->near_count; i++)
		sense_buf_fini(&run->near[i].why);
	free(run->near);
	free(run->findings);
	sense_arena_fini(&run->arena);
}
