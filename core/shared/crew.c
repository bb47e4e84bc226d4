#include "core/shared/crew.h"

#include <string.h>

#define load(field) atomic_load_explicit(&(field), memory_order_relaxed)

enum sense_status sense_crew_new(struct sense_crew *crew, unsigned count, unsigned rule_max, size_t extra_bytes,
                                 sense_error *err)
{
	*crew = (struct sense_crew){0};
	if (!count || count > SENSE_WORKERS_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "proc", "%u workers: 1 to %u can be", count,
		                  SENSE_WORKERS_MAX);
	enum sense_status status = sense_shared_new(&crew->member[0], rule_max, extra_bytes, err);
	if (status)
		return status;
	for (crew->count = 1; crew->count < count; crew->count++) {
		status = sense_shared_beside(&crew->member[crew->count], &crew->member[0], err);
		if (status) {
			sense_crew_free(crew);
			return status;
		}
	}
	return SENSE_OK;
}

void sense_crew_free(struct sense_crew *crew)
{
	/* The first last: it has what is common to all. */
	while (crew->count)
		sense_shared_free(&crew->member[--crew->count]);
}

void sense_crew_inherit(struct sense_crew *crew, unsigned number)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (i == number)
			sense_shared_inherit(&crew->member[i]);
		else
			sense_shared_leave(&crew->member[i]);
}

void sense_crew_stop(struct sense_crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		atomic_store_explicit(&crew->member[i].page->stop, 1, memory_order_relaxed);
}

/* ---- what they did --------------------------------------------------------------------------------- */

static uint64_t together(enum sense_counter counter, uint64_t all, uint64_t one)
{
	switch (counter) {
	case SENSE_COUNT_FIRST_TS:
		return !all || (one && one < all) ? one : all;
	case SENSE_COUNT_LAST_TS:
		return one > all ? one : all;
	default:
		return all + one;
	}
}

uint64_t sense_crew_count(const struct sense_crew *crew, enum sense_counter counter)
{
	uint64_t all = 0;
	for (unsigned i = 0; i < crew->count; i++)
		all = together(counter, all, sense_shared_count(&crew->member[i], counter));
	return all;
}

uint64_t sense_crew_flows_live(const struct sense_crew *crew)
{
	uint64_t all = 0;
	for (unsigned i = 0; i < crew->count; i++)
		all += load(crew->member[i].page->live);
	return all;
}

enum sense_phase sense_crew_phase(const struct sense_crew *crew)
{
	uint32_t least = SENSE_PHASE_DONE;
	for (unsigned i = 0; i < crew->count; i++) {
		uint32_t phase = load(crew->member[i].page->phase);
		least = phase < least ? phase : least;
	}
	return (enum sense_phase)least;
}

unsigned sense_crew_rules(const struct sense_crew *crew)
{
	const struct sense_shared *first = &crew->member[0];
	uint32_t count = load(first->page->rule_count);
	return count < first->rule_max ? count : first->rule_max;
}

static void add(struct sense_rule_counts *out, const struct sense_rule_counts *one)
{
	uint64_t last_ts = out->last_ts > one->last_ts ? out->last_ts : one->last_ts;
#define ADD(name) out->name += one->name;
	SENSE_RULE_COUNTS(ADD)
#undef ADD
	out->last_ts = last_ts;
}

void sense_crew_rule_counts(const struct sense_crew *crew, unsigned rule, struct sense_rule_counts *out)
{
	char id[SENSE_SHARED_RULE_ID_MAX], other[SENSE_SHARED_RULE_ID_MAX];
	struct sense_rule_counts one;
	sense_shared_rule_counts(&crew->member[0], rule, out);
	sense_shared_rule_id(&crew->member[0], rule, id);
	for (unsigned i = 1; i < crew->count; i++) {
		const struct sense_shared *shared = &crew->member[i];
		sense_shared_rule_id(shared, rule, other);
		if (rule >= load(shared->page->rule_count) || strcmp(id, other))
			continue;
		sense_shared_rule_counts(shared, rule, &one);
		add(out, &one);
	}
}
