/* Builds the match index (index.h says what it is). Done once for a rule set, so clarity before speed. */
#include <stdlib.h>

#include "core/rules/index_choose.h"

/* A member under one value of its chosen condition. */
struct filing {
	const void *key;
	uint32_t len;
	uint32_t place; /* of a range in its tree; else 0 */
	struct sense_index_member member;
};

struct vector {
	uint32_t used, room;
};

struct builder {
	sense_index *index;
	struct sense_index_filed *filed;
	struct sense_index_entry *entries;
	struct vector node_count, probe_count, mask_count, candidate_count, entry_count;
	struct vector length_count, point_count, tree_count;
	bool failed;
};

static uint32_t build_node(struct builder *b, struct sense_index_member *members, uint32_t count,
			   unsigned depth);

/* Room for `more` at the end of base: they begin at the old vector->used. */
static void *grow(struct builder *b, void *base, struct vector *vector, size_t more, size_t size)
{
	size_t wanted = vector->used + more;
	if (wanted > vector->room) {
		size_t room = wanted + wanted / 2 + 16;
		void *larger = room < SENSE_INDEX_NONE ? realloc(base, room * size) : NULL;
		if (!larger) {
			b->failed = true;
			return base;
		}
		base = larger;
		vector->room = (uint32_t)room;
	}
	vector->used = (uint32_t)wanted;
	return base;
}

/* ---- from the values of a group to its child nodes ----------------------------------------------- */

static int by_key(const void *left, const void *right)
{
	const struct filing *a = left, *b = right;
	if (a->place != b->place)
		return a->place < b->place ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	int order = a->len ? memcmp(a->key, b->key, a->len) : 0;
	return order ? order : (a->member.filed > b->member.filed) - (a->member.filed < b->member.filed);
}

static bool same_key(const struct filing *a, const struct filing *b)
{
	return a->place == b->place && a->len == b->len && (!a->len || !memcmp(a->key, b->key, a->len));
}

static void add_entry(struct builder *b, const struct filing *filing, uint32_t probe, uint32_t node)
{
	uint32_t at = b->entry_count.used;
	b->entries = grow(b, b->entries, &b->entry_count, 1, sizeof(*b->entries));
	if (b->failed)
		return;
	/* SENSE_PROBE_SET has no value; its hash is that of nothing. */
	uint32_t hash = filing->len ? (uint32_t)sense_hash(filing->key, filing->len, b->index->seed) : 0;
	b->entries[at] = (struct sense_index_entry){.hash = sense_index_mix(hash, probe),
						    .key = filing->key,
						    .len = filing->len,
						    .probe = probe,
						    .node = node};
}

/* One child node for each value; what leads to it is an entry of the table, or a place of the tree. */
static void file_all(struct builder *b, uint32_t probe, struct filing *filings, uint32_t count,
		     unsigned depth)
{
	struct sense_index_member *members = count ? malloc(count * sizeof(*members)) : NULL;

	if (count && !members)
		b->failed = true;
	if (members)
		qsort(filings, count, sizeof(*filings), by_key);
	for (uint32_t i = 0, next; !b->failed && i < count; i = next) {
		uint32_t used = 0;
		for (next = i; next < count && same_key(&filings[i], &filings[next]); next++)
			if (!used || members[used - 1].filed != filings[next].member.filed)
				members[used++] = filings[next].member;
		uint32_t node = build_node(b, members, used, depth + 1);
		if (b->failed)
			break;
		const struct sense_probe *of = &b->index->probes[probe];
		if (of->how == SENSE_PROBE_RANGE)
			b->index->tree[of->tree + filings[i].place].node = node;
		else
			add_entry(b, &filings[i], probe, node);
	}
	free(members);
}

static const struct sense_condition *chosen(const struct builder *b, const struct sense_index_member *member)
{
	return &b->filed[member->filed].conditions[member->choice];
}

