/*
 * Findings of all agents on their way into the database: collected, written by a few connections in transactions of
 * about a thousand rows, and answered after the commit.
 *
 * Exactly once: a batch says after which sequence it begins; the database keeps one number an agent (sense.claim in
 * 002_findings.sql), moved in the transaction that writes the rows. So a batch may come twice, late, cut differently or
 * over two connections at once.
 *
 * What is under way is bounded: a batch that does not fit is not taken (FULL), and callers ask before they read on. With
 * the database away, batches wait for `timeout_us` and are then answered AWAY, which promises nothing: the agent keeps
 * them and sends them again. A finding that cannot be read, or that the database refuses, goes to findings_quarantine
 * with the reason and as it came; it never holds up others.
 *
 * One thread. `done` comes from the loop, never from within sense_ingest_submit, and exactly once for what was TAKEN.
 */
#ifndef SENSE_SERVER_INGEST_INGEST_H
#define SENSE_SERVER_INGEST_INGEST_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/status.h"
#include "proto/message.h"

typedef struct sense_ingest sense_ingest;

/* 0 means what stands behind. */
struct sense_ingest_config {
	const char *conninfo; /* libpq connection string, of a member of the role sense_ingest */
	unsigned writers;     /* connections: 2 */
	unsigned rows; /* for which a transaction waits no longer: 1000; up to four times that go into one */
	uint64_t delay_us;   /* for which a batch waits for others: 5000 */
	size_t bytes;        /* of batches under way, at most: 64 MiB */
	uint64_t timeout_us; /* from taken to answered, about: 15 s */
	unsigned retention;  /* days for which findings are kept; older ones are set aside: any age */
};

enum sense_ingest_submit {
	SENSE_INGEST_TAKEN,
	SENSE_INGEST_FULL,   /* or no memory: later */
	SENSE_INGEST_INVALID /* is no batch: sequences that do not ascend, or lie above 2^63 */
};

enum sense_ingest_outcome {
	SENSE_INGEST_STORED, /* committed, now or before */
	SENSE_INGEST_GAP,    /* begins behind `through`: nothing of it was taken */
	SENSE_INGEST_AWAY,   /* not known; to be sent again */
	SENSE_INGEST_DENIED  /* there is no such agent in that organization */
};

/* through: the agent's last finding that is kept. refused: findings of the batch that were set aside. */
typedef void sense_ingest_done(void *self, enum sense_ingest_outcome outcome, uint64_t through,
                               uint32_t refused);

sense_ingest *sense_ingest_new(struct ev_loop *loop, const struct sense_ingest_config *config,
                               sense_error *err);
/* What is open is answered AWAY. */
void sense_ingest_free(sense_ingest *ingest);

/* org, agent: UUIDs as text, of the certificate. The findings are copied, and `findings` is walked to its end. */
enum sense_ingest_submit sense_ingest_submit(sense_ingest *ingest, const char *org, const char *agent,
                                             uint64_t after, struct sense_message_findings *findings,
                                             sense_ingest_done *done, void *self);
bool sense_ingest_is_full(const sense_ingest *ingest);

#define SENSE_INGEST_LATENCIES 24u

struct sense_ingest_stats {
	unsigned connected, batches; /* under way */
	size_t bytes;
	uint64_t stored_batches, stored_rows, quarantined, duplicates, gaps, away, denied, full, transactions,
	    retries;
	uint64_t
	    latency[SENSE_INGEST_LATENCIES]; /* batches by the time from taken to stored: less than 2^n us */
};
void sense_ingest_stats(const sense_ingest *ingest, struct sense_ingest_stats *out);

#endif
