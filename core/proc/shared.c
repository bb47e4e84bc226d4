#include "core/proc/shared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RULES_MAX 65536u
#define EXTRA_MAX ((size_t)1 << 30)

const char *sense_counter_name(enum sense_counter counter)
{
	static const char *const names[] = {
#define COUNTER_NAME(id, name, doc) [SENSE_COUNT_##id] = name,
	    SENSE_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
	};
	return (unsigned)counter < SENSE_COUNTER_COUNT ? names[counter] : "unknown";
}

static size_t line_up(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

enum sense_status sense_shared_new(struct sense_shared *shared, unsigned rule_max,
                                   size_t extra_bytes, sense_error *err)
{
	*shared = (struct sense_shared){0};
	if (rule_max > RULES_MAX || extra_bytes > EXTRA_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "proc", "shared memory: at most %u rules", RULES_MAX);
	size_t rules_at = line_up(sizeof(struct sense_shared_page));
	size_t extra_at = line_up(rules_at + rule_max * sizeof(struct sense_shared_rule));
	size_t size = extra_at + extra_bytes;
	/* Untouched pages cost nothing, so the bounds may be generous. */
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
	                    -1, 0);
	if (memory == MAP_FAILED)
		return sense_fail_errno(err, "proc", "shared memory of %zu bytes", size);
	*shared = (struct sense_shared){
	    .page = (struct sense_shared_page *)(void *)memory,
	    .rules = (struct sense_shared_rule *)(void *)(memory + rules_at),
	    .quarantine = calloc(1, sizeof *shared->quarantine),
	    .extra = extra_bytes ? memory + extra_at : NULL,
	    .extra_bytes = extra_bytes,
	    .rule_max = rule_max,
	    .mapped = size,
	};
	enum sense_status status =
	    shared->quarantine ? sense_mailbox_new(&shared->mailbox, err)
	                       : sense_fail(err, SENSE_E_MEMORY, "proc", "no memory for the quarantine");
	if (status)
		sense_shared_free(shared);
	return status;
}

void sense_shared_free(struct sense_shared *shared)
{
	if (shared->page)
		munmap(shared->page, shared->mapped);
	sense_mailbox_free(&shared->mailbox);
	free(shared->quarantine);
	*shared = (struct sense_shared){0};
}

bool sense_quarantine_holds(const struct sense_quarantine *quarantine, uint64_t key)
{
	for (unsigned i = 0; i < quarantine->count; i++)
		if (quarantine->keys[i] == key)
			return true;
	return false;
}

static uint64_t key_of(const struct sense_shared *shared, unsigned rule)
{
	return atomic_load_explicit(&shared->rules[rule].key, memory_order_relaxed);
}

bool sense_shared_quarantine(struct sense_shared *shared, unsigned rule)
{
	struct sense_quarantine *list = shared->quarantine;
	if (rule >= shared->rule_max || list->count >= SENSE_QUARANTINE_MAX)
		return false;
	list->keys[list->count++] = key_of(shared, rule);
	return true;
}

bool sense_shared_quarantined(const struct sense_shared *shared, unsigned rule)
{
	return rule < shared->rule_max && sense_quarantine_holds(shared->quarantine, key_of(shared, rule));
}

void sense_shared_rule_counts(const struct sense_shared *shared, unsigned rule,
                              struct sense_rule_counts *out)
{
	*out = (struct sense_rule_counts){0};
	if (rule >= shared->rule_max)
		return;
	const struct sense_shared_rule *entry = &shared->rules[rule];
#define TAKE(name) out->name = atomic_load_explicit(&entry->name, memory_order_relaxed);
	SENSE_RULE_COUNTS(TAKE)
#undef TAKE
}

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
uint64_t sense_shared_sign(const struct sense_shared *shared)
{
	const struct sense_shared_page *page = shared->page;
	return LOAD(page->taken) + LOAD(page->counter[SENSE_COUNT_PACKETS]) +
	       LOAD(page->counter[SENSE_COUNT_FINDINGS]) + LOAD(page->progress_done) +
	       LOAD(page->load_steps) +
	       ((uint64_t)LOAD(page->phase) << 56) + (sense_mark_read(&page->call) >> 32 << 24) +
	       __atomic_load_n(&page->batch.number, __ATOMIC_RELAXED) + LOAD(page->live);
}

void sense_shared_rule_id(const struct sense_shared *shared, unsigned rule, char *out)
{
	size_t used = 0;
	const volatile char *id = rule < shared->rule_max ? shared->rules[rule].id : "";
	for (; used < SENSE_SHARED_RULE_ID_MAX - 1; used++) {
		char c = id[used];
		if (!c)
			break;
		out[used] = c > ' ' && c < 0x7f ? c : '?';
	}
	out[used] = '\0';
	if (!used)
		snprintf(out, SENSE_SHARED_RULE_ID_MAX, "rule %u", rule);
}
