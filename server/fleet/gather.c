#include "server/fleet/gather.h"

#include <stdlib.h>
#include <string.h>

#include "server/fleet/internal.h"

enum { CALLS_MAX = 256, BYTES_MAX = 512 * 1024 };

static const char short_of_memory[] = "the server is short of memory";

struct one {
	struct sense_agents_ask *ask; /* NULL: it was answered */
	char *said;
};

struct sense_gathered {
	struct sense_gathered *next;
	struct sense_gather *gather;
	unsigned count;
	size_t bytes;
	struct one calls[CALLS_MAX];
};

/* ---- some together ------------------------------------------------------------------------------------- */

static void some_free(struct sense_gathered *some)
{
	for (unsigned i = 0; i < some->count; i++) {
		free(some->calls[i].ask);
		free(some->calls[i].said);
	}
	free(some);
}

static struct sense_gathered *some_new(struct sense_gather *gather)
{
	struct sense_gathered *some = calloc(1, sizeof *some);
	if (some)
		some->gather = gather;
	return some;
}

static void some_add(struct sense_gathered *some, const struct one *call)
{
	some->calls[some->count++] = *call;
	some->bytes += strlen(call->said);
}

static void busy(const struct sense_agents_ask *ask, const char *why)
{
	sense_agents_fail(ask->fleet, ask->ref, "busy", why, SENSE_AGENTS_RETRY_MS);
}

static void some_refuse(struct sense_gathered *some, const char *why)
{
	for (unsigned i = 0; i < some->count; i++)
		busy(some->calls[i].ask, why);
	some_free(some);
}

static void some_ask(struct sense_gathered *some);

static void each_alone(struct sense_gathered *some)
{
	for (unsigned i = 0; i < some->count; i++) {
		struct sense_gathered *alone = some_new(some->gather);
		if (!alone) {
			busy(some->calls[i].ask, short_of_memory);
			continue;
		}
		some_add(alone, &some->calls[i]);
		some->calls[i] = (struct one){0};
		some_ask(alone);
	}
	some_free(some);
}

static void asked(void *self, const struct sense_db_result *result)
{
	struct sense_gathered *some = self;
	const struct sense_gather_kind *kind = some->gather->kind;
	static const struct sense_db_result none = {.outcome = SENSE_DB_DONE};
	bool done = result->outcome == SENSE_DB_DONE;
	if (result->outcome == SENSE_DB_REFUSED && some->count > 1) {
		each_alone(some);
		return;
	}
	for (unsigned row = 0; done && row < result->rows; row++) {
		uint64_t place = sense_db_uint(result, row, 0);
		struct one *call = place && place <= some->count ? &some->calls[place - 1] : NULL;
		if (!call || !call->ask)
			continue;
		kind->answer(call->ask, result, row);
		call->ask = NULL;
	}
	for (unsigned i = 0; i < some->count; i++) {
		if (some->calls[i].ask)
			sense_agents_row(some->calls[i].ask, done ? &none : result, kind->none,
			                 kind->none_message);
		some->calls[i].ask = NULL;
	}
	some_free(some);
}

static void some_ask(struct sense_gathered *some)
{
	struct sense_buf said;
	sense_buf_init(&said, 0);
	for (unsigned i = 0; i < some->count; i++) {
		sense_buf_addc(&said, i ? ',' : '[');
		sense_buf_adds(&said, some->calls[i].said);
	}
	sense_buf_addc(&said, ']');
	const char *org = some->calls[0].ask->org, *text = sense_buf_str(&said);
	const struct sense_db_param params[] = {SENSE_DB_TEXT(org), SENSE_DB_TEXT(text)};
	if (said.failed)
		some_refuse(some, short_of_memory);
	else if (!sense_db_ask(some->gather->fleet->config.db, org, &some->gather->kind->statement, params, 2,
	                       asked, some))
		some_refuse(some, "too many questions wait for the database");
	sense_buf_fini(&said);
}

/* ---- gathering ------------------------------------------------------------------------------------------ */

static void on_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct sense_gather *gather = timer->data;
	struct sense_gathered *some = gather->first, *next;
	(void)loop, (void)events;
	/* What comes while these are asked about, as when they are refused, gathers anew. */
	for (gather->first = NULL; some; some = next) {
		next = some->next;
		some_ask(some);
	}
}

void sense_gather_init(struct sense_gather *gather, struct sense_agents *fleet,
                       const struct sense_gather_kind *kind)
{
	*gather = (struct sense_gather){.fleet = fleet, .kind = kind};
	ev_timer_init(&gather->over, on_over, kind->seconds, 0);
	gather->over.data = gather;
}

void sense_gather_fini(struct sense_gather *gather)
{
	struct sense_gathered *some;
	ev_timer_stop(gather->fleet->config.loop, &gather->over);
	while ((some = gather->first)) {
		gather->first = some->next;
		some_free(some);
	}
}

/* Where the organization's calls gather; NULL there: no memory. */
static struct sense_gathered **place_of(struct sense_gather *gather, const char *org)
{
	struct sense_gathered **place = &gather->first;
	while (*place && strcmp((*place)->calls[0].ask->org, org))
		place = &(*place)->next;
	if (!*place)
		*place = some_new(gather);
	return place;
}

static bool take(struct sense_gather *gather, const struct one *call)
{
	struct sense_gathered **place = place_of(gather, call->ask->org), *some = *place;
	if (!some)
		return false;
	some_add(some, call);
	if (some->count == CALLS_MAX || some->bytes >= BYTES_MAX) {
		*place = some->next;
		some_ask(some);
	} else if (!ev_is_active(&gather->over)) {
		ev_timer_set(&gather->over, gather->kind->seconds, 0);
		ev_timer_start(gather->fleet->config.loop, &gather->over);
	}
	return true;
}

void sense_gather_add(struct sense_gather *gather, struct sense_agents_ask *ask, struct sense_buf *said)
{
	const struct one call = {ask, said->failed ? NULL : strdup(sense_buf_str(said))};
	if (call.said && take(gather, &call))
		return;
	if (said->failed)
		sense_agents_invalid(gather->fleet, ask->ref, "the parameters are too large");
	else
		busy(ask, short_of_memory);
	free(call.said);
	free(ask);
}