/* The member as it goes on below its chosen condition, which files it at so many places. */
static struct sense_index_member below(const struct sense_index_member *member, uint32_t places)
{
	uint32_t bit = UINT32_C(1) << member->choice;
	struct sense_index_member child = *member;
	child.todo &= ~bit;
	child.used |= bit;
	uint64_t copies = (uint64_t)member->copies * places;
	child.copies = copies > SENSE_INDEX_COPIES_MAX ? SENSE_INDEX_COPIES_MAX : (uint32_t)copies;
	return child;
}

static void *keep(struct builder *b, const void *key, size_t len)
{
	void *copy = sense_arena_alloc(&b->index->keys, len);
	if (copy)
		memcpy(copy, key, len);
	else
		b->failed = true;
	return copy;
}

static void key_string(const struct sense_condition *condition, const char *string, struct sense_probe *probe,
		       struct filing *filing, unsigned choice)
{
	size_t len = strlen(string);
	unsigned labels = 1;

	if (condition->op == SENSE_OP_PREFIX && len > SENSE_INDEX_PREFIX_MAX) {
		len = SENSE_INDEX_PREFIX_MAX;
		filing->member.todo |= UINT32_C(1) << choice; /* its end is still to be tested */
	}
	filing->key = string;
	filing->len = (uint32_t)len;
	if (condition->op != SENSE_OP_SUFFIX)
		return;
	for (const char *dot = strchr(string, '.'); dot && labels < UINT16_MAX; dot = strchr(dot + 1, '.'))
		labels++;
	if (labels < probe->least)
		probe->least = (uint16_t)labels;
	if (labels > probe->most)
		probe->most = (uint16_t)labels;
}

static void key_of(struct builder *b, const struct sense_condition *condition, unsigned at,
		   struct sense_probe *probe, struct filing *filing, unsigned choice)
{
	double number;
	uint8_t network[17];

	filing->place = 0;
	if (condition->op == SENSE_OP_SET) {
		filing->key = "";
		filing->len = 0;
	} else if (condition->op == SENSE_OP_CIDR) {
		sense_index_network(&condition->cidrs[at].addr, condition->cidrs[at].bits, network);
		filing->len = sizeof(network);
		filing->key = keep(b, network, sizeof(network));
	} else if (sense_field_type(condition->field) == SENSE_VALUE_STRING) {
		key_string(condition, condition->strings[at], probe, filing, choice);
	} else if (sense_field_type(condition->field) == SENSE_VALUE_BOOL) {
		filing->key = &condition->boolean;
		filing->len = sizeof(condition->boolean);
	} else {
		number = condition->numbers[at] + 0.0; /* -0 and 0 are one value with one key */
		filing->len = sizeof(number);
		filing->key = keep(b, &number, sizeof(number));
	}
}

/* The lengths of prefixes or networks that occur, so that others are not looked up. */
static void add_lengths(struct builder *b, struct sense_probe *probe, const struct filing *filings,
			uint32_t count)
{
	bool seen[129] = {false};

	for (uint32_t i = 0; i < count; i++)
		seen[probe->how == SENSE_PROBE_CIDR ? ((const uint8_t *)filings[i].key)[16]
						    : filings[i].len] = true;
	probe->start = b->length_count.used;
	for (unsigned length = 0; length < sizeof(seen); length++) {
		if (!seen[length])
			continue;
		uint32_t at = b->length_count.used;
		b->index->lengths = grow(b, b->index->lengths, &b->length_count, 1, 1);
		if (b->failed)
			return;
		b->index->lengths[at] = (uint8_t)length;
		probe->count++;
	}
}

