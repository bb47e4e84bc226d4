/*
 * `explain`: why a rule did or did not fire on a capture. Each flow is shown by the one event that came
 * nearest: the fewest conditions that failed, and of those where none did, how far it went from there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/rules/explain.h"
#include "core/show/json.h"
#include "lua/tools/tools.h"

#define FLOWS_MAX 100000u /* kept for the answer; more are counted */
#define SLOTS (1u << 18)  /* of the look-up: more than twice as many */
#define SHOWN_MAX 20u
#define REASON_MAX 300

/* What became of an event whose conditions all held; the later, the further it came. */
enum end { END_CONDITIONS, END_FAILED, END_WHEN, END_THROTTLE, END_FIRED };

struct entry {
	const struct sense_flow *flow; /* borrowed, and compared only: it may be another by now */
	uint64_t first_ts;
	unsigned number; /* from 1, in order of the first event */
	unsigned events;
	struct sense_explanation best; /* of the best event */
	enum end end;                  /* likewise */
	bool wanted;             /* by --host and --flow */
	char *why;               /* conditions of the best event */
	char reason[REASON_MAX]; /* error of its script */
	char who[400];
};

struct explain {
	const struct sense_conf *conf;
	const struct sense_cli *cli;
	struct sense_kit kit;
	struct sense_policy_sources sources;
	struct sense_script inner;
	const struct sense_rule *rule;
	struct entry *entries;
	uint32_t *slots; /* index + 1 in entries */
	unsigned count, left_out;
	/* The event in hand. */
	struct entry *current;
	struct sense_explanation told;
	enum end end;
	struct sense_buf why;
	char reason[REASON_MAX];
	uint64_t held, suppressed; /* of the rule before it */
};

/* ---- flows ---- */

static struct entry *entry_of(struct explain *explain, const struct sense_event *event)
{
	const struct {
		const struct sense_flow *flow;
		uint64_t first_ts;
	} key = {event->flow, event->flow ? event->flow->first_ts : 0};
	uint32_t slot = (uint32_t)sense_hash(&key, sizeof key, 0) % SLOTS;
	for (; explain->slots[slot]; slot = (slot + 1) % SLOTS) {
		struct entry *entry = &explain->entries[explain->slots[slot] - 1];
		if (entry->flow == key.flow && entry->first_ts == key.first_ts)
			return entry;
	}
	if (explain->count == FLOWS_MAX) {
		explain->left_out++;
		return NULL;
	}
	struct entry *entry = &explain->entries[explain->count];
	explain->slots[slot] = ++explain->count;
	*entry = (struct entry){
	    .flow = key.flow, .first_ts = key.first_ts, .number = explain->count, .best.failed = UINT32_MAX};
	return entry;
}

static void field_print(const struct sense_event *event, enum sense_field field, struct sense_buf *out)
{
	struct sense_value value;
	sense_event_get(event, field, &value);
	if (value.type != SENSE_VALUE_NONE)
		sense_value_print(&value, out);
	else
		sense_buf_adds(out, "?");
}

/* "10.0.0.5:50000 -> 192.0.2.1:443 "claude.ai"", as far as the event knows. */
static void who_print(struct entry *entry, const struct sense_event *event)
{
	struct sense_value host;
	struct sense_buf out;
	sense_buf_init(&out, 0);
	if (event->flow) {
		field_print(event, SENSE_FIELD_SRC_IP, &out);
		sense_buf_addc(&out, ':');
		field_print(event, SENSE_FIELD_SRC_PORT, &out);
		sense_buf_adds(&out, " -> ");
		field_print(event, SENSE_FIELD_DST_IP, &out);
		sense_buf_addc(&out, ':');
		field_print(event, SENSE_FIELD_DST_PORT, &out);
	} else {
		sense_buf_adds(&out, "events without a flow");
	}
	sense_event_get(event, SENSE_FIELD_HOST, &host);
	if (host.type == SENSE_VALUE_STRING) {
		sense_buf_addc(&out, ' ');
		sense_value_print(&host, &out);
	}
	snprintf(entry->who, sizeof entry->who, "%s", sense_buf_str(&out));
	sense_buf_fini(&out);
}

