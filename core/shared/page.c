#include "core/shared/page.h"

#include <stdio.h>
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

/* Untouched pages cost nothing, so the bounds may be generous. */
static void *memory_new(size_t size, sense_error *err)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		sense_fail_errno(err, "proc", "shared memory of %zu bytes", size);
		return NULL;
	}
	return memory;
}

static enum sense_status own_new(struct sense_shared *shared, unsigned rule_max, sense_error *err)
{
	size_t rules_at = line_up(sizeof(struct sense_shared_page));
	shared->rule_max = rule_max;
	shared->mapped = rules_at + rule_max * sizeof(struct sense_shared_rule);
	char *memory = memory_new(shared->mapped, err);
	if (!memory)
		return SENSE_E_IO;
	shared->page = (struct sense_shared_page *)(void *)memory;
	shared->rules = (struct sense_shared_rule *)(void *)(memory + rules_at);
	return sense_mailbox_new(&shared->mailbox, err);
}

static enum sense_status common_new(struct sense_shared *shared, size_t extra_bytes, sense_error *err)
{
	enum sense_status status = sense_views_new(&shared->quarantine_views, sizeof(struct sense_quarantine),
	                                           "the quarantine", err);
	if (status)
		return status;
	shared->quarantine = shared->quarantine_views.read;
	if (extra_bytes && !(shared->extra = memory_new(extra_bytes, err)))
		return SENSE_E_IO;
	shared->extra_bytes = extra_bytes;
	return SENSE_OK;
}

enum sense_status sense_shared_new(struct sense_shared *shared, unsigned rule_max,
                                   size_t extra_bytes, sense_error *err)
{
	sense_error why;
	*shared = (struct sense_shared){0};
	if (rule_max > RULES_MAX || extra_bytes > EXTRA_MAX)
		return sense_fail(err, SENSE_E_LIMIT, "proc", "shared memory: at most %u rules", RULES_MAX);
	enum sense_status status = own_new(shared, rule_max, &why);
	if (!status)
		status = common_new(shared, extra_bytes, &why);
	if (!status)
		return SENSE_OK;
	sense_shared_free(shared);
	return sense_fail(err, status, why.subsystem, "%s", why.message);
}

enum sense_status sense_shared_beside(struct sense_shared *shared, const struct sense_shared *first,
                                      sense_error *err)
{
	sense_error why;
	*shared = (struct sense_shared){
	    .quarantine = first->quarantine,
	    .quarantine_views = first->quarantine_views,
	    .extra = first->extra,
	    .extra_bytes = first->extra_bytes,
	    .beside = true,
	};
	enum sense_status status = own_new(shared, first->rule_max, &why);
	if (!status)
		return SENSE_OK;
	sense_shared_free(shared);
	return sense_fail(err, status, why.subsystem, "%s", why.message);
}

void sense_shared_leave(struct sense_shared *shared)
{
	if (shared->page)
		munmap(shared->page, shared->mapped);
	sense_mailbox_free(&shared->mailbox);
	*shared = (struct sense_shared){0};
}

void sense_shared_free(struct sense_shared *shared)
{
	if (!shared->beside) {
		sense_views_free(&shared->quarantine_views);
		if (shared->extra)
			munmap(shared->extra, shared->extra_bytes);
	}
	sense_shared_leave(shared);
}

void sense_shared_inherit(struct sense_shared *shared)
{
	sense_mailbox_inherit(&shared->mailbox);
	sense_views_read_only(&shared->quarantine_views);
}

bool sense_quarantine_holds(const struct sense_quarantine *quarantine, uint64_t key)
{
	uint32_t count = sense_quarantine_count(quarantine);
	for (uint32_t i = 0; i < count && i < SENSE_QUARANTINE_MAX; i++)
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
	struct sense_quarantine *list = shared->quarantine_views.write;
	uint32_t count = sense_quarantine_count(list);
	if (rule >= shared->rule_max || count >= SENSE_QUARANTINE_MAX)
		return false;
	list->keys[count] = key_of(shared, rule);
	atomic_store_explicit(&list->count, count + 1, memory_order_release);
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
