#include "server/ingest/ingest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "server/ingest/internal.h"

#define WRITERS 2u
#define ROWS 1000u
#define ROWS_TIMES 4u /* as many more when they are there: a commit costs the same for all */
#define DELAY_US 5000u
#define BYTES ((size_t)64 << 20)
#define TIMEOUT_US UINT64_C(15000000)
#define TRANSACTION_BYTES ((size_t)8 << 20) /* about */
#define CLOCK_S 0.1
#define DAY_US UINT64_C(86400000000)

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void note_latency(struct sense_ingest_stats *stats, uint64_t us)
{
	unsigned bucket = 0;
	while (us >> bucket && bucket < SENSE_INGEST_LATENCIES - 1)
		bucket++;
	stats->latency[bucket]++;
}

void sense_ingest_finish(sense_ingest *ingest, struct sense_ingest_batch *batch,
                         enum sense_ingest_outcome outcome, uint64_t through)
{
	struct sense_ingest_stats *stats = &ingest->stats;

	ingest->batches--;
	ingest->bytes -= batch->bytes;
	stats->gaps += outcome == SENSE_INGEST_GAP;
	stats->away += outcome == SENSE_INGEST_AWAY;
	stats->denied += outcome == SENSE_INGEST_DENIED;
	if (outcome == SENSE_INGEST_STORED) {
		stats->stored_batches++;
		note_latency(stats, sense_clock_monotonic_us() - batch->taken_us);
	}
	sense_ingest_done *done = batch->done;
	void *self = batch->self;
	uint32_t refused = outcome == SENSE_INGEST_STORED ? batch->refused : 0;
	sense_ingest_batch_free(batch);
	done(self, outcome, through, refused);
}

/* ---- who is next ---------------------------------------------------------------------------------------------- */

static struct sense_ingest_batch *unlink_batch(sense_ingest *ingest, struct sense_ingest_batch **at)
{
	struct sense_ingest_batch *batch = *at;
	*at = batch->next;
	if (!batch->next)
		ingest->pending_last = at;
	ingest->pending_rows -= batch->count;
	batch->next = NULL;
	return batch;
}

/* Its agent waits for another transaction: after it, this batch need not wait for a lock, nor find a gap. */
static bool is_elsewhere(sense_ingest *ingest, const struct sense_ingest_writer *mine,
                         const struct sense_ingest_batch *batch)
{
	for (unsigned i = 0; i < ingest->writer_count; i++) {
		struct sense_ingest_writer *writer = &ingest->writers[i];
		if (writer != mine && (sense_ingest_writer_claim(writer, batch->origin.agent) ||
		                       sense_ingest_writer_holds(writer, batch->origin.agent)))
			return true;
	}
	return false;
}

static bool fill(sense_ingest *ingest, struct sense_ingest_writer *writer)
{
	uint64_t rows = 0;
	size_t bytes = 0;

	for (struct sense_ingest_batch **at = &ingest->pending; *at;) {
		struct sense_ingest_batch *batch = *at;
		if (rows >= (uint64_t)ingest->config.rows * ROWS_TIMES || bytes >= TRANSACTION_BYTES)
			break;
		if (is_elsewhere(ingest, writer, batch) || !sense_ingest_writer_add(writer, batch)) {
			at = &batch->next;
			continue;
		}
		unlink_batch(ingest, at);
		rows += batch->count;
		bytes += batch->bytes;
	}
	return writer->part_count > 0;
}

static bool is_due(const sense_ingest *ingest)
{
	return ingest->pending &&
	       (ingest->pending_rows >= ingest->config.rows ||
	        sense_clock_monotonic_us() >= ingest->pending->taken_us + ingest->config.delay_us);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	sense_ingest *ingest = watcher->data;

	(void)loop, (void)events;
	for (unsigned i = 0; i < ingest->writer_count && is_due(ingest); i++) {
		struct sense_ingest_writer *writer = &ingest->writers[i];
		if (sense_ingest_writer_is_idle(writer) && fill(ingest, writer))
			sense_ingest_writer_start(writer);
	}
}

static void on_delay(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)timer, (void)events; /* the loop has turned, that is all */
}

static void on_clock(struct ev_loop *loop, ev_timer *timer, int events)
{
	sense_ingest *ingest = timer->data;
	uint64_t now = sense_clock_monotonic_us();

	(void)events;
	for (unsigned i = 0; i < ingest->writer_count; i++)
		sense_ingest_writer_expire(&ingest->writers[i], ev_now(loop));
	while (ingest->pending && ingest->pending->taken_us + ingest->config.timeout_us <= now)
		sense_ingest_finish(ingest, unlink_batch(ingest, &ingest->pending), SENSE_INGEST_AWAY, 0);
}

