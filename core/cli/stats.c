#include "core/cli/stats.h"

#include <string.h>

static void line(struct sense_buf *out, const char *key, uint64_t value)
{
	sense_buf_printf(out, "%s: %llu\n", key, (unsigned long long)value);
}

/* Rules that failed or are in quarantine; all others are not worth a line. */
static void rules_write(const struct sense_shared *shared, struct sense_buf *out)
{
	char id[SENSE_SHARED_RULE_ID_MAX];
	for (unsigned i = 0; i < shared->rule_max; i++) {
		if (i >= atomic_load_explicit(&shared->page->rule_count, memory_order_relaxed))
			break;
		uint64_t errors = atomic_load_explicit(&shared->rules[i].errors, memory_order_relaxed);
		bool quarantined = sense_shared_quarantined(shared, i);
		if (!errors && !quarantined)
			continue;
		sense_shared_rule_id(shared, i, id);
		if (errors)
			sense_buf_printf(out, "rule_errors.%s: %llu\n", id, (unsigned long long)errors);
		if (quarantined)
			sense_buf_printf(out, "rule_quarantined.%s: 1\n", id);
	}
}

void sense_stats_write(const struct sense_stats_run *run, struct sense_buf *out)
{
	const struct sense_outcome *outcome = run->outcome;
	line(out, "files", run->files);
	line(out, "files_failed", run->files_failed);
	for (unsigned i = 0; i < SENSE_COUNTER_COUNT; i++)
		line(out, sense_counter_name((enum sense_counter)i),
		     sense_shared_count(run->shared, (enum sense_counter)i));
	line(out, "failures", outcome->failures);
	line(out, "restarts", outcome->restarts);
	line(out, "flows_lost", outcome->flows_lost);
	line(out, "packets_lost", outcome->packets_lost);
	line(out, "messages_malformed", outcome->malformed);
	line(out, "rules_quarantined", outcome->quarantined);
	rules_write(run->shared, out);
	double packets = (double)sense_shared_count(run->shared, SENSE_COUNT_PACKETS);
	sense_buf_printf(out, "cpu_seconds: %.3f\n", run->cpu_s);
	sense_buf_printf(out, "elapsed_seconds: %.3f\n", run->elapsed_s);
	sense_buf_printf(out, "packets_per_second: %.0f\n",
	                 run->elapsed_s > 0 ? packets / run->elapsed_s : 0.0);
}
