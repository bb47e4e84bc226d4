/* One connection that writes: a transaction at a time, and what becomes of one that is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "server/ingest/internal.h"

#define SUBSYSTEM "ingest"
#define ATTEMPTS_MAX 3u
#define COMPLAIN_US UINT64_C(10000000)

/* ---- which agents a transaction is about ------------------------------------------------------------------ */

static uint16_t *slot_of(struct sense_ingest_writer *writer, const uint8_t agent[16])
{
	for (unsigned at = (unsigned)sense_hash(agent, 16, sense_hash_seed());; at++) {
		uint16_t *slot = &writer->slots[at % SENSE_INGEST_CLAIM_SLOTS];
		if (!*slot || !memcmp(writer->claims[*slot - 1].batch->origin.agent, agent, 16))
			return slot;
	}
}

struct sense_ingest_claim *sense_ingest_writer_claim(struct sense_ingest_writer *writer,
                                                     const uint8_t agent[16])
{
	uint16_t slot = writer->claim_count ? *slot_of(writer, agent) : 0;
	return slot ? &writer->claims[slot - 1] : NULL;
}

bool sense_ingest_writer_holds(const struct sense_ingest_writer *writer, const uint8_t agent[16])
{
	for (unsigned i = 0; i < writer->careful_count; i++)
		if (!memcmp(writer->careful[i].batch->origin.agent, agent, 16))
			return true;
	return false;
}

static bool grow(struct sense_ingest_part **parts, unsigned count, unsigned *cap)
{
	if (count < *cap)
		return true;
	unsigned more = *cap ? *cap * 2 : 64;
	struct sense_ingest_part *grown = realloc(*parts, more * sizeof(**parts));
	if (!grown)
		return false;
	*parts = grown;
	*cap = more;
	return true;
}

static void widen(struct sense_ingest_claim *claim, const struct sense_ingest_part *part)
{
	const struct sense_ingest_item *items = part->batch->items;
	for (uint32_t i = part->from; i < part->to; i++) {
		if (items[i].reason)
			continue;
		claim->first_us =
		    items[i].row.time_us < claim->first_us ? items[i].row.time_us : claim->first_us;
		claim->last_us =
		    items[i].row.time_us > claim->last_us ? items[i].row.time_us : claim->last_us;
	}
}

/* Rows [from, to) of a batch, as a claim of its own or behind that of its agent. */
static bool add_part(struct sense_ingest_writer *writer, struct sense_ingest_part part)
{
	struct sense_ingest_batch *batch = part.batch;
	struct sense_ingest_claim *claim = sense_ingest_writer_claim(writer, batch->origin.agent);
	uint64_t after = part.from ? batch->items[part.from - 1].sequence : batch->after;
	uint64_t last = part.to < batch->count ? batch->items[part.to - 1].sequence : batch->last;

	if (!grow(&writer->parts, writer->part_count, &writer->part_cap))
		return false;
	if (claim) {
		if (claim->last != after || memcmp(claim->batch->origin.org, batch->origin.org, 16) != 0)
			return false;
	} else {
		if (writer->claim_count == SENSE_INGEST_CLAIMS_MAX)
			return false;
		*slot_of(writer, batch->origin.agent) = (uint16_t)(writer->claim_count + 1);
		claim = &writer->claims[writer->claim_count++];
		*claim = (struct sense_ingest_claim){.batch = batch,
		                                     .after = after,
		                                     .first_us = batch->origin.received_us,
		                                     .last_us = batch->origin.received_us};
	}
	claim->last = last;
	widen(claim, &part);
	part.claim = (unsigned)(claim - writer->claims);
	writer->parts[writer->part_count++] = part;
	for (uint32_t i = part.from; i < part.to && !writer->quarantines; i++)
		writer->quarantines = batch->items[i].reason != NULL;
	return true;
}

bool sense_ingest_writer_add(struct sense_ingest_writer *writer, struct sense_ingest_batch *batch)
{
	return add_part(writer, (struct sense_ingest_part){.batch = batch, .to = batch->count});
}

