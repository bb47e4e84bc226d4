/*
 * Indicators to activities: rules that hold add to them, and when all rules of an event have been gone
 * through, what grew is told once, however many indicators it got.
 */
#include "core/engine/internal.h"

void sense_fusion_add(sense_engine *engine, const struct sense_rule *rule, const struct sense_event *event)
{
	struct sense_fusion *fusion = &engine->fusion;
	struct sense_fusion_part *part = fusion->parts, *end = part + fusion->count;
	struct sense_activity_step step;
	/* Nobody would ever hear of it. */
	if (!engine->config.activities || !sense_ruleset_wants(engine->config.rules, SENSE_EVENT_ACTIVITY))
		return;
	if (!sense_activity_add(engine->config.activities, rule, event, &step))
		return;
	engine->stats.activities += step.begun;
	engine->stats.activities_evicted += step.evicted;
	while (part < end && part->key != step.key)
		part++;
	if (part == end && fusion->count == SENSE_FUSION_MAX) {
		engine->stats.activities_untold++;
		return;
	}
	if (part == end) {
		fusion->count++;
		*part = (struct sense_fusion_part){.key = step.key};
	}
	part->rule = rule;
	part->arrived = part->arrived || step.arrived;
}

bool sense_fusion_next(sense_engine *engine, const struct sense_event *event,
                       struct sense_activity_report *report)
{
	struct sense_fusion *fusion = &engine->fusion;
	while (fusion->told < fusion->count) {
		const struct sense_fusion_part *part = &fusion->parts[fusion->told++];
		const struct sense_indicator *indicator = &part->rule->indicator;
		if (!sense_activity_tell(engine->config.activities, part->key, event->ts_us, part->arrived,
		                         report) ||
		    !sense_activity_subject(indicator, event, report->subject))
			continue;
		report->view.subject = report->subject;
		report->view.kind = sense_activity_kind(indicator, event);
		engine->stats.activity_events++;
		return true;
	}
	fusion->count = fusion->told = 0;
	return false;
}
