#include "core/rules/index.h"

#include <string.h>

/* One event on its way through the index. Each field is read at most once. */
struct match {
	const sense_index *index;
	const struct sense_event *event;
	const struct sense_hits *hits;
	uint64_t read[2]; /* bit per field */
	uint32_t entered; /* entries that were found */
	struct sense_value values[SENSE_FIELD_COUNT];
};

_Static_assert(SENSE_FIELD_COUNT <= 128, "fields are counted in the bits of 128");
_Static_assert(SENSE_RULE_CONDITIONS_MAX <= 32, "conditions are counted in the bits of 32");

static void visit(struct match *match, uint32_t number);

static const struct sense_value *value_of(struct match *match, unsigned field)
{
	struct sense_value *value = &match->values[field];
	uint64_t *read = &match->read[field / 64], bit = UINT64_C(1) << field % 64;
	if (!(*read & bit)) {
		sense_event_get(match->event, field, value);
		*read |= bit;
	}
	return value;
}

static __attribute__((noinline)) bool enter(struct match *match, const struct sense_index_entry *entry,
					    uint32_t probe, const void *key, size_t len)
{
	if (entry->probe != probe || entry->len != len || memcmp(entry->key, key, len))
		return false;
	match->entered++;
	visit(match, entry->node);
	return true;
}

/*
 * known: the key's hash, or 0. Neither of these is inlined, though small: events come between packets,
 * whose code has pushed this one out of the cache, so what counts is how many lines have to come back.
 */
static __attribute__((noinline)) void lookup(struct match *match, uint32_t probe, const void *key, size_t len,
					     uint32_t known)
{
	const sense_index *index = match->index;
	if (!known && len)
		known = (uint32_t)sense_hash(key, len, index->seed);
	uint64_t hash = sense_index_mix(known, probe), at = hash & index->table_mask;
	uint8_t wanted = sense_index_tag(hash), tag = index->tags[at];
	for (; tag; at = (at + 1) & index->table_mask, tag = index->tags[at])
		if (tag == wanted && enter(match, &index->table[at], probe, key, len))
			return;
}

static void probe_equal(struct match *match, uint32_t number, const struct sense_value *value)
{
	if (value->type == SENSE_VALUE_STRING)
		lookup(match, number, value->string.text, value->string.len, value->string.hash);
	else if (value->type == SENSE_VALUE_NUMBER)
		lookup(match, number, &value->number, sizeof(value->number), 0);
	else
		lookup(match, number, &value->boolean, sizeof(value->boolean), 0);
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
		lookup(match, number, suffix, size, suffix == text ? value->string.hash : 0);
	}
}

static void probe_prefix(struct match *match, const struct sense_probe *probe, uint32_t number,
			 const struct sense_value *value)
{
	const uint8_t *lengths = match->index->lengths + probe->start;
	for (uint32_t i = 0; i < probe->count && lengths[i] <= value->string.len; i++)
		lookup(match, number, value->string.text, lengths[i], 0);
}

static void probe_cidr(struct match *match, const struct sense_probe *probe, uint32_t number,
		       const struct sense_value *value)
{
	const uint8_t *lengths = match->index->lengths + probe->start;
	uint8_t key[17];
	for (uint32_t i = 0; i < probe->count; i++) {
		sense_index_network(&value->addr, lengths[i], key);
		lookup(match, number, key, sizeof(key), 0);
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
	/* Flows share their names: what was no rule's business a moment ago is not looked up again. */
	uint64_t *memo = value->type == SENSE_VALUE_STRING ? value->string.memo : NULL;
	uint32_t entered = match->entered;
	if (memo && *memo == sense_index_memo(match->index, number))
		return;
	switch (probe->how) {
	case SENSE_PROBE_EQUAL:
		probe_equal(match, number, value);
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
	if (memo && match->entered == entered)
		*memo = sense_index_memo(match->index, number);
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

static void hit(const struct sense_hits *hits, uint64_t word, uint64_t bits)
{
	hits->rules[word] |= bits;
	hits->words[word / 64] |= UINT64_C(1) << word % 64;
}

static void visit(struct match *match, uint32_t number)
{
	const sense_index *index = match->index;
	const struct sense_index_node *node = &index->nodes[number];

	for (uint32_t i = 0; i < node->mask_count; i++) {
		const struct sense_rule_mask *mask = &index->masks[node->mask_start + i];
		hit(match->hits, mask->word, mask->bits);
	}
	for (uint32_t i = 0; i < node->candidate_count; i++) {
		const struct sense_candidate *candidate = &index->candidates[node->candidate_start + i];
		if (holds(match, candidate))
			hit(match->hits, candidate->rule / 64, UINT64_C(1) << candidate->rule % 64);
	}
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
	match.read[0] = match.read[1] = 0;
	match.entered = 0;
	visit(&match, root);
}