static void clear(struct sense_ingest_writer *writer)
{
	writer->part_count = writer->claim_count = writer->attempts = 0;
	writer->busy = writer->rolls_back = writer->quarantines = false;
	memset(writer->slots, 0, sizeof(writer->slots));
}

/* ---- its end -------------------------------------------------------------------------------------------------- */

static void forget_careful(struct sense_ingest_writer *writer, const struct sense_ingest_batch *batch)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < writer->careful_count; i++)
		if (writer->careful[i].batch != batch)
			writer->careful[kept++] = writer->careful[i];
	writer->careful_count = kept;
}

static void finish(struct sense_ingest_writer *writer, struct sense_ingest_batch *batch,
                   enum sense_ingest_outcome outcome, uint64_t through)
{
	forget_careful(writer, batch);
	sense_ingest_finish(writer->ingest, batch, outcome, through);
}

/* Takes the parts out first: a callback may hand in the next batch. */
static void away(struct sense_ingest_writer *writer)
{
	unsigned count = writer->part_count;

	clear(writer);
	for (unsigned i = 0; i < count; i++)
		finish(writer, writer->parts[i].batch, SENSE_INGEST_AWAY, 0);
}

static void away_all(struct sense_ingest_writer *writer)
{
	away(writer);
	while (writer->careful_count)
		finish(writer, writer->careful[writer->careful_count - 1].batch, SENSE_INGEST_AWAY, 0);
}

static void count(struct sense_ingest_writer *writer)
{
	struct sense_ingest_stats *stats = &writer->ingest->stats;
	stats->transactions++;
	stats->stored_rows += writer->rows_taken;
	stats->quarantined += writer->quarantined;
	stats->duplicates += writer->duplicates;
}

static void answer(struct sense_ingest_writer *writer, const struct sense_ingest_part *part)
{
	const struct sense_ingest_claim *claim = &writer->claims[part->claim];
	bool is_whole = part->to == part->batch->count;

	if (!claim->known)
		finish(writer, part->batch, SENSE_INGEST_DENIED, 0);
	else if (claim->after > claim->through)
		finish(writer, part->batch, SENSE_INGEST_GAP, claim->through);
	else if (is_whole)
		finish(writer, part->batch, SENSE_INGEST_STORED,
		       claim->through > claim->last ? claim->through : claim->last);
}

static void next_careful(struct sense_ingest_writer *writer)
{
	if (writer->busy || !writer->careful_count)
		return;
	struct sense_ingest_part part = writer->careful[--writer->careful_count];
	clear(writer);
	/* One part always fits: there is room for it since there was a transaction. */
	add_part(writer, part);
	sense_ingest_writer_start(writer);
}

static void succeed(struct sense_ingest_writer *writer)
{
	unsigned parts = writer->part_count;

	count(writer);
	/* Claims stay readable until the next transaction, which no callback begins. */
	writer->part_count = 0;
	for (unsigned i = 0; i < parts; i++)
		answer(writer, &writer->parts[i]);
	clear(writer);
	next_careful(writer);
}

/* ---- what was refused -------------------------------------------------------------------------------------------- */

static void complain(struct sense_ingest_writer *writer, const char *what)
{
	static uint64_t last;
	uint64_t now = sense_clock_monotonic_us();

	if (last && now - last < COMPLAIN_US)
		return;
	last = now;
	sense_log(SENSE_LOG_WARN, SUBSYSTEM, "%s: %s (SQLSTATE %s)", what, writer->message, writer->sqlstate);
}

static bool is_class(const struct sense_ingest_writer *writer, const char *class)
{
	return !strncmp(writer->sqlstate, class, 2);
}

/* By the data, not by the state that the database is in: exceptions, constraints, limits, what a trigger raises. */
static bool is_refusal(const struct sense_ingest_writer *writer)
{
	return is_class(writer, "22") || is_class(writer, "23") || is_class(writer, "54") ||
	       is_class(writer, "P0");
}

