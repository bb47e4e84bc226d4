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
	health->errors++;
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

static void on_hit(sense_engine *engine, const struct sense_rule *rule, const struct sense_event *event)
{
	uint64_t suppressed = 0;
	engine->hit = engine->hit || !rule->observes || engine->config.observed_too;
	if (engine->config.throttle &&
	    !sense_throttle_pass(engine->config.throttle, rule, event, &suppressed)) {
		engine->stats.suppressed++;
		return;
	}
	engine->stats.observed += rule->observes;
	if (rule->observes && !engine->config.observed_too)
		return;
	report(engine, rule, event, suppressed);
}

static bool bit_of(const uint64_t *bits, uint32_t number)
{
	return bits[number / 64] >> number % 64 & 1;
}

/* A few rules at a time, so that those with a script are asked in one go. */
static void take_few(sense_engine *engine, const uint32_t *numbers, unsigned count,
                     const struct sense_event *event)
{
	const sense_ruleset *rules = engine->config.rules;
	const struct sense_script *script = &engine->config.script;
	const uint64_t *scripted = sense_ruleset_scripted(rules);
	uint32_t asked[SENSE_SCRIPT_ASK_MAX];
	struct sense_script_ask ask = {
	    .rules = rules, .numbers = asked, .event = event, .failed = script_failed, .context = engine};
	uint32_t holds = 0;
	for (unsigned i = 0; i < count; i++)
		if (bit_of(scripted, numbers[i]))
			asked[ask.count++] = numbers[i];
	if (ask.count && script->self) {
		engine->stats.script_calls += ask.count;
		holds = script->when(script->self, &ask);
	}
	if (ask.count == count && !holds)
		return;
	for (unsigned i = 0; i < count; i++) {
		bool hit = true;
		if (bit_of(scripted, numbers[i])) {
			hit = holds & 1;
			holds >>= 1;
		}
		if (hit)
			on_hit(engine, sense_ruleset_get(rules, numbers[i]), event);
	}
}

static void take(sense_engine *engine, const uint32_t *numbers, unsigned count,
                 const struct sense_event *event)
{
	const uint64_t *quarantine = engine->config.quarantine;
	uint32_t few[SENSE_SCRIPT_ASK_MAX];
	unsigned held = 0;
	for (unsigned i = 0; i < count; i++) {
		if (quarantine && bit_of(quarantine, numbers[i]))
			continue;
		few[held++] = numbers[i];
		if (held == SENSE_SCRIPT_ASK_MAX) {
			take_few(engine, few, held, event);
			held = 0;
		}
	}
	if (held)
		take_few(engine, few, held, event);
}

void sense_raise(sense_engine *engine, struct sense_flow *flow, struct sense_event *event)
{
	const sense_ruleset *rules = engine->config.rules;
	const struct sense_flow_meta *meta = flow->meta;
	const uint32_t *numbers;
	if (!rules || !sense_ruleset_wants(rules, event->kind))
		return;
	engine->stats.events++;
	engine->hit = false;
	event->flow = flow;
	event->ts_us = engine->now;
	event->names = &engine->names;
	if (!event->host_row && meta && meta->host_row)
		event->host_row = sense_catalogue_row(engine->config.catalogue, meta->host_row - 1u);
	unsigned count = sense_ruleset_match(rules, event, &numbers);
	if (count)
		take(engine, numbers, count, event);
	if (engine->hit)
		flow->flags |= SENSE_FLOW_HIT;
}

void sense_raise_flow(sense_engine *engine, enum sense_event_kind kind, struct sense_flow *flow)
{
	if (!engine->config.rules || !sense_ruleset_wants(engine->config.rules, kind))
		return; /* before the event is even made: most kinds are nobody's */
	struct sense_event event = {.kind = kind};
	sense_raise(engine, flow, &event);
}
