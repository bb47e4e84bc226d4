#include "core/proc/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define store(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define load(field) atomic_load_explicit(&(field), memory_order_relaxed)

void sense_worker_phase(struct sense_worker *worker, enum sense_phase phase)
{
	struct sense_shared_page *page = worker->shared->page;
	if (phase == SENSE_PHASE_DRAIN)
		store(page->done, load(page->taken)); /* no packet is in hand any more */
	store(page->phase, (uint32_t)phase);
}

/* ---- the rules at work --------------------------------------------------------------------------- */

/* What the generation before counted for a rule of the same id goes on. */
static void entry_carry(struct sense_shared_rule *to, const struct sense_shared_rule *from)
{
#define CARRY(name)                                                                                \
	to->before.name = load(from->name);                                                        \
	store(to->name, to->before.name);
	SENSE_RULE_COUNTS(CARRY)
#undef CARRY
}

static int by_id(const void *a, const void *b)
{
	return strncmp(((const struct sense_shared_rule *)a)->id, ((const struct sense_shared_rule *)b)->id,
	               SENSE_SHARED_RULE_ID_MAX);
}

static void entry_write(struct sense_shared_rule *entry, const struct sense_worker_rule *rule,
                        const struct sense_shared_rule *before, unsigned count)
{
	struct sense_shared_rule fresh = {.key = rule->key};
	snprintf(fresh.id, sizeof fresh.id, "%s", rule->id);
	const struct sense_shared_rule *same =
	    count ? bsearch(&fresh, before, count, sizeof *before, by_id) : NULL;
	if (same)
		entry_carry(&fresh, same);
	*entry = fresh;
}

void sense_worker_rules(struct sense_worker *worker, const struct sense_worker_rule *rules, unsigned count)
{
	struct sense_shared *shared = worker->shared;
	unsigned had = load(shared->page->rule_count);
	had = had < shared->rule_max ? had : shared->rule_max;
	count = count < shared->rule_max ? count : shared->rule_max;
	/* Without memory for it the counts begin anew. */
	struct sense_shared_rule *before = malloc((had + 1u) * sizeof *before);
	had = before ? had : 0;
	if (had) {
		memcpy(before, shared->rules, had * sizeof *before);
		qsort(before, had, sizeof *before, by_id);
	}
	store(shared->page->rule_count, 0);
	for (unsigned i = 0; i < count; i++)
		entry_write(&shared->rules[i], &rules[i], before, had);
	atomic_store_explicit(&shared->page->rule_count, count, memory_order_release);
	free(before);
}

void sense_worker_rule_counts(struct sense_worker *worker, unsigned rule, const struct sense_rule_counts *counts)
{
	if (rule >= worker->shared->rule_max)
		return;
	struct sense_shared_rule *entry = &worker->shared->rules[rule];
#define ADD(name) store(entry->name, entry->before.name + counts->name);
	SENSE_RULE_COUNTS(ADD)
#undef ADD
	store(entry->last_ts, counts->last_ts ? counts->last_ts : entry->before.last_ts);
}

static void place_set(struct sense_shared_page *page, uint32_t source, uint64_t position)
{
	uint32_t next = !load(page->place_now);
	store(page->place[next].source, source);
	store(page->place[next].position, position);
	atomic_store_explicit(&page->place_now, next, memory_order_release);
}

void sense_worker_source(struct sense_worker *worker, unsigned source, uint64_t position)
{
	place_set(worker->shared->page, source, position);
	worker->source = source;
}

void sense_worker_taken(struct sense_worker *worker, uint64_t taken, uint64_t position)
{
	struct sense_shared_page *page = worker->shared->page;
	place_set(page, worker->source, position ? position : SENSE_POSITION_NONE);
	store(page->done, load(page->taken));
	store(page->taken, worker->base_taken + taken);
}

void sense_worker_progress(struct sense_worker *worker, uint64_t done)
{
	store(worker->shared->page->progress_done, done);
}

