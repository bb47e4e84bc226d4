/*
 * The workers of a run, one at least: a shared page of each, and what they did together.
 *
 * Made before the first worker is forked. Counters add up, for whoever asks about the run; a worker that is
 * gone wrong makes its own numbers wrong, and no others.
 */
#ifndef SENSE_SHARED_CREW_H
#define SENSE_SHARED_CREW_H

#include "core/shared/page.h"

#define SENSE_WORKERS_MAX 16u

struct sense_crew {
	struct sense_shared member[SENSE_WORKERS_MAX];
	unsigned count;
};

enum sense_status sense_crew_new(struct sense_crew *crew, unsigned count, unsigned rule_max, size_t extra_bytes,
                                 sense_error *err);
void sense_crew_free(struct sense_crew *crew);
/* A worker's first act: it has its own page from now on, and that of no other. */
void sense_crew_inherit(struct sense_crew *crew, unsigned number);
void sense_crew_stop(struct sense_crew *crew);

/* The sum; of times the earliest or latest. flows_peak is a sum, too: all tables of flows at their fullest. */
uint64_t sense_crew_count(const struct sense_crew *crew, enum sense_counter counter);
/* Flows in all tables. */
uint64_t sense_crew_flows_live(const struct sense_crew *crew);
/* The least of all. */
enum sense_phase sense_crew_phase(const struct sense_crew *crew);

/* Rules as the first worker has them, by number: those of the generation at work. */
unsigned sense_crew_rules(const struct sense_crew *crew);
/*
 * What a rule did in all workers. One that is still at another set of rules adds to those that have the same
 * number there.
 */
void sense_crew_rule_counts(const struct sense_crew *crew, unsigned rule, struct sense_rule_counts *out);

/* It is the run's: all have the same. */
static inline bool sense_crew_quarantined(const struct sense_crew *crew, unsigned rule)
{
	return sense_shared_quarantined(&crew->member[0], rule);
}

#endif
