#include "core/proc/generation.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PILOT 0u

const char *sense_attempt_name(enum sense_attempt_result result)
{
	static const char *const names[] = {"none", "pending", "loaded", "refused", "crashed"};
	return (unsigned)result < sizeof names / sizeof *names ? names[result] : "none";
}

const char *sense_generation_text(const struct sense_generation *generation,
                                  char out[SENSE_GENERATION_TEXT_MAX])
{
	snprintf(out, SENSE_GENERATION_TEXT_MAX, "%u rule%s in %u file%s", generation->rules,
	         generation->rules == 1 ? "" : "s", generation->files, generation->files == 1 ? "" : "s");
	return out;
}

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

__attribute__((format(printf, 3, 4))) static void say(struct sense_generations *all,
                                                      enum sense_log_level level, const char *fmt, ...)
{
	char text[SENSE_IPC_TEXT_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (all->say)
		all->say(all->self, level, text);
}

/* ---- bundles ---------------------------------------------------------------------------------- */

static void drop(struct sense_bundle *bundle)
{
	sense_bundle_fini(bundle);
}

static enum sense_status disk_read(const struct sense_generations *all, struct sense_bundle *out,
                                   sense_error *err)
{
	sense_bundle_init(out);
	enum sense_status status = all->policies->read(all->policies->self, out, err);
	if (!status)
		status = sense_bundle_seal(out, err);
	if (status)
		drop(out);
	return status;
}

enum sense_status sense_generations_disk(const struct sense_generations *all,
                                         char hash[SENSE_BUNDLE_HASH_MAX], sense_error *err)
{
	struct sense_bundle bundle;
	enum sense_status status = disk_read(all, &bundle, err);
	if (status)
		return status;
	memcpy(hash, bundle.hash, sizeof bundle.hash);
	drop(&bundle);
	return SENSE_OK;
}

const struct sense_bundle *sense_generations_first(const struct sense_generations *all, uint64_t *ticket)
{
	*ticket = all->now.number ? all->now.ticket : all->last.ticket;
	return all->now.number ? &all->good : &all->candidate;
}

/* ---- an attempt ------------------------------------------------------------------------------- */

static void attempt_begin(struct sense_generations *all)
{
	struct sense_attempt *last = &all->last;
	last->ticket++;
	last->result = SENSE_ATTEMPT_PENDING;
	last->at_us = now_us();
	last->problems = last->problems_kept = 0;
	last->hash[0] = '\0';
	sense_buf_clear(&last->text);
}

static void attempt_end(struct sense_generations *all, enum sense_attempt_result result)
{
	all->last.result = result;
	if (all->has_candidate)
		drop(&all->candidate);
	all->has_candidate = all->following = false;
	for (unsigned i = 0; i < all->crew->count; i++)
		sense_mailbox_clear(&all->crew->member[i].mailbox);
}

static void attempt_take(struct sense_generations *all)
{
	all->has_candidate = true;
	memcpy(all->last.hash, all->candidate.hash, sizeof all->last.hash);
}

static void goes_on(struct sense_generations *all, const char *why)
{
	char what[SENSE_GENERATION_TEXT_MAX];
	say(all, SENSE_LOG_WARN, "%s; generation %llu (%s) goes on", why, (unsigned long long)all->now.number,
	    sense_generation_text(&all->now, what));
}

void sense_generations_problem(struct sense_generations *all, const char *text)
{
	struct sense_attempt *last = &all->last;
	size_t before = last->text.len;
	if (!sense_generations_pending(all) || all->following)
		return;
	last->problems++;
	if (last->problems_kept >= SENSE_ATTEMPT_PROBLEMS_MAX || last->text.failed)
		return;
	sense_buf_add(&last->text, text, strlen(text) + 1);
	if (last->text.failed)
		last->text.len = before;
	else
		last->problems_kept++;
}

bool sense_generations_reload(struct sense_generations *all)
{
	sense_error err;
	attempt_begin(all);
	if (disk_read(all, &all->candidate, &err)) {
		sense_generations_problem(all, err.message);
		say(all, SENSE_LOG_ERROR, "%s", err.message);
		attempt_end(all, SENSE_ATTEMPT_REFUSED);
		goes_on(all, "the policies cannot be read");
		return false;
	}
	attempt_take(all);
	all->candidate_saved_us = 0;
	/* A worker that is only starting finds it there when it begins to work. */
	sense_mailbox_post(&all->crew->member[PILOT].mailbox, all->last.ticket, &all->candidate);
	return true;
}

/* ---- what came of it -------------------------------------------------------------------------- */

static void adopt(struct sense_generations *all, const struct sense_ipc_loaded *loaded)
{
	char what[SENSE_GENERATION_TEXT_MAX];
	sense_error err;
	const char *keep = all->policies->last_good;
	bool first = !all->now.number;
	if (!first)
		drop(&all->good);
	all->good = all->candidate;
	all->has_candidate = false;
	all->now = (struct sense_generation){
	    .number = all->now.number + 1,
	    .ticket = loaded->ticket,
	    .loaded_us = now_us(),
	    .took_us = loaded->took_us,
	    .files = all->good.count - all->good.params,
	    .rules = loaded->rules,
	    .params = loaded->params,
	    .saved_us = all->candidate_saved_us,
	};
	memcpy(all->now.hash, all->good.hash, sizeof all->now.hash);
	if (all->now.saved_us)
		return; /* it is what lies there already */
	if (keep && *keep && sense_last_good_write(keep, &all->good, &err))
		say(all, SENSE_LOG_ERROR, "%s", err.message);
	if (!first)
		say(all, SENSE_LOG_INFO, "generation %llu: %s, loaded in %.0f ms",
		    (unsigned long long)all->now.number, sense_generation_text(&all->now, what),
		    (double)all->now.took_us / 1000);
}

unsigned sense_generations_behind(const struct sense_generations *all)
{
	unsigned behind = 0;
	for (unsigned i = 0; i < all->crew->count; i++)
		behind += all->has[i] != all->now.ticket;
	return behind;
}

static enum sense_generations_step follow_look(struct sense_generations *all)
{
	if (!all->following || sense_generations_behind(all))
		return SENSE_GENERATIONS_WAIT;
	attempt_end(all, all->now.saved_us ? SENSE_ATTEMPT_REFUSED : SENSE_ATTEMPT_LOADED);
	return SENSE_GENERATIONS_OVER;
}

/* Those that have not begun yet begin with it, and find nothing new in their mailbox. */
static void follow_begin(struct sense_generations *all)
{
	all->following = true;
	for (unsigned i = PILOT + 1; i < all->crew->count; i++)
		sense_mailbox_post(&all->crew->member[i].mailbox, all->now.ticket, &all->good);
}

static enum sense_generations_step follower_loaded(struct sense_generations *all, unsigned worker,
                                                   const struct sense_ipc_loaded *loaded)
{
	/* One that is only starting ends by itself then. */
	if (loaded->status)
		return all->following && worker != PILOT && all->has[worker] ? SENSE_GENERATIONS_ANEW
		                                                             : SENSE_GENERATIONS_WAIT;
	all->has[worker] = loaded->ticket;
	return follow_look(all);
}

static enum sense_generations_step pilot_loaded(struct sense_generations *all,
                                                const struct sense_ipc_loaded *loaded)
{
	char why[64];
	if (loaded->problems > all->last.problems)
		all->last.problems = loaded->problems;
	if (!loaded->status) {
		adopt(all, loaded);
		all->has[PILOT] = loaded->ticket;
		follow_begin(all);
		return follow_look(all);
	}
	if (!all->now.number)
		return SENSE_GENERATIONS_WAIT; /* the worker ends now, and what comes then is decided there */
	attempt_end(all, SENSE_ATTEMPT_REFUSED);
	snprintf(why, sizeof why, "%u problem%s in the policies", all->last.problems,
	         all->last.problems == 1 ? "" : "s");
	goes_on(all, why);
	return SENSE_GENERATIONS_OVER;
}

enum sense_generations_step sense_generations_loaded(struct sense_generations *all, unsigned worker,
                                                     const struct sense_ipc_loaded *loaded)
{
	bool candidate = sense_generations_pending(all) && !all->following && loaded->ticket == all->last.ticket;
	if (worker == PILOT && candidate)
		return pilot_loaded(all, loaded);
	/* Nobody has what the pilot has not; a new worker begins with the set at work. */
	if (loaded->ticket > all->now.ticket)
		return SENSE_GENERATIONS_WAIT;
	return follower_loaded(all, worker, loaded);
}

bool sense_generations_died(struct sense_generations *all, unsigned worker, const char *how)
{
	all->has[worker] = 0;
	if (worker != PILOT || !sense_generations_pending(all) || all->following || !all->now.number ||
	    atomic_load(&all->crew->member[PILOT].page->loading) != all->last.ticket)
		return false;
	char text[SENSE_IPC_TEXT_MAX];
	snprintf(text, sizeof text, "while the policies were loaded: %s", how);
	sense_generations_problem(all, text);
	attempt_end(all, SENSE_ATTEMPT_CRASHED);
	goes_on(all, text);
	return true;
}

/* ---- begin and end ---------------------------------------------------------------------------- */

bool sense_generations_fall_back(struct sense_generations *all)
{
	char when[32];
	sense_error err;
	struct sense_bundle saved;
	uint64_t saved_us = 0;
	const char *path = all->policies->last_good;
	if (!path || !*path || all->now.number || all->fell_back)
		return false;
	sense_bundle_init(&saved);
	if (sense_last_good_read(path, &saved, &saved_us, &err)) {
		say(all, SENSE_LOG_ERROR, "there is no last good set of policies to go on with: %s",
		    err.message);
		drop(&saved);
		return false;
	}
	all->fell_back = true;
	if (all->has_candidate)
		drop(&all->candidate);
	all->candidate = saved;
	all->candidate_saved_us = saved_us;
	attempt_take(all);
	all->last.result = SENSE_ATTEMPT_PENDING;
	time_t seconds = (time_t)(saved_us / 1000000);
	struct tm utc;
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	say(all, SENSE_LOG_WARN, "running the last good set of %s; the configured one has %u problem%s", when,
	    all->last.problems, all->last.problems == 1 ? "" : "s");
	return true;
}

enum sense_status sense_generations_begin(struct sense_generations *all, sense_error *err)
{
	sense_buf_init(&all->last.text, SENSE_ATTEMPT_TEXT_MAX);
	attempt_begin(all);
	enum sense_status status = disk_read(all, &all->candidate, err);
	if (!status) {
		attempt_take(all);
		return SENSE_OK;
	}
	sense_generations_problem(all, err->message);
	if (!all->policies->last_good || !*all->policies->last_good)
		return status;
	say(all, SENSE_LOG_ERROR, "%s", err->message);
	return sense_generations_fall_back(all) ? SENSE_OK : status;
}

void sense_generations_end(struct sense_generations *all)
{
	if (all->has_candidate)
		drop(&all->candidate);
	if (all->now.number)
		drop(&all->good);
	sense_buf_fini(&all->last.text);
}