/* ---- what others call ------------------------------------------------------------------------------------------ */

enum sense_ingest_submit sense_ingest_submit(sense_ingest *ingest, const char *org, const char *agent,
                                             uint64_t after, struct sense_message_findings *findings,
                                             sense_ingest_done *done, void *self)
{
	uint64_t now = sense_clock_us(), oldest = 0;
	enum sense_ingest_submit outcome;

	if (sense_ingest_is_full(ingest)) {
		ingest->stats.full++;
		return SENSE_INGEST_FULL;
	}
	if (ingest->config.retention)
		oldest = now - now % DAY_US - ingest->config.retention * DAY_US;
	struct sense_ingest_batch *batch =
	    sense_ingest_batch_new(org, agent, after, now, oldest, findings, &outcome);
	if (!batch)
		return outcome;
	batch->done = done;
	batch->self = self;
	batch->taken_us = sense_clock_monotonic_us();
	if (!ingest->pending)
		ingest->pending_last = &ingest->pending;
	*ingest->pending_last = batch;
	ingest->pending_last = &batch->next;
	ingest->pending_rows += batch->count;
	ingest->batches++;
	ingest->bytes += batch->bytes;
	if (!ev_is_active(&ingest->delay)) {
		ev_timer_set(&ingest->delay, (double)ingest->config.delay_us / 1e6, 0.0);
		ev_timer_start(ingest->loop, &ingest->delay);
	}
	return SENSE_INGEST_TAKEN;
}

bool sense_ingest_is_full(const sense_ingest *ingest)
{
	return ingest->stopping || ingest->bytes >= ingest->config.bytes ||
	       ingest->batches >= SENSE_INGEST_BATCHES_MAX;
}

void sense_ingest_stats(const sense_ingest *ingest, struct sense_ingest_stats *out)
{
	*out = ingest->stats;
	out->batches = ingest->batches;
	out->bytes = ingest->bytes;
}

static void set_defaults(struct sense_ingest_config *config)
{
	config->writers = config->writers ? config->writers : WRITERS;
	config->rows = config->rows ? config->rows : ROWS;
	config->delay_us = config->delay_us ? config->delay_us : DELAY_US;
	config->bytes = config->bytes ? config->bytes : BYTES;
	config->timeout_us = config->timeout_us ? config->timeout_us : TIMEOUT_US;
}

sense_ingest *sense_ingest_new(struct ev_loop *loop, const struct sense_ingest_config *config,
                               sense_error *err)
{
	struct sense_ingest_config full = *config;

	set_defaults(&full);
	sense_ingest *ingest = calloc(1, sizeof(*ingest) + full.writers * sizeof(*ingest->writers));
	char *conninfo = strdup(config->conninfo);
	if (!ingest || !conninfo) {
		free(ingest);
		free(conninfo);
		sense_fail(err, SENSE_E_MEMORY, "ingest",
		           "no memory for the connections that write findings");
		return NULL;
	}
	ingest->loop = loop;
	ingest->config = full;
	ingest->config.conninfo = ingest->conninfo = conninfo;
	ingest->pending_last = &ingest->pending;
	ingest->writer_count = full.writers;
	ev_timer_init(&ingest->clock, on_clock, CLOCK_S, CLOCK_S);
	ev_init(&ingest->delay, on_delay);
	ev_prepare_init(&ingest->starter, on_prepare);
	ingest->clock.data = ingest->starter.data = ingest;
	ev_timer_start(loop, &ingest->clock);
	ev_prepare_start(loop, &ingest->starter);
	for (unsigned i = 0; i < full.writers; i++)
		sense_ingest_writer_init(&ingest->writers[i], ingest);
	return ingest;
}

void sense_ingest_free(sense_ingest *ingest)
{
	if (!ingest)
		return;
	ingest->stopping = true; /* a callback may want to hand in more */
	ev_timer_stop(ingest->loop, &ingest->clock);
	ev_timer_stop(ingest->loop, &ingest->delay);
	ev_prepare_stop(ingest->loop, &ingest->starter);
	for (unsigned i = 0; i < ingest->writer_count; i++)
		sense_ingest_writer_fini(&ingest->writers[i]);
	while (ingest->pending)
		sense_ingest_finish(ingest, unlink_batch(ingest, &ingest->pending), SENSE_INGEST_AWAY, 0);
	free(ingest->conninfo);
	free(ingest);
}