void sense_worker_count(struct sense_worker *worker, enum sense_counter counter, uint64_t value)
{
	_Atomic uint64_t *slot = &worker->shared->page->counter[counter];
	uint64_t base = worker->base[counter];
	switch (counter) {
	case SENSE_COUNT_FIRST_TS: /* the first worker's */
		value = base ? base : value;
		break;
	case SENSE_COUNT_LAST_TS:
	case SENSE_COUNT_FLOWS_PEAK:
		value = value > base ? value : base;
		break;
	default:
		value += base;
	}
	store(*slot, value);
}

void sense_worker_flows_live(struct sense_worker *worker, uint32_t flows)
{
	store(worker->shared->page->live, flows);
}

/* ---- results ------------------------------------------------------------------------------------- */

static void dropped(struct sense_worker *worker)
{
	_Atomic uint64_t *slot = &worker->shared->page->counter[SENSE_COUNT_DROPPED];
	store(*slot, load(*slot) + 1);
}

void sense_worker_finding(struct sense_worker *worker, const struct sense_finding *finding)
{
	uint8_t *room = sense_ipc_reserve(&worker->out, SENSE_FINDING_BYTES_MAX);
	size_t len = room ? sense_finding_encode(finding, room, SENSE_FINDING_BYTES_MAX) : 0;
	if (len)
		sense_ipc_commit(&worker->out, SENSE_IPC_FINDING, len);
	else
		dropped(worker);
}

void sense_worker_flow(struct sense_worker *worker, const struct sense_flowrecord *record)
{
	uint8_t *room = sense_ipc_reserve(&worker->out, SENSE_FLOWRECORD_BYTES_MAX);
	size_t len = room ? sense_flowrecord_encode(record, room, SENSE_FLOWRECORD_BYTES_MAX) : 0;
	if (len)
		sense_ipc_commit(&worker->out, SENSE_IPC_FLOW, len);
	else
		dropped(worker);
}

static void text_send(struct sense_worker *worker, enum sense_ipc_kind kind,
                      enum sense_log_level level, const char *subsystem, const char *text)
{
	size_t name = strnlen(subsystem, 23), size = strnlen(text, SENSE_IPC_TEXT_MAX - 1);
	uint8_t *room = sense_ipc_reserve(&worker->out, 2 + name + size);
	if (!room)
		return;
	room[0] = (uint8_t)level;
	memcpy(room + 1, subsystem, name);
	room[1 + name] = '\0';
	memcpy(room + 2 + name, text, size);
	sense_ipc_commit(&worker->out, kind, 2 + name + size);
}

void sense_worker_log(struct sense_worker *worker, enum sense_log_level level,
                      const char *subsystem, const char *fmt, ...)
{
	char text[SENSE_IPC_TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	text_send(worker, SENSE_IPC_LOG, level, subsystem, text);
}

void sense_worker_host_event(struct sense_worker *worker, const uint8_t *data, size_t len)
{
	uint8_t *room = sense_ipc_reserve(&worker->out, len);
	if (!room)
		return;
	memcpy(room, data, len);
	sense_ipc_commit(&worker->out, SENSE_IPC_HOST_EVENT, len);
}

void sense_worker_fail(struct sense_worker *worker, const sense_error *err)
{
	text_send(worker, SENSE_IPC_FAIL, SENSE_LOG_ERROR, err->subsystem, err->message);
}

bool sense_worker_flush(struct sense_worker *worker)
{
	return sense_ipc_flush(&worker->out);
}

void sense_worker_problem(struct sense_worker *worker, const char *text)
{
	text_send(worker, SENSE_IPC_PROBLEM, SENSE_LOG_ERROR, "policy", text);
}

void sense_worker_loaded(struct sense_worker *worker, const struct sense_ipc_loaded *loaded)
{
	uint8_t *room = sense_ipc_reserve(&worker->out, sizeof *loaded);
	if (!room)
		return;
	memcpy(room, loaded, sizeof *loaded);
	sense_ipc_commit(&worker->out, SENSE_IPC_LOADED, sizeof *loaded);
	sense_ipc_flush(&worker->out);
}