static bool host_wanted(const struct sense_event *event, const char *wanted)
{
	struct sense_value host;
	sense_event_get(event, SENSE_FIELD_HOST, &host);
	size_t len = strlen(wanted);
	if (host.type != SENSE_VALUE_STRING || host.string.len < len)
		return false;
	const char *tail = host.string.text + host.string.len - len;
	return !strcmp(tail, wanted) && (tail == host.string.text || tail[-1] == '.');
}

/* ---- events ---- */

/* The event before is over: what the rule's counters say now was its doing. */
static void settle(struct explain *explain)
{
	struct entry *entry = explain->current;
	const struct sense_rule_stats *stats =
	    sense_engine_rule_stats(explain->kit.station.engine, explain->rule->number);
	if (entry && !explain->told.failed && stats->held > explain->held)
		explain->end = stats->suppressed > explain->suppressed ? END_THROTTLE : END_FIRED;
	explain->held = stats->held;
	explain->suppressed = stats->suppressed;
	explain->current = NULL;
	if (!entry || explain->told.failed > entry->best.failed ||
	    (explain->told.failed == entry->best.failed && explain->end < entry->end))
		return;
	char *why = strdup(sense_buf_str(&explain->why));
	if (!why)
		return;
	free(entry->why);
	entry->why = why;
	entry->best = explain->told;
	entry->end = explain->end;
	memcpy(entry->reason, explain->reason, sizeof entry->reason);
}

static void on_event(void *self, const struct sense_event *event)
{
	struct explain *explain = self;
	const struct sense_cli *cli = explain->cli;
	settle(explain);
	if (!(explain->rule->events >> event->kind & 1))
		return;
	struct entry *entry = entry_of(explain, event);
	if (!entry)
		return;
	entry->events++;
	entry->wanted = (entry->wanted || !cli->host || host_wanted(event, cli->host)) &&
	                (!cli->flow || cli->flow == entry->number);
	sense_buf_clear(&explain->why);
	explain->told = sense_rule_explain(explain->rule, event, &explain->why);
	explain->end = END_CONDITIONS;
	explain->current = entry;
	*explain->reason = '\0';
	who_print(entry, event);
}

struct failure {
	struct explain *explain;
	const struct sense_script_ask *ask;
};

static void on_failure(void *context, const struct sense_rule *rule, const sense_error *err)
{
	struct failure *failure = context;
	struct explain *explain = failure->explain;
	if (rule == explain->rule) {
		explain->end = END_FAILED;
		snprintf(explain->reason, sizeof explain->reason, "%.*s", REASON_MAX - 1, err->message);
	}
	failure->ask->failed(failure->ask->context, rule, err);
}

static uint32_t when(void *self, const struct sense_script_ask *ask)
{
	struct explain *explain = self;
	struct failure failure = {explain, ask};
	struct sense_script_ask wrapped = *ask;
	wrapped.failed = on_failure;
	wrapped.context = &failure;
	uint32_t holds = explain->inner.when(explain->inner.self, &wrapped);
	for (unsigned i = 0; i < ask->count; i++)
		if (ask->numbers[i] == explain->rule->number && !(holds >> i & 1) &&
		    explain->end == END_CONDITIONS)
			explain->end = END_WHEN;
	return holds;
}

static enum sense_status finding(void *self, const struct sense_rule *rule, const struct sense_event *event,
                                 struct sense_arena *arena, struct sense_finding *out, sense_error *err)
{
	struct explain *explain = self;
	return explain->inner.finding(explain->inner.self, rule, event, arena, out, err);
}

/* ---- what comes out ---- */

/* Nearest misses first; those that fired are no misses, and come last. */
static int by_nearness(const void *a, const void *b)
{
	const struct entry *one = *(const struct entry *const *)a, *other = *(const struct entry *const *)b;
	if ((one->end == END_FIRED) != (other->end == END_FIRED))
		return one->end == END_FIRED ? 1 : -1;
	if (one->best.failed != other->best.failed)
		return one->best.failed < other->best.failed ? -1 : 1;
	return (one->number > other->number) - (one->number < other->number);
}

static const char *end_word(const struct entry *entry)
{
	switch (entry->end) {
	case END_FIRED:
		return "fired";
	case END_THROTTLE:
		return "held, but its throttle kept the finding back";
	case END_WHEN:
		return "all conditions hold, and `when` said no";
	case END_FAILED:
		return "all conditions hold, and `when` failed";
	default:
		return entry->best.failed ? "did not match" : "all conditions hold, but it did not fire";
	}
}

