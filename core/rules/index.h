/*
 * The match index: which rules can hold for an event, without trying them all.
 *
 * A tree of nodes for each kind of event. A node lists the rules whose conditions all hold here, those
 * that can only be found by testing what is left of their conditions, and probes: 'read this field, and
 * go on to the node that its value leads to'. A rule is filed under its most selective condition
 * (index_choose.c); where more than a few rules share that value, the node there splits them again by
 * their next one. So an event meets only rules with which it shares values, whichever way the rules of a
 * set resemble each other. A rule with alternatives is filed once for each of them, and is found when
 * any of them is.
 *
 * Values lead to nodes by one hash table for the whole index (equal strings, numbers, label suffixes
 * of hosts, prefixes, networks), and number ranges by segment trees (Bentley 1977): thresholds that
 * are not reached cost one binary search, however many they are.
 */
#ifndef SENSE_RULES_INDEX_H
#define SENSE_RULES_INDEX_H

#include "core/base/hash.h"
#include "core/rules/rule.h"

#define SENSE_INDEX_NONE UINT32_MAX
#define SENSE_INDEX_PREFIX_MAX 64 /* bytes of a prefix that are looked up; the rest is tested */

enum sense_probe_how {
	SENSE_PROBE_EQUAL,
	SENSE_PROBE_SUFFIX,
	SENSE_PROBE_PREFIX,
	SENSE_PROBE_CIDR,
	SENSE_PROBE_RANGE,
	SENSE_PROBE_SET,
	SENSE_PROBE_HOWS
};

struct sense_probe {
	uint8_t field;
	uint8_t how;
	uint16_t least, most; /* SUFFIX: labels of the names filed here */
	uint32_t start;       /* PREFIX, CIDR: first of `lengths`; RANGE: first of `points` */
	uint32_t count;       /* of lengths or points */
	uint32_t tree;        /* RANGE: first of `tree`, which has 2 * (2 * count + 1) nodes */
};

/* A rule, and which of its conditions are still to be tested here, as bits. */
struct sense_candidate {
	uint32_t rule;
	uint32_t todo;
	const struct sense_condition *conditions;
};

/* Some rules, a bit each: bit i is rule 64 * word + i. */
struct sense_rule_mask {
	uint64_t bits;
	uint32_t word;
};

struct sense_index_node {
	uint32_t mask_start, mask_count; /* rules with nothing left to test */
	uint32_t candidate_start, candidate_count;
	uint32_t probe_start, probe_count;
};

/* One value of one probe. The hash is that of the value, mixed with the probe's number. */
struct sense_index_entry {
	uint64_t hash;
	const void *key;
	uint32_t len;
	uint32_t probe;
	uint32_t node;
};

/* One node of a segment tree; node 1 is the root, and n / 2 above n. */
struct sense_range_node {
	uint32_t node; /* of the rules whose range covers all below, or SENSE_INDEX_NONE */
	uint32_t next; /* this one or the nearest above it that has rules; 0: none has */
};

/* The rules found for an event: a bit each, and a bit for each word that has any. All zero between. */
struct sense_hits {
	uint64_t *rules;
	uint64_t *words;
};

typedef struct sense_index {
	uint32_t roots[SENSE_EVENT_KINDS]; /* node, or SENSE_INDEX_NONE: no rule takes this kind */
	struct sense_index_node *nodes;
	struct sense_probe *probes;
	struct sense_rule_mask *masks;
	struct sense_candidate *candidates;
	struct sense_index_entry *table;
	uint8_t *tags; /* of the table's entries, 0: free; most lookups end here, and 64 fit a cache line */
	uint64_t table_mask;
	uint8_t *lengths;
	double *points;
	struct sense_range_node *tree;
	uint64_t seed;
	uint64_t serial; /* of this index, unlike that of any other: memos of strings outlive it */
	struct sense_arena keys; /* of keys that are not strings of rules */
} sense_index;

/* The rules, and what they point to, must outlive the index. NULL when memory is short. */
sense_index *sense_index_new(const struct sense_rule *rules, unsigned count);
void sense_index_free(sense_index *index);

/* Sets the bit of each rule whose conditions hold. */
void sense_index_match(const sense_index *index, const struct sense_event *event,
		       const struct sense_hits *hits);

/* What is remembered of a string for which a probe found nothing: the same text will find nothing again. */
static inline uint64_t sense_index_memo(const sense_index *index, uint32_t probe)
{
	return index->serial << 32 | probe;
}

/* Where a key is looked up first; shared by the builder and the matcher. */
static inline uint64_t sense_index_mix(uint32_t value_hash, uint32_t probe)
{
	return sense_hash_fold(value_hash ^ SENSE_HASH_K0, SENSE_HASH_K1 + probe);
}

static inline uint8_t sense_index_tag(uint64_t hash)
{
	return (uint8_t)(hash >> 56 | 1);
}

/* A network as a key: the address with its host bits cleared, and the number of its bits. */
static inline void sense_index_network(const struct sense_addr *addr, uint8_t bits, uint8_t key[17])
{
	memset(key, 0, 16);
	memcpy(key, addr->bytes, bits / 8);
	if (bits % 8)
		key[bits / 8] = (uint8_t)(addr->bytes[bits / 8] & (0xff00 >> bits % 8));
	key[16] = bits;
}

/*
 * Where a number stands among the sorted points: 2i + 1 is point i, 2i the gap before it. So a closed
 * range is a run of places, and each number has one.
 */
static inline uint32_t sense_index_place(const double *points, uint32_t count, double number)
{
	uint32_t low = 0, high = count;
	if (count && number < points[0]) /* most thresholds are seldom reached */
		return 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (points[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return 2 * low + (low < count && points[low] <= number);
}

#endif