static void build_values(struct builder *b, uint32_t number,
			 const struct sense_index_member *members, uint32_t count, unsigned depth)
{
	struct sense_probe probe = b->index->probes[number];
	size_t total = 0;
	uint32_t used = 0;

	for (uint32_t i = 0; i < count; i++)
		total += sense_index_spread(chosen(b, &members[i]));
	struct filing *filings = total < SENSE_INDEX_NONE ? malloc(total * sizeof(*filings)) : NULL;
	if (!filings) {
		b->failed = true;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct sense_condition *condition = chosen(b, &members[i]);
		for (unsigned at = 0; at < sense_index_spread(condition); at++, used++) {
			filings[used].member = below(&members[i], sense_index_spread(condition));
			key_of(b, condition, at, &probe, &filings[used], members[i].choice);
		}
	}
	if (!b->failed && (probe.how == SENSE_PROBE_PREFIX || probe.how == SENSE_PROBE_CIDR))
		add_lengths(b, &probe, filings, used);
	b->index->probes[number] = probe;
	if (!b->failed)
		file_all(b, number, filings, used, depth);
	free(filings);
}

/* ---- ranges ---------------------------------------------------------------------------------------- */

static int by_number(const void *left, const void *right)
{
	const double *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

static void add_point(double *points, uint32_t *count, double number)
{
	if (number - number == 0) /* finite: an open end is no point */
		points[(*count)++] = number;
}

/* The ends of all ranges, sorted, each once, and an empty tree over the places between them. */
static void add_points(struct builder *b, struct sense_probe *probe, const struct sense_index_member *members,
		       uint32_t count)
{
	sense_index *index = b->index;
	uint32_t found = 0, kept = 0;

	probe->start = b->point_count.used;
	index->points = grow(b, index->points, &b->point_count, 2 * (size_t)count, sizeof(*index->points));
	if (b->failed)
		return;
	double *points = index->points + probe->start;
	for (uint32_t i = 0; i < count; i++) {
		add_point(points, &found, chosen(b, &members[i])->min);
		add_point(points, &found, chosen(b, &members[i])->max);
	}
	qsort(points, found, sizeof(*points), by_number);
	for (uint32_t i = 0; i < found; i++)
		if (!kept || points[kept - 1] != points[i])
			points[kept++] = points[i];
	probe->count = kept;
	b->point_count.used = probe->start + kept;

	size_t places = 2 * (2 * (size_t)kept + 1);
	probe->tree = b->tree_count.used;
	index->tree = grow(b, index->tree, &b->tree_count, places, sizeof(*index->tree));
	for (size_t i = 0; !b->failed && i < places; i++)
		index->tree[probe->tree + i] = (struct sense_range_node){.node = SENSE_INDEX_NONE};
}

/* The nodes of the tree that together cover the range and nothing else. Returns how many. */
static uint32_t cover(const double *points, uint32_t count, double min, double max, uint32_t out[64])
{
	uint32_t places = 2 * count + 1, used = 0;

	if (!(min <= max))
		return 0;
	uint32_t left = sense_index_place(points, count, min) + places;
	uint32_t right = sense_index_place(points, count, max) + places + 1;
	for (; left < right; left /= 2, right /= 2) {
		if (left & 1)
			out[used++] = left++;
		if (right & 1)
			out[used++] = --right;
	}
	return used;
}

static void build_ranges(struct builder *b, uint32_t number,
			 const struct sense_index_member *members, uint32_t count, unsigned depth)
{
	struct sense_probe probe = b->index->probes[number];
	struct filing *filings = NULL;
	struct vector filing_count = {0};
	uint32_t nodes[64];

	add_points(b, &probe, members, count);
	b->index->probes[number] = probe;
	for (uint32_t i = 0; !b->failed && i < count; i++) {
		const struct sense_condition *condition = chosen(b, &members[i]);
		uint32_t used =
		    cover(b->index->points + probe.start, probe.count, condition->min, condition->max, nodes);
		uint32_t at = filing_count.used;
		filings = grow(b, filings, &filing_count, used, sizeof(*filings));
		for (uint32_t j = 0; !b->failed && j < used; j++)
			filings[at + j] =
			    (struct filing){.place = nodes[j], .member = below(&members[i], used)};
	}
	if (!b->failed)
		file_all(b, number, filings, filing_count.used, depth);
	for (uint32_t i = 1; !b->failed && i < 2 * (2 * probe.count + 1); i++) {
		struct sense_range_node *tree = b->index->tree + probe.tree;
		tree[i].next = tree[i].node == SENSE_INDEX_NONE ? tree[i / 2].next : i;
	}
	free(filings);
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

static void add_mask(struct builder *b, struct sense_index_node *node, uint32_t rule)
{
	sense_index *index = b->index;
	uint32_t at = b->mask_count.used;

	if (!node->mask_count || index->masks[at - 1].word != rule / 64) {
		index->masks = grow(b, index->masks, &b->mask_count, 1, sizeof(*index->masks));
		if (b->failed)
			return;
		index->masks[at] = (struct sense_rule_mask){.word = rule / 64};
		node->mask_count++;
	}
	index->masks[b->mask_count.used - 1].bits |= UINT64_C(1) << rule % 64;
}

static void add_candidate(struct builder *b, struct sense_index_node *node,
			  const struct sense_index_member *member)
{
	sense_index *index = b->index;
	uint32_t at = b->candidate_count.used;

	index->candidates = grow(b, index->candidates, &b->candidate_count, 1, sizeof(*index->candidates));
	if (b->failed)
		return;
	const struct sense_index_filed *filed = &b->filed[member->filed];
	index->candidates[at] = (struct sense_candidate){
	    .rule = filed->rule, .todo = member->todo, .conditions = filed->conditions};
	node->candidate_count++;
}

/* The members that are not split again, in rule order. */
static void add_leaves(struct builder *b, struct sense_index_node *node,
		       const struct sense_index_member *members, uint32_t count)
{
	node->mask_start = b->mask_count.used;
	node->candidate_start = b->candidate_count.used;
	for (uint32_t i = 0; !b->failed && i < count; i++) {
		if (members[i].todo)
			add_candidate(b, node, &members[i]);
		else
			add_mask(b, node, b->filed[members[i].filed].rule);
	}
}

static void build_probes(struct builder *b, uint32_t start, const struct sense_index_member *members,
                         uint32_t count, unsigned depth)
{
	for (uint32_t i = 0, next, number = start; !b->failed && i < count; i = next, number++) {
		uint16_t group = members[i].group;
		for (next = i; next < count && members[next].group == group; next++)
			;
		b->index->probes[number] = (struct sense_probe){
		    .field = group & 0xff, .how = (uint8_t)(group >> 8), .least = UINT16_MAX};
		if (group >> 8 == SENSE_PROBE_RANGE)
			build_ranges(b, number, members + i, next - i, depth);
		else
			build_values(b, number, members + i, next - i, depth);
	}
}

/* Orders the members as it needs them. Returns the node's number. */
static uint32_t build_node(struct builder *b, struct sense_index_member *members, uint32_t count,
                           unsigned depth)
{
	sense_index *index = b->index;
	uint32_t number = b->node_count.used, grouped = 0;
	struct sense_index_node node = {.probe_start = b->probe_count.used};

	index->nodes = grow(b, index->nodes, &b->node_count, 1, sizeof(*index->nodes));
	sense_index_choose(b->filed, members, count, depth);
	for (; grouped < count && members[grouped].group != SENSE_INDEX_NO_GROUP; grouped++)
		node.probe_count += !grouped || members[grouped].group != members[grouped - 1].group;

	index->probes = grow(b, index->probes, &b->probe_count, node.probe_count, sizeof(*index->probes));
	add_leaves(b, &node, members + grouped, count - grouped);
	if (b->failed)
		return SENSE_INDEX_NONE;
	index->nodes[number] = node;
	build_probes(b, node.probe_start, members, grouped, depth);
	return number;
}

/* ---- what is filed ----------------------------------------------------------------------------------- */

/* The conditions that all clauses of a rule share, which are tested first, and those of one of them. */
static const struct sense_condition *join(struct builder *b, const struct sense_rule *rule,
                                          const struct sense_clause *clause)
{
	unsigned own = rule->condition_count, more = clause->condition_count;
	struct sense_condition *all = sense_arena_alloc(&b->index->keys, (own + more + 1) * sizeof(*all));

	if (!all) {
		b->failed = true;
		return NULL;
	}
	memcpy(all, rule->conditions, own * sizeof(*all));
	memcpy(all + own, clause->conditions, more * sizeof(*all));
	return all;
}

static uint32_t file_rules(struct builder *b, const struct sense_rule *rules, unsigned count)
{
	size_t room = 1;
	uint32_t used = 0;

	for (unsigned i = 0; i < count; i++)
		room += rules[i].clause_count ? rules[i].clause_count : 1;
	b->filed = room < SENSE_INDEX_NONE ? malloc(room * sizeof(*b->filed)) : NULL;
	b->failed = !b->filed;
	for (unsigned i = 0; !b->failed && i < count; i++) {
		const struct sense_rule *rule = &rules[i];
		if (!rule->clause_count)
			b->filed[used++] =
			    (struct sense_index_filed){.rule = i,
			                               .condition_count = rule->condition_count,
			                               .conditions = rule->conditions};
		for (unsigned j = 0; j < rule->clause_count; j++)
			b->filed[used++] = (struct sense_index_filed){
			    .rule = i,
			    .condition_count = rule->condition_count + rule->clauses[j].condition_count,
			    .conditions = join(b, rule, &rule->clauses[j])};
	}
	return used;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static uint32_t build_root(struct builder *b, const struct sense_rule *rules, uint32_t count, unsigned kind)
{
	struct sense_index_member *members = malloc(((size_t)count + 1) * sizeof(*members));
	uint32_t used = 0, root = SENSE_INDEX_NONE;

	if (!members)
		b->failed = true;
	for (uint32_t i = 0; members && i < count; i++) {
		unsigned conditions = b->filed[i].condition_count;
		uint32_t todo = conditions < 32 ? (UINT32_C(1) << conditions) - 1 : UINT32_MAX;
		if (rules[b->filed[i].rule].events >> kind & 1)
			members[used++] = (struct sense_index_member){.filed = i, .todo = todo, .copies = 1};
	}
	if (used)
		root = build_node(b, members, used, 0);
	free(members);
	return root;
}

static void build_table(struct builder *b)
{
	sense_index *index = b->index;
	size_t size = 2;

	while (size < 2 * (size_t)b->entry_count.used)
		size *= 2;
	index->table = calloc(size, sizeof(*index->table));
	index->tags = calloc(size, 1);
	if (!index->table || !index->tags) {
		b->failed = true;
		return;
	}
	index->table_mask = size - 1;
	for (uint32_t i = 0; i < b->entry_count.used; i++) {
		uint64_t at = b->entries[i].hash & index->table_mask;
		while (index->tags[at])
			at = (at + 1) & index->table_mask;
		index->table[at] = b->entries[i];
		index->tags[at] = sense_index_tag(b->entries[i].hash);
	}
}

sense_index *sense_index_new(const struct sense_rule *rules, unsigned count)
{
	static _Atomic uint64_t serials;
	sense_index *index = calloc(1, sizeof(*index));
	struct builder b = {.index = index};

	if (!index)
		return NULL;
	index->seed = sense_hash_seed();
	index->serial = ++serials;
	uint32_t filed = file_rules(&b, rules, count);
	for (unsigned kind = 0; !b.failed && kind < SENSE_EVENT_KINDS; kind++)
		index->roots[kind] = build_root(&b, rules, filed, kind);
	if (!b.failed)
		build_table(&b);
	free(b.entries);
	free(b.filed);
	if (b.failed) {
		sense_index_free(index);
		return NULL;
	}
	return index;
}

void sense_index_free(sense_index *index)
{
	if (!index)
		return;
	free(index->nodes);
	free(index->probes);
	free(index->masks);
	free(index->candidates);
	free(index->table);
	free(index->tags);
	free(index->lengths);
	free(index->points);
	free(index->tree);
	sense_arena_fini(&index->keys);
	free(index);
}
