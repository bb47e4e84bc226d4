#include "lua/standby.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/platform/platform.h"

#define store(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

struct sense_standby {
	struct sense_station station; /* lua and rules alone */
	struct sense_policy_sources sources;
	struct sense_policy_steps steps;
	struct sense_report report;
	uint64_t *quarantine;
	struct sense_worker_rule *list; /* what the supervisor is told of the rules */
	uint64_t ticket;
	uint64_t begun_us;
	bool run_all; /* all files have been run */
};

static void standby_free(struct sense_standby *standby)
{
	if (!standby)
		return;
	sense_station_close(&standby->station);
	sense_policy_sources_fini(&standby->sources);
	sense_report_fini(&standby->report);
	free(standby->quarantine);
	free(standby->list);
	free(standby);
}

/* ---- loading ---------------------------------------------------------------------------------- */

static enum sense_status sources_take(struct sense_policy_sources *sources, const void *block, size_t len,
				      sense_error *err)
{
	struct sense_bundle_item item;
	size_t used = 0;
	while (sense_bundle_next(block, len, &used, &item)) {
		enum sense_status status =
		    strcmp(item.name, SENSE_BUNDLE_PARAMS)
			? sense_policy_source_add(sources, item.file, item.name, item.text, item.len, err)
			: sense_policy_source_params(sources, item.text, item.len, err);
		if (status)
			return status;
	}
	return used == len ? SENSE_OK
			   : sense_fail(err, SENSE_E_FORMAT, "policy", "the bundle of policies is damaged");
}

static struct sense_standby *standby_begin(const struct sense_reloader *reloader, const void *block, size_t len,
					   uint64_t ticket, sense_error *err)
{
	struct sense_standby *standby = calloc(1, sizeof *standby);
	if (!standby) {
		sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for policies");
		return NULL;
	}
	standby->ticket = ticket;
	standby->begun_us = sense_clock_monotonic_us();
	standby->station.conf = reloader->station->conf;
	standby->station.memory = reloader->station->memory;
	sense_report_init(&standby->report);
	sense_policy_sources_init(&standby->sources);
	if (sources_take(&standby->sources, block, len, err) ||
	    sense_station_state(&standby->station, &reloader->worker->shared->page->call, err)) {
		standby_free(standby);
		return NULL;
	}
	standby->steps = (struct sense_policy_steps){
	    .lua = standby->station.lua,
	    .sources = &standby->sources,
	    .set = standby->station.rules,
	    .report = &standby->report,
	};
	sense_policy_begin(&standby->steps);
	return standby;
}

static uint64_t text_hash(const struct sense_standby *standby, const char *file)
{
	const struct sense_policy_sources *sources = &standby->sources;
	for (unsigned i = 0; file && i < sources->count; i++)
		if (!strcmp(sources->items[i].file, file))
			return sense_hash(sources->items[i].text, sources->items[i].len, sense_hash_seed());
	return 0;
}

/* With other settings a rule is another rule: one that was suspended gets its chance. */
static uint64_t params_hash(const struct sense_standby *standby)
{
	const struct sense_policy_sources *sources = &standby->sources;
	return sources->params ? sense_hash(sources->params, sources->params_len, sense_hash_seed()) : 0;
}

/* Ids and keys of the rules, in their order; those of one file stand together. NULL: no memory. */
static struct sense_worker_rule *rules_describe(const struct sense_standby *standby)
{
	const sense_ruleset *rules = standby->station.rules;
	unsigned count = sense_ruleset_count(rules);
	struct sense_worker_rule *list = calloc(count + 1u, sizeof *list);
	const char *file = NULL;
	uint64_t text = 0, params = params_hash(standby);
	for (unsigned i = 0; list && i < count; i++) {
		const struct sense_rule *rule = sense_ruleset_get(rules, i);
		if (!file || !rule->file || strcmp(rule->file, file))
			text = text_hash(standby, rule->file) ^ params;
		file = rule->file;
		list[i] = (struct sense_worker_rule){rule->id, sense_hash(rule->id, strlen(rule->id), text)};
	}
	return list;
}

/* All that can fail, so that nothing does once the engine has gone over to the new rules. */
static enum sense_status standby_finish(const struct sense_reloader *reloader, struct sense_standby *standby,
					sense_error *err)
{
	const struct sense_shared *shared = reloader->worker->shared;
	enum sense_status status = sense_policy_finish(&standby->steps, err);
	if (!status)
		status = sense_ruleset_compile(standby->station.rules, err);
	if (status)
		return status;
	unsigned count = sense_ruleset_count(standby->station.rules);
	if (count > shared->rule_max)
		return sense_fail(err, SENSE_E_LIMIT, "policy", "%u rules; at most %u", count,
				  shared->rule_max);
	standby->list = rules_describe(standby);
	standby->quarantine = calloc(count / 64 + 1u, sizeof(uint64_t));
	if (!standby->list || !standby->quarantine)
		return sense_fail(err, SENSE_E_MEMORY, "policy", "no memory for %u rules", count);
	for (unsigned i = 0; i < count; i++)
		if (sense_quarantine_holds(shared->quarantine, standby->list[i].key))
			standby->quarantine[i / 64] |= UINT64_C(1) << i % 64;
	return SENSE_OK;
}

/* ---- how it ended ----------------------------------------------------------------------------- */

