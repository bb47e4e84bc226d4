/*
 * Events to findings: rules whose conditions hold, their scripts, the throttle, the finding.
 */
#include "core/engine/internal.h"
#include "core/rules/compose.h"

/* Failures of a rule are counted, and told once a kind. */
static void script_failed(void *context, const struct sense_rule *rule, const sense_error *err)
{
	sense_engine *engine = context;
	struct sense_rule_health *health = &engine->health[rule->number];
	uint32_t kind = 1u << (err->status & 31);
	engine->stats.script_errors++;
	health->stats.errors++;
	if (health->told & kind)
		return;
	health->told |= kind;
	if (engine->config.sink.script_error)
		engine->config.sink.script_error(engine->config.sink.self, rule, err);
}

static void report(sense_engine *engine, const struct sense_rule *rule, const struct sense_event *event,
                   uint64_t suppressed)
{
	sense_error err;
	struct sense_finding finding;
	const struct sense_compose how = {
	    .sequence = engine->sequence++,
	    .suppressed = suppressed,
	    .script = engine->config.script.self ? &engine->config.script : NULL,
	};
	engine->stats.script_calls += rule->has_finding && how.script;
	enum sense_status status =
	    sense_finding_compose(rule, event, &how, &engine->finding_memory, &finding, &err);
	if (status == SENSE_E_MEMORY) {
		engine->stats.out_of_memory++;
	} else {
		if (status)
			script_failed(engine, rule, &err);
		engine->stats.findings++;
		if (engine->config.sink.finding)
			engine->config.sink.finding(engine->config.sink.self, &finding);
	}
	sense_arena_reset(&engine->finding_memory);
}

/* The rule holds for the event. */
static void on_hit(sense_engine *engine, const struct sense_rule *rule, const struct sense_event *event)
{
	struct sense_rule_stats *stats = &engine->health[rule->number].stats;
	uint64_t suppressed = 0;
	stats->held++;
	stats->last_ts = event->ts_us;
	engine->hit = engine->hit || !rule->observes || engine->config.observed_too;
	if (rule->indicator.weight)
		sense_fusion_add(engine, rule, event);
	if (engine->config.throttle &&
	    !sense_throttle_pass(engine->config.throttle, rule, event, &suppressed)) {
		engine->stats.suppressed++;
		stats->suppressed++;
		return;
	}
	engine->stats.observed += rule->observes;
	stats->findings++;
	if (rule->observes && !engine->config.observed_too)
		return;
	report(engine, rule, event, suppressed);
}

static bool bit_of(const uint64_t *bits, uint32_t number)
{
	return bits[number / 64] >> number % 64 & 1;
}

/* Bit i: the `when` of numbers[i] holds. At most SENSE_SCRIPT_ASK_MAX of them. */
static uint32_t ask(sense_engine *engine, const uint32_t *numbers, unsigned count,
                    const struct sense_event *event)
{
	const struct sense_script *script = &engine->config.script;
	struct sense_script_ask question = {.rules = engine->config.rules,
	                                    .numbers = numbers,
	                                    .count = count,
	                                    .event = event,
	                                    .failed = script_failed,
	                                    .context = engine};
	if (!count || !script->self)
		return 0;
	engine->stats.script_calls += count;
	return script->when(script->self, &question);
}

static void take_asked(sense_engine *engine, const uint32_t *numbers, unsigned count,
                       const struct sense_event *event)
{
	for (uint32_t holds = ask(engine, numbers, count, event); holds; holds &= holds - 1)
		on_hit(engine, sense_ruleset_get(engine->config.rules, numbers[__builtin_ctz(holds)]), event);
}

/* Rules without a script hold already; those with one are asked a few at a time, in one go. */
static void take(sense_engine *engine, const uint32_t *numbers, unsigned count,
                 const struct sense_event *event)
{
	const uint64_t *quarantine = engine->config.quarantine;
	const uint64_t *scripted = sense_ruleset_scripted(engine->config.rules);
	uint32_t asked[SENSE_SCRIPT_ASK_MAX];
	unsigned waiting = 0;
	for (unsigned i = 0; i < count; i++) {
		uint32_t number = numbers[i];
		if (number + 1 == engine->config.mutant.rule)
			continue;
		if (quarantine && bit_of(quarantine, number)) {
			engine->health[number].stats.skipped++;
			continue;
		}
		engine->health[number].stats.matched++;
		if (!bit_of(scripted, number)) {
			on_hit(engine, sense_ruleset_get(engine->config.rules, number), event);
			continue;
		}
		asked[waiting++] = number;
		if (waiting == SENSE_SCRIPT_ASK_MAX) {
			take_asked(engine, asked, waiting, event);
			waiting = 0;
		}
	}
	take_asked(engine, asked, waiting, event);
}

