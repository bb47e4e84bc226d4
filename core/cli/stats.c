#include "core/cli/stats.h"

#include <string.h>

#define DEAREST_MAX 20u

static void line(struct sense_buf *out, const char *key, uint64_t value)
{
	sense_buf_printf(out, "%s: %llu\n", key, (unsigned long long)value);
}

static void rule_line(struct sense_buf *out, const char *key, const char *id, uint64_t value)
{
	if (value)
		sense_buf_printf(out, "rule_%s.%s: %llu\n", key, id, (unsigned long long)value);
}

/* The dearest rules: their CPU time in whole milliseconds. */
static void dearest_write(const struct sense_crew *crew, unsigned count, struct sense_buf *out)
{
	struct {
		uint64_t ms;
		unsigned rule;
	} top[DEAREST_MAX];
	unsigned used = 0;
	char id[SENSE_SHARED_RULE_ID_MAX];
	struct sense_rule_counts counts;
	for (unsigned i = 0; i < count; i++) {
		sense_crew_rule_counts(crew, i, &counts);
		uint64_t ms = counts.cpu_us / 1000;
		if (!ms || (used == DEAREST_MAX && ms <= top[used - 1].ms))
			continue;
		unsigned at = used < DEAREST_MAX ? used++ : used - 1;
		for (; at && top[at - 1].ms < ms; at--)
			top[at] = top[at - 1];
		top[at].ms = ms;
		top[at].rule = i;
	}
	for (unsigned i = 0; i < used; i++) {
		sense_shared_rule_id(&crew->member[0], top[i].rule, id);
		rule_line(out, "cpu_ms", id, top[i].ms);
	}
}

/* Rules that failed, or did not see all; all others are not worth a line. */
static void rules_write(const struct sense_crew *crew, struct sense_buf *out)
{
	char id[SENSE_SHARED_RULE_ID_MAX];
	struct sense_rule_counts counts;
	unsigned count = sense_crew_rules(crew);
	for (unsigned i = 0; i < count; i++) {
		sense_crew_rule_counts(crew, i, &counts);
		sense_shared_rule_id(&crew->member[0], i, id);
		rule_line(out, "errors", id, counts.errors);
		rule_line(out, "suspended", id, counts.suspended);
		rule_line(out, "skipped", id, counts.skipped);
		rule_line(out, "quarantined", id, sense_crew_quarantined(crew, i));
	}
	dearest_write(crew, count, out);
}

void sense_stats_write(const struct sense_stats_run *run, struct sense_buf *out)
{
	const struct sense_outcome *outcome = run->outcome;
	line(out, "files", run->files);
	line(out, "files_failed", run->files_failed);
	for (unsigned i = 0; i < SENSE_COUNTER_COUNT; i++)
		line(out, sense_counter_name((enum sense_counter)i),
		     sense_crew_count(run->crew, (enum sense_counter)i));
	line(out, "failures", outcome->failures);
	line(out, "restarts", outcome->restarts);
	line(out, "flows_lost", outcome->flows_lost);
	line(out, "packets_lost", outcome->packets_lost);
	line(out, "messages_malformed", outcome->malformed);
	line(out, "rules_quarantined", outcome->quarantined);
	rules_write(run->crew, out);
	double packets = (double)sense_crew_count(run->crew, SENSE_COUNT_PACKETS);
	sense_buf_printf(out, "cpu_seconds: %.3f\n", run->cpu_s);
	sense_buf_printf(out, "elapsed_seconds: %.3f\n", run->elapsed_s);
	sense_buf_printf(out, "packets_per_second: %.0f\n",
	                 run->elapsed_s > 0 ? packets / run->elapsed_s : 0.0);
}