/* On what flows failed, how often; the last is about all alternatives together. */
struct miss {
	const char *what;
	unsigned count;
};
#define MISSES (SENSE_FIELD_COUNT + 1)

static int more_first(const void *a, const void *b)
{
	const struct miss *one = a, *other = b;
	return (one->count < other->count) - (one->count > other->count);
}

static void misses_count(struct entry *const *entries, unsigned count, struct miss misses[MISSES])
{
	for (unsigned field = 0; field < SENSE_FIELD_COUNT; field++)
		misses[field] = (struct miss){sense_field_name((enum sense_field)field), 0};
	misses[SENSE_FIELD_COUNT] = (struct miss){"alternatives", 0};
	for (unsigned i = 0; i < count; i++) {
		const struct sense_explanation *best = &entries[i]->best;
		for (unsigned field = 0; field < SENSE_FIELD_COUNT; field++)
			misses[field].count += best->fields[field / 64] >> field % 64 & 1;
		misses[SENSE_FIELD_COUNT].count += best->no_alternative;
	}
	qsort(misses, MISSES, sizeof *misses, more_first);
}

/* Why there is nothing to show: the flow asked for is not in the capture, or raised other events only. */
static void nothing_print(const struct explain *explain)
{
	struct sense_buf events;
	sense_buf_init(&events, 0);
	sense_kit_events(explain->rule, &events);
	if (explain->cli->host && explain->count)
		printf("no flow to %s or below it raised an event that it takes: %s\n", explain->cli->host,
		       sense_buf_str(&events));
	else if (explain->cli->flow && explain->count)
		printf("flow %u is not there, or raised no event that it takes: %s\n", explain->cli->flow,
		       sense_buf_str(&events));
	else
		printf("no event that it takes was raised: %s\n", sense_buf_str(&events));
	sense_buf_fini(&events);
}

static void text_print(const struct explain *explain, struct entry *const *entries, unsigned count)
{
	const struct sense_rule_stats *stats =
	    sense_engine_rule_stats(explain->kit.station.engine, explain->rule->number);
	unsigned shown = explain->cli->all || count < SHOWN_MAX ? count : SHOWN_MAX;
	struct miss misses[MISSES];
	for (unsigned i = 0; i < shown; i++) {
		const struct entry *entry = entries[i];
		printf("flow %u: %s: %s\n", entry->number, entry->who, end_word(entry));
		const char *rest = strchr(entry->why, '\n');
		printf("  best of %u event%s: %.*s%s", entry->events, entry->events == 1 ? "" : "s",
		       (int)(rest - entry->why), entry->why, rest);
		if (*entry->reason)
			printf("  %s\n", entry->reason);
		putchar('\n');
	}
	if (shown < count)
		printf("%u more flows; --all shows them\n\n", count - shown);
	printf("fired %llu times%s; %u flow%s looked at", (unsigned long long)stats->findings,
	       explain->cli->host || explain->cli->flow ? " in all" : "", count, count == 1 ? "" : "s");
	misses_count(entries, count, misses);
	for (unsigned i = 0; i < MISSES && misses[i].count; i++)
		printf("%s%s (%u)", i ? ", " : "; most often failed on: ", misses[i].what, misses[i].count);
	putchar('\n');
	if (explain->left_out)
		printf("%u events of further flows were left out\n", explain->left_out);
	if (!count)
		nothing_print(explain);
}

static void json_entry(struct sense_json *json, const struct entry *entry)
{
	static const char *const ends[] = {"match", "error", "when", "throttle", "fired"};
	sense_json_open(json, '{');
	sense_json_member_uint(json, "flow", entry->number);
	sense_json_member(json, "who", entry->who);
	sense_json_member_uint(json, "events", entry->events);
	sense_json_member(json, "ended_at", ends[entry->end]);
	sense_json_member_uint(json, "failed", entry->best.failed);
	sense_json_member(json, "conditions", entry->why);
	sense_json_member(json, "error", *entry->reason ? entry->reason : NULL);
	sense_json_close(json, '}');
}

