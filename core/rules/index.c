#include "core/rules/index.h"

#include <string.h>

/* One event on its way through the index. Each field is read, and hashed, at most once. */
struct match {
	const sense_index *index;
	const struct sense_event *event;
	const struct sense_hits *hits;
	uint64_t read;   /* bit per field */
	uint64_t hashed; /* bit per field */
	struct sense_value values[SENSE_FIELD_COUNT];
	uint32_t hashes[SENSE_FIELD_COUNT];
};

_Static_assert(SENSE_FIELD_COUNT <= 64, "fields are counted in the bits of 64");
_Static_assert(SENSE_RULE_CONDITIONS_MAX <= 32, "conditions are counted in the bits of 32");

static void visit(struct match *match, uint32_t number);

static const struct sense_value *value_of(struct match *match, unsigned field)
{
	struct sense_value *value = &match->values[field];
	if (!(match->read >> field & 1)) {
		sense_event_get(match->event, field, value);
		match->read |= UINT64_C(1) << field;
	}
	return value;
}

static const void *key_of(const struct sense_value *value, size_t *len)
{
	switch (value->type) {
	case SENSE_VALUE_STRING:
		*len = value->string.len;
		return value->string.text;
	case SENSE_VALUE_NUMBER:
		*len = sizeof(value->number);
		return &value->number;
	default:
		*len = sizeof(value->boolean);
		return &value->boolean;
	}
}

/*
 * Neither of these two is inlined, though small: events come between packets, whose code has pushed
 * this one out of the cache, so what counts is how many lines of it have to come back.
 */
static __attribute__((noinline)) uint32_t hash_of(const struct match *match, const void *key, size_t len)
{
	return (uint32_t)sense_hash(key, len, match->index->seed);
}

static __attribute__((noinline)) void lookup(struct match *match, uint32_t probe, const void *key, size_t len,
					     uint32_t value_hash)
{
	const sense_index *index = match->index;
	uint64_t hash = sense_index_mix(value_hash, probe);
	uint8_t tag = sense_index_tag(hash);
	for (uint64_t at = hash & index->table_mask; index->tags[at]; at = (at + 1) & index->table_mask) {
		const struct sense_index_entry *entry = &index->table[at];
		if (index->tags[at] != tag)
			continue;
		if (entry->hash == hash && entry->probe == probe && entry->len == len &&
		    !memcmp(entry->key, key, len)) {
			visit(match, entry->node);
			return;
		}
	}
}

static void probe_equal(struct match *match, const struct sense_probe *probe, uint32_t number,
			const struct sense_value *value)
{
	size_t len;
	const void *key = key_of(value, &len);
	if (!(match->hashed >> probe->field & 1)) {
		bool known = value->type == SENSE_VALUE_STRING && value->string.hash;
		match->hashes[probe->field] = known ? value->string.hash : hash_of(match, key, len);
		match->hashed |= UINT64_C(1) << probe->field;
	}
	lookup(match, number, key, len, match->hashes[probe->field]);
}

/* From the last label to the whole name, as far as any name that is filed here has labels. */
static void probe_suffix(struct match *match, const struct sense_probe *probe, uint32_t number,
			 const struct sense_value *value)
{
	const char *text = value->string.text;
	size_t len = value->string.len;
	const char *dot = text + len;

	for (unsigned labels = 1; dot && labels <= probe->most; labels++) {
		dot = memrchr(text, '.', (size_t)(dot - text));
		if (labels < probe->least)
			continue;
		const char *suffix = dot ? dot + 1 : text;
		size_t size = (size_t)(text + len - suffix);
		bool known = suffix == text && value->string.hash;
		lookup(match, number, suffix, size,
		       known ? value->string.hash : hash_of(match, suffix, size));
	}
}

static void probe_prefix(struct match *match, const struct sense_probe *probe, uint32_t number,
			 const struct sense_value *value)
{
	const uint8_t *lengths = match->index->lengths + probe->start;
	for (uint32_t i = 0; i < probe->count && lengths[i] <= value->string.len; i++)
		lookup(match, number, value->string.text, lengths[i],
		       hash_of(match, value->string.text, lengths[i]));
}

static void probe_cidr(struct match *match, const struct sense_probe *probe, uint32_t number,
		       const struct sense_value *value)
{
	const uint8_t *lengths = match->index->lengths + probe->start;
	uint8_t key[17];
	for (uint32_t i = 0; i < probe->count; i++) {
		sense_index_network(&value->addr, lengths[i], key);
		lookup(match, number, key, sizeof(key), hash_of(match, key, sizeof(key)));
	}
}

/* All ranges that hold the number are filed on the way from its place to the root of the tree. */
static void probe_range(struct match *match, const struct sense_probe *probe, const struct sense_value *value)
{
	const sense_index *index = match->index;
	const struct sense_range_node *tree = index->tree + probe->tree;
	uint32_t place = sense_index_place(index->points + probe->start, probe->count, value->number);

	place += 2 * probe->count + 1;
	for (place = tree[place].next; place; place = tree[place / 2].next)
		visit(match, tree[place].node);
}

static void follow(struct match *match, uint32_t number)
{
	const struct sense_probe *probe = &match->index->probes[number];
	const struct sense_value *value = value_of(match, probe->field);

	if (value->type == SENSE_VALUE_NONE)
		return;
	switch (probe->how) {
	case SENSE_PROBE_EQUAL:
		probe_equal(match, probe, number, value);
		break;
	case SENSE_PROBE_SUFFIX:
		probe_suffix(match, probe, number, value);
		break;
	case SENSE_PROBE_PREFIX:
		probe_prefix(match, probe, number, value);
		break;
	case SENSE_PROBE_CIDR:
		probe_cidr(match, probe, number, value);
		break;
	case SENSE_PROBE_RANGE:
		probe_range(match, probe, value);
		break;
	case SENSE_PROBE_SET:
		lookup(match, number, "", 0, 0);
		break;
	default:
		break;
	}
}

static bool holds(struct match *match, const struct sense_candidate *candidate)
{
	for (uint32_t todo = candidate->todo; todo; todo &= todo - 1) {
		const struct sense_condition *condition = &candidate->conditions[__builtin_ctz(todo)];
		if (!sense_condition_test(condition, value_of(match, condition->field)))
			return false;
	}
	return true;
}

static void hit(const struct sense_hits *hits, uint32_t rule)
{
	hits->rules[rule / 64] |= UINT64_C(1) << rule % 64;
	hits->words[rule / 4096] |= UINT64_C(1) << rule / 64 % 64;
}

static void visit(struct match *match, uint32_t number)
{
	const struct sense_index_node *node = &match->index->nodes[number];
	const struct sense_candidate *candidate = match->index->candidates + node->candidate_start;

	for (uint32_t i = 0; i < node->candidate_count; i++, candidate++)
		if (holds(match, candidate))
			hit(match->hits, candidate->rule);
	for (uint32_t i = 0; i < node->probe_count; i++)
		follow(match, node->probe_start + i);
}

void sense_index_match(const sense_index *index, const struct sense_event *event,
		       const struct sense_hits *hits)
{
	struct match match;
	uint32_t root =
	    (unsigned)event->kind < SENSE_EVENT_KINDS ? index->roots[event->kind] : SENSE_INDEX_NONE;
	if (root == SENSE_INDEX_NONE)
		return;
	/* Not an initializer: the values need no zeroing, which would cost more than the match. */
	match.index = index;
	match.event = event;
	match.hits = hits;
	match.read = 0;
	match.hashed = 0;
	visit(&match, root);
}
