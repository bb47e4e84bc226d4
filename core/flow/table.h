/*
 * The flow table: bounded, all slots in one reservation, oldest idle flow out first.
 *
 * Open addressing over {hash, slot} pairs of 8 bytes; a lookup touches one cache line of the index
 * and one flow. The index grows with the flows, and both move to large pages when they fill some. The
 * LRU order has a granularity of one second of capture time, so that a packet of a busy flow does not
 * relink it.
 */
#ifndef SENSE_FLOW_TABLE_H
#define SENSE_FLOW_TABLE_H

#include "core/base/status.h"
#include "core/flow/flow.h"

typedef struct sense_flow_table sense_flow_table;

/* Called for every flow that leaves the table: evicted, expired, or at the end. */
typedef void sense_flow_leave(void *context, struct sense_flow *flow);

struct sense_flow_table_stats {
	uint64_t created;
	uint64_t evicted; /* to make room */
	uint64_t expired; /* idle */
	uint32_t live;
	uint32_t peak;
};

sense_flow_table *sense_flow_table_new(uint32_t max_flows, sense_flow_leave *leave, void *context,
                                       sense_error *err);
void sense_flow_table_free(sense_flow_table *table); /* does not call leave */

/* Canonical key of a packet; true when its sender is endpoint a. */
bool sense_flow_key_of(const struct sense_decoded *packet, struct sense_flow_key *key);
uint64_t sense_flow_hash(const sense_flow_table *table, const struct sense_flow_key *key);
/* Two steps that hide the cache misses of a coming get: the index entry, later the flow itself. */
void sense_flow_table_prefetch(const sense_flow_table *table, uint64_t hash);
void sense_flow_table_prefetch_flow(const sense_flow_table *table, uint64_t hash);

/*
 * The flow of a key, created when missing (*created, with first_ts = last_ts = ts). Never NULL: a
 * full table evicts. The pointer is stable until the flow leaves.
 */
struct sense_flow *sense_flow_table_get(sense_flow_table *table, const struct sense_flow_key *key,
                                        uint64_t hash, uint64_t ts_us, bool *created);
/* Lets flows leave that were idle since before ts_us. */
void sense_flow_table_expire(sense_flow_table *table, uint64_t before_us);
/* Lets all flows leave, oldest first. */
void sense_flow_table_drain(sense_flow_table *table);
const struct sense_flow_table_stats *sense_flow_table_stats(const sense_flow_table *table);

#endif
