/*
 * From the database's outbox to a Redis Stream: an entry for each batch of findings that was stored, for whoever goes
 * on working with them (consumer groups). Run by one process of all servers, under a lock that its caller holds.
 *
 * An entry's id is PLACE-0, where places count up by one in the order in which batches became visible; its fields are
 * org, agent, first and last (sequences), first_us and last_us (between them lie the times of its findings). The id
 * makes each entry one: Redis refuses an id that is not above the last, so what is sent again after a doubt is not
 * there twice. Batches stay in the outbox for `keep_s` after they were sent, so that a Redis that comes back with less
 * than it had gets it again; one that is away costs nothing but that. So an entry is there at least once, as long as
 * Redis loses no more than `keep_s`; the stream itself is cut at about `length` entries.
 */
#ifndef SENSE_SERVER_INGEST_OUTBOX_H
#define SENSE_SERVER_INGEST_OUTBOX_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/status.h"
#include "server/store/db.h"

#define SENSE_OUTBOX_STREAM "sense:batches"

typedef struct sense_ingest_outbox sense_ingest_outbox;

/* 0 and NULL mean what stands behind. */
struct sense_ingest_outbox_config {
	sense_db *db;
	const char *redis;  /* /path/of/socket, or address:port */
	const char *stream; /* SENSE_OUTBOX_STREAM */
	uint64_t length;    /* 1,000,000 */
	unsigned keep_s;    /* 3600 */
	uint64_t every_us;  /* between two looks into the outbox: 100,000 */
};

sense_ingest_outbox *sense_ingest_outbox_new(struct ev_loop *loop,
                                             const struct sense_ingest_outbox_config *config,
                                             sense_error *err);
void sense_ingest_outbox_free(sense_ingest_outbox *outbox);

struct sense_ingest_outbox_stats {
	bool connected;
	uint64_t published, repeated, failures, place; /* place: the last one in the stream */
};
void sense_ingest_outbox_stats(const sense_ingest_outbox *outbox, struct sense_ingest_outbox_stats *out);

#endif