/* The one rule that is not what it is written as. */
static void take_mutant(sense_engine *engine, const uint32_t *numbers, unsigned count,
                        const struct sense_event *event)
{
	const struct sense_mutant *mutant = &engine->config.mutant;
	uint32_t number = mutant->rule - 1;
	const struct sense_rule *rule = sense_ruleset_get(engine->config.rules, number);
	bool holds = false;
	if (!rule || !(rule->events >> event->kind & 1))
		return;
	for (unsigned i = 0; i < count; i++)
		holds = holds || numbers[i] == number;
	if (holds && rule->has_when)
		holds = ask(engine, &number, 1, event);
	if (mutant->how == SENSE_MUTATION_ALWAYS || (mutant->how == SENSE_MUTATION_FLIPPED && !holds))
		on_hit(engine, rule, event);
}

static void raise(sense_engine *engine, struct sense_flow *flow, struct sense_event *event);

/*
 * After the event's own rules: the numbers of a match are good until the next one. No deeper than this,
 * as a rule on activity is no indicator.
 */
static __attribute__((noinline)) void raise_activities(sense_engine *engine, struct sense_flow *flow,
                                                       const struct sense_event *event)
{
	struct sense_activity_report report;
	while (sense_fusion_next(engine, event, &report)) {
		struct sense_event grown = *event;
		grown.kind = SENSE_EVENT_ACTIVITY;
		grown.activity = &report.view;
		raise(engine, flow, &grown);
	}
}

/* For a kind of event that some rule takes. flow may be NULL. */
static void raise(sense_engine *engine, struct sense_flow *flow, struct sense_event *event)
{
	const struct sense_flow_meta *meta = flow ? flow->meta : NULL;
	const uint32_t *numbers;
	engine->stats.events++;
	engine->hit = false;
	event->flow = flow;
	event->names = &engine->names;
	if (!event->host_row && meta && meta->host_row)
		event->host_row = sense_catalogue_row(engine->config.catalogue, meta->host_row - 1u);
	if (engine->config.sink.event)
		engine->config.sink.event(engine->config.sink.self, event);
	unsigned count = sense_ruleset_match(engine->config.rules, event, &numbers);
	if (count)
		take(engine, numbers, count, event);
	if (engine->config.mutant.rule)
		take_mutant(engine, numbers, count, event);
	if (engine->hit && flow)
		flow->flags |= SENSE_FLOW_HIT;
	if (engine->fusion.count && event->kind != SENSE_EVENT_ACTIVITY)
		raise_activities(engine, flow, event);
}

static bool wanted(const sense_engine *engine, enum sense_event_kind kind)
{
	return engine->config.rules && sense_ruleset_wants(engine->config.rules, kind);
}

void sense_raise(sense_engine *engine, struct sense_flow *flow, struct sense_event *event)
{
	if (!wanted(engine, event->kind))
		return;
	event->ts_us = engine->now;
	raise(engine, flow, event);
}

void sense_raise_flow(sense_engine *engine, enum sense_event_kind kind, struct sense_flow *flow)
{
	if (!wanted(engine, kind))
		return; /* before the event is even made: most kinds are nobody's */
	struct sense_event event = {.kind = kind, .ts_us = engine->now};
	raise(engine, flow, &event);
}

void sense_engine_event(sense_engine *engine, enum sense_event_kind kind, uint64_t ts_us,
                        const struct sense_given *given)
{
	struct sense_event event = {.kind = kind, .ts_us = ts_us, .given = given};
	struct sense_value host;
	if (!wanted(engine, kind))
		return;
	sense_event_get(&event, SENSE_FIELD_HOST, &host);
	if (host.type == SENSE_VALUE_STRING && engine->config.catalogue)
		event.host_row =
		    sense_catalogue_host(engine->config.catalogue, host.string.text, host.string.len);
	raise(engine, NULL, &event);
}

void sense_raise_timer(sense_engine *engine)
{
	engine->minute = engine->now - engine->now % MINUTE_US;
	sense_raise_flow(engine, SENSE_EVENT_TIMER, NULL);
}