static void tell(struct sense_reloader *reloader, const struct sense_standby *standby, uint64_t ticket,
		 enum sense_status status, const sense_error *err)
{
	char text[SENSE_IPC_TEXT_MAX];
	struct sense_ipc_loaded loaded = {.ticket = ticket, .status = status};
	const struct sense_report *report = standby ? &standby->report : NULL;
	if (standby) {
		loaded.took_us = sense_clock_monotonic_us() - standby->begun_us;
		loaded.files = standby->sources.count;
		loaded.params = standby->steps.params;
	}
	if (status && report && report->count) {
		loaded.problems = report->count;
		for (unsigned i = 0; i < report->count && i < SENSE_REPORT_MAX; i++) {
			sense_problem_format(&report->items[i], text, sizeof text);
			sense_worker_problem(reloader->worker, text);
		}
	} else if (status) {
		loaded.problems = 1;
		sense_worker_problem(reloader->worker, err->message);
	} else {
		loaded.rules = sense_ruleset_count(reloader->station->rules);
	}
	sense_worker_loaded(reloader->worker, &loaded);
}

/* The standby becomes what the station has; what that had is freed. */
static void take_over(struct sense_reloader *reloader, struct sense_standby *standby)
{
	struct sense_station before = {.lua = reloader->station->lua, .rules = reloader->station->rules};
	uint64_t *quarantine = reloader->quarantine;
	sense_worker_rules(reloader->worker, standby->list, sense_ruleset_count(standby->station.rules));
	reloader->station->lua = standby->station.lua;
	reloader->station->rules = standby->station.rules;
	reloader->quarantine = standby->quarantine;
	reloader->isolated = 0;
	standby->station.lua = NULL;
	standby->station.rules = NULL;
	standby->quarantine = NULL;
	sense_station_close(&before);
	free(quarantine);
}

static void give_up(struct sense_reloader *reloader, enum sense_status status, const sense_error *err)
{
	tell(reloader, reloader->standby, reloader->seen, status, err);
	standby_free(reloader->standby);
	reloader->standby = NULL;
}

/* ---- the first, and those after it ------------------------------------------------------------ */

/* A step is a sign of life: a large set may take longer in all than a worker may be still. */
static bool file_step(const struct sense_reloader *reloader, struct sense_standby *standby)
{
	atomic_fetch_add_explicit(&reloader->worker->shared->page->load_steps, 1, memory_order_relaxed);
	return sense_policy_step(&standby->steps);
}

enum sense_status sense_reloader_first(struct sense_reloader *reloader, sense_error *err)
{
	const struct sense_worker *worker = reloader->worker;
	const struct sense_buf *block = &worker->bundle->block;
	reloader->seen = worker->ticket;
	struct sense_standby *standby = standby_begin(reloader, block->data, block->len, worker->ticket, err);
	enum sense_status status = standby ? SENSE_OK : err->status;
	while (!status && file_step(reloader, standby))
		;
	if (!status)
		status = standby_finish(reloader, standby, err);
	if (!status)
		take_over(reloader, standby);
	tell(reloader, standby, worker->ticket, status, err);
	standby_free(standby);
	return status;
}

void sense_reloader_isolate(struct sense_reloader *reloader)
{
	const struct sense_shared *shared = reloader->worker->shared;
	unsigned count = sense_ruleset_count(reloader->station->rules);
	reloader->isolated = sense_quarantine_count(shared->quarantine);
	for (unsigned i = 0; i < count && reloader->quarantine; i++)
		if (sense_shared_quarantined(shared, i))
			reloader->quarantine[i / 64] |= UINT64_C(1) << i % 64;
}

bool sense_reloader_step(struct sense_reloader *reloader)
{
	sense_error err;
	struct sense_shared_page *page = reloader->worker->shared->page;
	struct sense_standby *standby = reloader->standby;
	enum sense_status status = SENSE_OK;
	if (!standby) {
		const struct sense_letter *letter =
		    sense_mailbox_letter(&reloader->worker->shared->mailbox);
		reloader->seen = sense_mailbox_ticket(&reloader->worker->shared->mailbox);
		store(page->loading, reloader->seen);
		size_t len = letter->len <= SENSE_BUNDLE_MAX ? letter->len : 0;
		reloader->standby = standby_begin(reloader, letter->block, len, reloader->seen, &err);
		status = reloader->standby ? SENSE_OK : err.status;
	} else {
		store(page->loading, reloader->seen);
		if (!standby->run_all)
			standby->run_all = !file_step(reloader, standby);
		else
			status = standby_finish(reloader, standby, &err);
	}
	store(page->loading, 0);
	if (status)
		give_up(reloader, status, &err);
	return !status && reloader->standby->quarantine;
}

void sense_reloader_swap(struct sense_reloader *reloader)
{
	sense_error err;
	struct sense_standby *standby = reloader->standby;
	struct sense_script script = sense_lua_script(standby->station.lua);
	enum sense_status status = sense_engine_swap(reloader->station->engine, standby->station.rules, &script,
						     standby->quarantine, &err);
	if (status) {
		give_up(reloader, status, &err);
		return;
	}
	take_over(reloader, standby);
	tell(reloader, standby, standby->ticket, SENSE_OK, NULL);
	standby_free(standby);
	reloader->standby = NULL;
	sense_platform_trim(); /* of the rules before */
}

void sense_reloader_close(struct sense_reloader *reloader)
{
	standby_free(reloader->standby);
	reloader->standby = NULL;
	free(reloader->quarantine);
	reloader->quarantine = NULL;
}