static void json_print(const struct explain *explain, struct entry *const *entries, unsigned count)
{
	struct sense_buf out;
	struct sense_json json = {.out = &out};
	unsigned shown = explain->cli->all || count < SHOWN_MAX ? count : SHOWN_MAX;
	sense_buf_init(&out, 0);
	sense_json_open(&json, '{');
	sense_json_member(&json, "rule", explain->rule->id);
	sense_json_member_uint(&json, "fired", sense_engine_rule_stats(explain->kit.station.engine, explain->rule->number)->findings);
	sense_json_member_uint(&json, "flows_looked_at", count);
	sense_json_key(&json, "flows");
	sense_json_open(&json, '[');
	for (unsigned i = 0; i < shown; i++)
		json_entry(&json, entries[i]);
	sense_json_close(&json, ']');
	sense_json_close(&json, '}');
	puts(sense_buf_str(&out));
	sense_buf_fini(&out);
}

static int results_print(struct explain *explain)
{
	unsigned count = 0;
	struct entry **wanted = calloc(explain->count + 1u, sizeof *wanted);
	if (!wanted)
		return SENSE_EXIT_FAILED;
	for (unsigned i = 0; i < explain->count; i++)
		if (explain->entries[i].wanted && explain->entries[i].why)
			wanted[count++] = &explain->entries[i];
	qsort(wanted, count, sizeof *wanted, by_nearness);
	(explain->cli->json ? json_print : text_print)(explain, wanted, count);
	free(wanted);
	return SENSE_EXIT_OK;
}

/* ---- the command ---- */

static enum sense_status replay(struct explain *explain, sense_error *err)
{
	struct sense_engine_config how = {
	    .observed_too = true,
	    .script = {.self = explain, .when = when, .finding = finding},
	    .sink = {.self = explain, .event = on_event},
	};
	enum sense_status status = sense_station_plugins(&explain->kit.station, err);
	if (!status)
		status = sense_kit_engine(&explain->kit, &how, err);
	for (unsigned i = 0; i < explain->cli->capture_count && !status; i++)
		status = sense_kit_capture(&explain->kit, explain->cli->captures[i], err);
	if (status)
		return status;
	sense_engine_finish(explain->kit.station.engine);
	settle(explain);
	return SENSE_OK;
}

static enum sense_status explain_begin(struct explain *explain, sense_error *err)
{
	char near[160];
	const char *id = explain->cli->rule;
	int number = sense_kit_rule(explain->kit.station.rules, id, near, sizeof near);
	if (number < 0)
		return sense_fail(err, SENSE_E_CONFIG, "explain", "there is no rule '%s'%s", id, near);
	explain->rule = sense_ruleset_get(explain->kit.station.rules, (unsigned)number);
	explain->inner = sense_lua_script(explain->kit.station.lua);
	explain->entries = calloc(FLOWS_MAX, sizeof *explain->entries);
	explain->slots = calloc(SLOTS, sizeof *explain->slots);
	if (!explain->entries || !explain->slots)
		return sense_fail(err, SENSE_E_MEMORY, "explain", "no memory for the flows");
	return SENSE_OK;
}

static int body(void *context, union sense_mark *mark, int out)
{
	sense_error err;
	struct explain *explain = context;
	const struct sense_cli *cli = explain->cli;
	int code = SENSE_EXIT_FAILED;
	(void)out;
	explain->kit.station.conf = explain->conf;
	sense_policy_sources_init(&explain->sources);
	sense_buf_init(&explain->why, 0);
	if (sense_kit_open(&explain->kit, cli->paths, cli->path_count, &explain->sources, mark)) {
		if (explain_begin(explain, &err) || replay(explain, &err))
			sense_tool_fail(&err);
		else
			code = results_print(explain);
	}
	for (unsigned i = 0; i < explain->count; i++)
		free(explain->entries[i].why);
	free(explain->entries);
	free(explain->slots);
	sense_buf_fini(&explain->why);
	sense_kit_close(&explain->kit);
	sense_policy_sources_fini(&explain->sources);
	return code;
}

int sense_tool_explain(const struct sense_conf *conf, const struct sense_cli *cli)
{
	struct explain explain = {.conf = conf, .cli = cli};
	struct sense_guard guard = {.conf = conf, .body = body, .context = &explain};
	return sense_tool_guarded(&guard, cli->paths, cli->path_count);
}
