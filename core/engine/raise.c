/*
 * Events to findings: rules whose conditions hold, their scripts, the throttle, the finding.
 */
#include "core/engine/internal.h"
#include "core/rules/compose.h"

/* Failures of a rule are counted, and told once a kind. */
static void script_failed(sense_engine *engine, const struct sense_rule *rule, const sense_error *err)
{
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

static void script_enter(sense_engine *engine, const struct sense_rule *rule)
{
	engine->stats.script_calls++;
	if (engine->config.sink.script_enter)
		engine->config.sink.script_enter(engine->config.sink.self, rule->number);
}

static void script_leave(sense_engine *engine)
{
	if (engine->config.sink.script_leave)
		engine->config.sink.script_leave(engine->config.sink.self);
}

static bool when_holds(sense_engine *engine, const struct sense_rule *rule,
                       const struct sense_event *event)
{
	const struct sense_script *script = &engine->config.script;
	sense_error err;
	bool holds = false;
	if (!script->self)
		return false;
	script_enter(engine, rule);
	enum sense_status status = script->when(script->self, rule, event, &holds, &err);
	script_leave(engine);
	if (status)
		script_failed(engine, rule, &err);
	return !status && holds;
}

/* The script's `finding` as compose calls it: the watchdog must see that call too. */
static enum sense_status finding_watched(void *self, const struct sense_rule *rule,
                                         const struct sense_event *event, struct sense_arena *arena,
                                         struct sense_finding *finding, sense_error *err)
{
	sense_engine *engine = self;
	const struct sense_script *script = &engine->config.script;
	script_enter(engine, rule);
	enum sense_status status = script->finding(script->self, rule, event, arena, finding, err);
	script_leave(engine);
	return status;
}

static void report(sense_engine *engine, const struct sense_rule *rule, const struct sense_event *event,
                   uint64_t suppressed)
{
	sense_error err;
	struct sense_finding finding;
	const struct sense_script script = {.self = engine, .finding = finding_watched};
	const struct sense_compose how = {
	    .sequence = engine->sequence++,
	    .suppressed = suppressed,
	    .script = engine->config.script.self ? &script : NULL,
	};
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

static void on_hit(void *context, const struct sense_rule *rule, const struct sense_event *event)
{
	sense_engine *engine = context;
	const uint64_t *quarantine = engine->config.quarantine;
	uint64_t suppressed = 0;
	if (quarantine && quarantine[rule->number / 64] >> rule->number % 64 & 1)
		return;
	if (rule->has_when && !when_holds(engine, rule, event))
		return;
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

void sense_raise(sense_engine *engine, struct sense_flow *flow, struct sense_event *event)
{
	const sense_ruleset *rules = engine->config.rules;
	const struct sense_flow_meta *meta = flow->meta;
	if (!rules || !sense_ruleset_wants(rules, event->kind))
		return;
	engine->stats.events++;
	engine->hit = false;
	event->flow = flow;
	event->ts_us = engine->now;
	event->names = &engine->names;
	if (!event->host_row && meta && meta->host_row)
		event->host_row = sense_catalogue_row(engine->config.catalogue, meta->host_row - 1u);
	sense_ruleset_match(rules, event, on_hit, engine);
	if (engine->hit)
		flow->flags |= SENSE_FLOW_HIT;
}

void sense_raise_flow(sense_engine *engine, enum sense_event_kind kind, struct sense_flow *flow)
{
	struct sense_event event = {.kind = kind};
	sense_raise(engine, flow, &event);
}
