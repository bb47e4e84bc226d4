/* What batch.c (one batch), tally.c (counts by the hour), writer.c (transactions) and ingest.c (who is next) share. */
#ifndef SENSE_SERVER_INGEST_INTERNAL_H
#define SENSE_SERVER_INGEST_INTERNAL_H

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "proto/uuid.h"
#include "server/ingest/ingest.h"
#include "server/ingest/transcode.h"
#include "server/store/link.h"

#define SENSE_INGEST_CLAIMS_MAX 2000u  /* agents in a transaction */
#define SENSE_INGEST_CLAIM_SLOTS 4096u /* a power of two, at least twice that */
#define SENSE_INGEST_BATCHES_MAX 8192u /* under way */

/* ---- a batch ------------------------------------------------------------------------------------------ */

struct sense_ingest_item {
	uint64_t sequence;
	uint32_t at; /* its row, within the batch's rows */
	uint32_t raw_at, raw_len;
	const char *reason; /* why it goes to the quarantine; NULL: it does not */
	struct sense_finding_row row;
};

struct sense_ingest_batch {
	struct sense_ingest_batch *next;
	char org[SENSE_UUID_TEXT], agent[SENSE_UUID_TEXT];
	struct sense_row_origin origin;
	uint64_t after, last;
	uint64_t taken_us; /* by the monotonic clock */
	sense_ingest_done *done;
	void *self;
	uint32_t count, refused;
	size_t bytes; /* that it holds */
	struct sense_rows rows;
	struct sense_arena reasons; /* of what the database refused */
	uint8_t *raw;
	struct sense_ingest_item items[];
};

/* NULL: *outcome says why. */
struct sense_ingest_batch *sense_ingest_batch_new(const char *org, const char *agent, uint64_t after,
                                                  uint64_t received_us, uint64_t oldest_us,
                                                  struct sense_message_findings *findings,
                                                  enum sense_ingest_submit *outcome);
void sense_ingest_batch_free(struct sense_ingest_batch *batch);

/* ---- counts --------------------------------------------------------------------------------------------- */

#define SENSE_TALLY_SLOTS 2048u

struct sense_tally_slot {
	struct sense_row_count count;
	uint64_t hash;
};

struct sense_tally {
	struct sense_tally_slot slots[SENSE_TALLY_SLOTS]; /* count.count 0: free */
	unsigned used;
	struct sense_rows *rows; /* where sums go */
};

void sense_tally_begin(struct sense_tally *tally, struct sense_rows *rows);
/* row: its first byte; must stay until the end. */
void sense_tally_add(struct sense_tally *tally, const uint8_t *org, const struct sense_finding_row *row,
                     const uint8_t *data);
void sense_tally_end(struct sense_tally *tally);

/* ---- a transaction -------------------------------------------------------------------------------------- */

/* Rows [from, to) of a batch. */
struct sense_ingest_part {
	struct sense_ingest_batch *batch;
	uint32_t from, to;
	unsigned claim; /* number */
	unsigned tries; /* of one row that was refused */
};

/* One agent in a transaction: one batch, or several that follow each other. */
struct sense_ingest_claim {
	const struct sense_ingest_batch *batch; /* the first */
	uint64_t after, last, first_us, last_us;
	uint64_t through; /* before: by the database */
	bool known;       /* the agent is there */
};

enum sense_ingest_copy { SENSE_COPY_FINDINGS, SENSE_COPY_QUARANTINE, SENSE_COPY_COUNTS, SENSE_COPY_NONE };

struct sense_ingest_writer {
	sense_ingest *ingest;
	struct sense_link link;
	bool set_up; /* the connection's own settings are made */
	bool busy;   /* a transaction is under way */
	bool rolls_back;
	bool committed;
	bool quarantines;
	enum sense_ingest_copy copy; /* the next one */
	char sqlstate[6], message[256];
	unsigned attempts; /* of this transaction, after what may pass */
	double deadline;
	struct sense_ingest_part *parts;
	unsigned part_count, part_cap;
	struct sense_ingest_claim claims[SENSE_INGEST_CLAIMS_MAX];
	unsigned claim_count;
	uint16_t slots[SENSE_INGEST_CLAIM_SLOTS]; /* by agent: number of the claim + 1 */
	/* After a refusal: what is still to be tried, in smaller parts; the last is next. */
	struct sense_ingest_part *careful;
	unsigned careful_count, careful_cap;
	uint64_t rows_taken, quarantined, duplicates;
	struct sense_rows counts, quarantine; /* rows of those two COPYs */
	struct sense_buf text;
	struct sense_tally tally;
};

bool sense_ingest_writer_init(struct sense_ingest_writer *writer, sense_ingest *ingest);
void sense_ingest_writer_fini(struct sense_ingest_writer *writer);
bool sense_ingest_writer_is_idle(const struct sense_ingest_writer *writer);
/* The claim of an agent in the transaction under way or being put together; NULL: none. */
struct sense_ingest_claim *sense_ingest_writer_claim(struct sense_ingest_writer *writer,
                                                     const uint8_t agent[16]);
/* Adds the whole batch; false: not in this transaction. */
bool sense_ingest_writer_add(struct sense_ingest_writer *writer, struct sense_ingest_batch *batch);
/* True when the agent is among what is still to be tried in parts. */
bool sense_ingest_writer_holds(const struct sense_ingest_writer *writer, const uint8_t agent[16]);
void sense_ingest_writer_start(struct sense_ingest_writer *writer);
void sense_ingest_writer_expire(struct sense_ingest_writer *writer, double now);

/* writer_text.c: what is sent for a transaction. */
bool sense_ingest_compose(struct sense_ingest_writer *writer);
/* After the claim is answered: the rows of the next COPY. False: no memory, or the connection broke. */
bool sense_ingest_send_copy(struct sense_ingest_writer *writer);

struct sense_ingest {
	struct ev_loop *loop;
	char *conninfo;
	struct sense_ingest_config config;
	struct sense_ingest_batch *pending, **pending_last;
	uint64_t pending_rows;
	unsigned batches;
	size_t bytes;
	ev_timer clock, delay;
	ev_prepare starter;
	bool stopping;
	struct sense_ingest_stats stats;
	unsigned writer_count;
	struct sense_ingest_writer writers[];
};

/* Answers and frees. */
void sense_ingest_finish(sense_ingest *ingest, struct sense_ingest_batch *batch,
                         enum sense_ingest_outcome outcome, uint64_t through);

#endif
