/*
 * The spool: where the supervisor keeps findings until somebody has acknowledged them.
 *
 * A finding is safe when the sense_spool_commit behind its sense_spool_put has returned SENSE_OK: from then
 * on it survives kill -9 and power failure, and is given out, oldest first, until sense_spool_ack. Before
 * that it waits in memory, sealed (core/spool/seal.h). One commit is one transaction with two synced writes
 * (core/spool/store.h), for however many findings wait: the caller commits each 50 to 100 ms, or each
 * hundred. What must not be lost may count as passed on only after the commit.
 *
 * Bounds: max_bytes of records (with what sealing adds) in the store; 4096 findings and 8 MiB in memory. Over
 * each the oldest of the lowest severity goes; a new finding below all that is kept goes itself. What goes is
 * counted by severity, and the counts survive with the store.
 *
 * A finding whose id was put before, and is waiting, kept, or among the latest that were acknowledged
 * (65,536), is known and not put again. Ids of dropped ones are forgotten: one may come again.
 *
 * A full disk, or one that fails, costs nothing at first: findings wait in memory and each commit tries
 * again. A store that cannot be read (damaged, cut short, sealed with another key or on another machine) is
 * renamed, never removed, and a new one begun; this is logged and counted.
 *
 * One process at a time (core/spool/place.h), one thread. A child that was forked off must not touch the
 * spool: it has no keys (they are zeroed there), but the store's descriptors until it closes them.
 */
#ifndef SENSE_SPOOL_SPOOL_H
#define SENSE_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"
#include "proto/finding.h"

#define SENSE_SPOOL_SEVERITIES 5u
#define SENSE_SPOOL_REMEMBERED 65536u
#define SENSE_SPOOL_QUEUE_MAX 4096u
#define SENSE_SPOOL_QUEUE_BYTES_MAX ((size_t)8 << 20)

typedef struct sense_spool sense_spool;

struct sense_spool_config {
	const char *dir; /* made when it is missing, mode 0700 */
	uint64_t max_bytes;
	uint64_t remembered; /* ids of acknowledged findings; 0: SENSE_SPOOL_REMEMBERED */
	const char *machine; /* file of the machine's id; NULL: /etc/machine-id */
	/* Only for what is there: nothing is made or set aside, and what cannot be read is an error. */
	bool existing;
};

/* NULL: err says why, and names the process that has the spool open when there is one. */
sense_spool *sense_spool_open(const struct sense_spool_config *config, sense_error *err);
void sense_spool_close(sense_spool *spool); /* NULL is fine; commits what waits, if that is possible */

/*
 * Takes a finding, to be written by the next commit. *known: it was put before (SENSE_OK, too).
 * SENSE_E_FORMAT: it cannot be encoded, or its severity is none; SENSE_E_LIMIT: memory is full of graver
 * ones, it was dropped.
 */
enum sense_status sense_spool_put(sense_spool *spool, const struct sense_finding *finding, bool *known,
                                  sense_error *err);

/* Writes what waits. On failure all of it still waits, and the next commit tries again. */
enum sense_status sense_spool_commit(sense_spool *spool, sense_error *err);

struct sense_spool_item {
	uint64_t sequence;
	const uint8_t *bytes; /* MessagePack (proto/finding.h), until the next call for this spool */
	size_t len;
};

/*
 * The oldest committed finding whose sequence is above `after`; 0 begins. Sequences ascend and are never used
 * twice, not even by the store that follows an unreadable one, as long as the clock does not go back.
 * Records that cannot be opened are passed over, counted, and removed by the next commit.
 */
bool sense_spool_next(sense_spool *spool, uint64_t after, struct sense_spool_item *item);

/* The findings up to this sequence have arrived: they are removed, for good when this returns SENSE_OK. */
enum sense_status sense_spool_ack(sense_spool *spool, uint64_t up_to, sense_error *err);

/* Counts are since the store was made, and those without a mark survive with it. */
struct sense_spool_stats {
	uint64_t findings;                        /* kept in the store */
	uint64_t bytes;                           /* of their records */
	uint64_t waiting;                         /* in memory, not committed (now) */
	uint64_t dropped[SENSE_SPOOL_SEVERITIES]; /* by enum sense_severity, from the store or from memory */
	uint64_t known;                           /* came again */
	uint64_t acknowledged;
	uint64_t undecodable;   /* records that could not be opened */
	uint64_t since;         /* microseconds since the epoch: the store was made */
	uint64_t set_aside;     /* unreadable stores in the directory, when this one was made */
	uint64_t set_aside_now; /* by this process (now) */
	uint64_t failures;      /* commits that failed (now) */
	bool failing;           /* the latest did (now) */
};

void sense_spool_stats(const sense_spool *spool, struct sense_spool_stats *stats);

#endif
