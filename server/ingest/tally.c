/* How many findings of a kind a transaction has, by the hour: what dashboards ask for (002_findings.sql). */
#include <string.h>

#include "core/base/hash.h"
#include "server/ingest/internal.h"

#define HOUR_US UINT64_C(3600000000)

void sense_tally_begin(struct sense_tally *tally, struct sense_rows *rows)
{
	memset(tally->slots, 0, sizeof(tally->slots));
	tally->used = 0;
	tally->rows = rows;
}

static bool same(const struct sense_row_count *a, const struct sense_row_count *b)
{
	return a->hour_us == b->hour_us && a->severity == b->severity && a->type_len == b->type_len &&
	       a->service_len == b->service_len && a->category_len == b->category_len &&
	       !memcmp(a->org, b->org, 16) && !memcmp(a->type, b->type, a->type_len) &&
	       !memcmp(a->service, b->service, a->service_len) &&
	       !memcmp(a->category, b->category, a->category_len);
}

static uint64_t hash_of(const struct sense_row_count *count)
{
	uint64_t hash = sense_hash(count->org, 16, sense_hash_seed() ^ count->hour_us ^ count->severity);
	hash = sense_hash(count->type, count->type_len, hash);
	hash = sense_hash(count->service, count->service_len, hash);
	return sense_hash(count->category, count->category_len, hash);
}

void sense_tally_add(struct sense_tally *tally, const uint8_t *org, const struct sense_finding_row *row,
                     const uint8_t *data)
{
	const char *text = (const char *)data;
	struct sense_row_count count = {.org = org,
	                                .hour_us = row->time_us - row->time_us % HOUR_US,
	                                .severity = row->severity,
	                                .type = text + row->type.at,
	                                .service = text + row->service.at,
	                                .category = text + row->category.at,
	                                .type_len = row->type.len,
	                                .service_len = row->service.len,
	                                .category_len = row->category.len,
	                                .count = 1};
	uint64_t hash = hash_of(&count);

	/* So many kinds in one transaction: what there is goes out, sums are made later anyway. */
	if (tally->used > SENSE_TALLY_SLOTS / 2)
		sense_tally_end(tally);
	for (unsigned at = (unsigned)hash;; at++) {
		struct sense_tally_slot *slot = &tally->slots[at % SENSE_TALLY_SLOTS];
		if (!slot->count.count) {
			*slot = (struct sense_tally_slot){count, hash};
			tally->used++;
			return;
		}
		if (slot->hash == hash && same(&slot->count, &count)) {
			slot->count.count++;
			return;
		}
	}
}

void sense_tally_end(struct sense_tally *tally)
{
	for (unsigned i = 0; tally->used && i < SENSE_TALLY_SLOTS; i++)
		if (tally->slots[i].count.count)
			sense_row_count(tally->rows, &tally->slots[i].count);
	sense_tally_begin(tally, tally->rows);
}