static bool may_pass(const struct sense_ingest_writer *writer)
{
	return is_class(writer, "40") || !strcmp(writer->sqlstate, "55P03");
}

static bool push(struct sense_ingest_writer *writer, struct sense_ingest_part part)
{
	if (!grow(&writer->careful, writer->careful_count, &writer->careful_cap))
		return false;
	writer->careful[writer->careful_count++] = part;
	return true;
}

/* Of one row: once more, for it may have been the moment (a partition that was just made); then it is set aside. */
static bool push_row(struct sense_ingest_writer *writer, struct sense_ingest_part part)
{
	struct sense_ingest_item *item = &part.batch->items[part.from];

	if (item->reason || part.to == part.from)
		return false; /* the quarantine, too, is refused */
	if (part.tries++)
		item->reason =
		    sense_arena_strndup(&part.batch->reasons, writer->message, strlen(writer->message));
	if (item->reason) {
		complain(writer, "the database refuses a finding, which is set aside");
		part.batch->refused++;
	} else if (part.tries > 1) {
		return false;
	}
	return push(writer, part);
}

static bool push_halves(struct sense_ingest_writer *writer, struct sense_ingest_part part)
{
	struct sense_ingest_part second = part;
	uint32_t middle = part.from + (part.to - part.from) / 2;

	if (part.to - part.from <= 1)
		return push_row(writer, part);
	second.from = part.to = middle;
	return push(writer, second) && push(writer, part);
}

/* In smaller parts, the first one first: an agent's numbers go up. */
static void split(struct sense_ingest_writer *writer)
{
	unsigned parts = writer->part_count;
	bool good = true;

	writer->ingest->stats.retries++;
	if (parts == 1) {
		good = push_halves(writer, writer->parts[0]);
	} else {
		for (unsigned i = parts; i-- > 0 && good;)
			good = push(writer, writer->parts[i]);
	}
	if (!good) {
		complain(writer, "the database refuses a batch");
		away(writer);
	} else {
		clear(writer);
	}
	next_careful(writer);
}

static void fail(struct sense_ingest_writer *writer)
{
	if (may_pass(writer) && writer->attempts < ATTEMPTS_MAX) {
		writer->attempts++;
		writer->ingest->stats.retries++;
		sense_ingest_writer_start(writer);
	} else if (is_refusal(writer)) {
		split(writer);
	} else {
		complain(writer, "findings cannot be stored now");
		away(writer);
		next_careful(writer);
	}
}

/* ---- the connection ---------------------------------------------------------------------------------------------- */

static void take_claims(struct sense_ingest_writer *writer, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result) && row < (int)writer->claim_count; row++) {
		struct sense_ingest_claim *claim = &writer->claims[row];
		claim->known = !PQgetisnull(result, row, 1);
		claim->through = strtoull(PQgetvalue(result, row, 1), NULL, 10);
	}
}

static void keep_error(struct sense_ingest_writer *writer, const PGresult *result)
{
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	snprintf(writer->sqlstate, sizeof(writer->sqlstate), "%s", code ? code : "08006");
	snprintf(writer->message, sizeof(writer->message), "%s",
	         message ? message : PQresultErrorMessage(result));
}

static void conclude(struct sense_ingest_writer *writer)
{
	if (!writer->set_up) {
		if (writer->sqlstate[0]) {
			complain(writer, "the connection to the database cannot be set up");
			sense_link_break(&writer->link, writer->message);
		}
		writer->set_up = !writer->sqlstate[0];
	} else if (writer->busy && writer->committed) {
		succeed(writer);
	} else if (writer->busy && !writer->rolls_back &&
	           PQtransactionStatus(writer->link.conn) == PQTRANS_INERROR) {
		writer->rolls_back = PQsendQuery(writer->link.conn, "ROLLBACK") == 1;
		if (!writer->rolls_back)
			sense_link_break(&writer->link, PQerrorMessage(writer->link.conn));
	} else if (writer->busy) {
		fail(writer);
	}
}

/* False: the connection is of no use any more. */
static bool take(struct sense_ingest_writer *writer, PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_TUPLES_OK:
		take_claims(writer, result);
		return true;
	case PGRES_COPY_IN:
		return sense_ingest_send_copy(writer);
	case PGRES_COMMAND_OK:
		writer->committed =
		    writer->committed || (writer->busy && !strcmp(PQcmdStatus(result), "COMMIT"));
		return true;
	default:
		if (!writer->sqlstate[0])
			keep_error(writer, result);
		return true;
	}
}

static void on_ready(void *self)
{
	struct sense_ingest_writer *writer = self;
	bool good = true;

	/* Also when the connection has just broken: a commit that was answered counts. */
	while (good && !PQisBusy(writer->link.conn)) {
		PGresult *result = PQgetResult(writer->link.conn);
		if (!result) {
			conclude(writer);
			good = writer->busy && !writer->link.broken;
			continue;
		}
		good = take(writer, result);
		PQclear(result);
		if (!good)
			sense_link_break(&writer->link, "a COPY could not be sent");
	}
	sense_link_flush(&writer->link);
}

static void on_up(void *self)
{
	struct sense_ingest_writer *writer = self;
	unsigned long ms = (unsigned long)(writer->ingest->config.timeout_us / 1000);
	char text[256];

	writer->set_up = false;
	writer->sqlstate[0] = '\0';
	writer->deadline = ev_now(writer->ingest->loop) + (double)writer->ingest->config.timeout_us / 1e6;
	writer->ingest->stats.connected++;
	/* What is acknowledged is on disk, whatever is usual in this database. */
	snprintf(
	    text, sizeof(text),
	    "SET ROLE sense_ingest; SET synchronous_commit = on; SET statement_timeout = %lu; SET lock_timeout = %lu",
	    ms, ms / 2);
	if (!PQsendQuery(writer->link.conn, text))
		sense_link_break(&writer->link, PQerrorMessage(writer->link.conn));
	sense_link_flush(&writer->link);
}

static void on_down(void *self, const char *why)
{
	struct sense_ingest_writer *writer = self;
	(void)why;
	writer->ingest->stats.connected--;
	writer->set_up = false;
	away_all(writer);
}

void sense_ingest_writer_start(struct sense_ingest_writer *writer)
{
	sense_ingest *ingest = writer->ingest;

	writer->busy = true;
	writer->committed = writer->rolls_back = false;
	writer->sqlstate[0] = '\0';
	writer->copy = SENSE_COPY_FINDINGS;
	writer->deadline = ev_now(ingest->loop) + (double)ingest->config.timeout_us / 1e6;
	if (!sense_ingest_compose(writer) || !PQsendQuery(writer->link.conn, sense_buf_str(&writer->text)))
		sense_link_break(&writer->link, PQerrorMessage(writer->link.conn));
	sense_link_flush(&writer->link);
}

void sense_ingest_writer_expire(struct sense_ingest_writer *writer, double now)
{
	if ((writer->busy || !writer->set_up) && writer->deadline <= now)
		sense_link_break(&writer->link, "the database does not answer");
}

bool sense_ingest_writer_is_idle(const struct sense_ingest_writer *writer)
{
	return writer->link.up && !writer->link.broken && writer->set_up && !writer->busy &&
	       !writer->careful_count;
}

bool sense_ingest_writer_init(struct sense_ingest_writer *writer, sense_ingest *ingest)
{
	writer->ingest = ingest;
	sense_buf_init(&writer->text, 0);
	sense_link_init(&writer->link, ingest->loop, ingest->conninfo, "sense-server ingest",
	                &(struct sense_link_owner){on_up, on_ready, on_down, writer});
	return true;
}

void sense_ingest_writer_fini(struct sense_ingest_writer *writer)
{
	sense_link_fini(&writer->link);
	away_all(writer);
	free(writer->parts);
	free(writer->careful);
	sense_rows_fini(&writer->counts);
	sense_rows_fini(&writer->quarantine);
	sense_buf_fini(&writer->text);
}
