#include "core/rules/index_choose.h"

#include <stdlib.h>

#define LEAF_MAX 4  /* rules that are tested one by one rather than split again */
#define DEPTH_MAX 6 /* nodes from the root to any rule */

/* The fewer events have one given value of the field, the lower. Others stand between these. */
static unsigned rank_equal(enum sense_field field)
{
	switch (field) {
	case SENSE_FIELD_SERVICE_ID:
	case SENSE_FIELD_SERVICE_NAME:
	case SENSE_FIELD_SIGNAL:
	case SENSE_FIELD_CLIENT:
	case SENSE_FIELD_CREDENTIAL:
	case SENSE_FIELD_HOST:
	case SENSE_FIELD_DNS_NAME:
		return 1;
	case SENSE_FIELD_HTTP_PATH:
	case SENSE_FIELD_USER_AGENT:
	case SENSE_FIELD_PROCESS_NAME:
	case SENSE_FIELD_USER:
	case SENSE_FIELD_JA3:
	case SENSE_FIELD_JA4:
		return 2;
	case SENSE_FIELD_SERVICE_VENDOR:
		return 4;
	case SENSE_FIELD_SERVICE_CATEGORY:
		return 7;
	case SENSE_FIELD_NDPI_APP:
		return 8;
	case SENSE_FIELD_DST_PORT:
	case SENSE_FIELD_SRC_PORT:
		return 9;
	default:
		return sense_field_type(field) == SENSE_VALUE_BOOL ? 13 : 11;
	}
}

static unsigned rank(const struct sense_condition *condition)
{
	switch (condition->op) {
	case SENSE_OP_IN:
		return rank_equal(condition->field);
	case SENSE_OP_SUFFIX:
		return 3;
	case SENSE_OP_CIDR:
		return 5;
	case SENSE_OP_PREFIX:
		return 6;
	case SENSE_OP_RANGE:
		return 10;
	default:
		return 12;
	}
}

static bool can_index(const struct sense_condition *condition)
{
	if (condition->negate)
		return false;
	if (condition->op == SENSE_OP_SET)
		return condition->boolean;
	for (unsigned i = 0; condition->op == SENSE_OP_PREFIX && i < condition->count; i++)
		if (!*condition->strings[i])
			return false;
	return true;
}

uint32_t sense_index_spread(const struct sense_condition *condition)
{
	if (condition->op == SENSE_OP_RANGE)
		return 32;
	return condition->op == SENSE_OP_SET || !condition->count ? 1 : condition->count;
}

static unsigned how_of(enum sense_op op)
{
	switch (op) {
	case SENSE_OP_PREFIX:
		return SENSE_PROBE_PREFIX;
	case SENSE_OP_SUFFIX:
		return SENSE_PROBE_SUFFIX;
	case SENSE_OP_RANGE:
		return SENSE_PROBE_RANGE;
	case SENSE_OP_CIDR:
		return SENSE_PROBE_CIDR;
	case SENSE_OP_SET:
		return SENSE_PROBE_SET;
	default:
		return SENSE_PROBE_EQUAL;
	}
}

static uint16_t group_of(const struct sense_condition *condition)
{
	return (uint16_t)(how_of(condition->op) << 8 | condition->field);
}

static bool better(const struct sense_condition *condition, const struct sense_condition *than)
{
	if (rank(condition) != rank(than))
		return rank(condition) < rank(than);
	return sense_index_spread(condition) < sense_index_spread(than);
}

static void choose(const struct sense_index_filed *filed, struct sense_index_member *member, unsigned depth)
{
	const struct sense_index_filed *own = &filed[member->filed];
	const struct sense_condition *best = NULL;

	member->group = SENSE_INDEX_NO_GROUP;
	for (unsigned i = 0; i < own->condition_count; i++) {
		const struct sense_condition *condition = &own->conditions[i];
		if (member->used >> i & 1 || !can_index(condition))
			continue;
		uint64_t copies = (uint64_t)member->copies * sense_index_spread(condition);
		if (depth && copies > SENSE_INDEX_COPIES_MAX)
			continue;
		if (best && !better(condition, best))
			continue;
		best = condition;
		member->choice = (uint8_t)i;
	}
	if (best)
		member->group = group_of(best);
}

static int by_group(const void *left, const void *right)
{
	const struct sense_index_member *a = left, *b = right;
	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return (a->filed > b->filed) - (a->filed < b->filed);
}

/* ---- gates ----------------------------------------------------------------------------------------- */

static bool same_range(const struct sense_condition *a, const struct sense_condition *b)
{
	return a->op == SENSE_OP_RANGE && b->op == SENSE_OP_RANGE && a->field == b->field && !a->negate &&
	       !b->negate && a->min == b->min && a->max == b->max;
}

/* The member's own condition that is this range; -1: it has none, or has used it. */
static int find_range(const struct sense_index_filed *filed, uint32_t used,
                      const struct sense_condition *range)
{
	for (unsigned i = 0; i < filed->condition_count; i++)
		if (!(used >> i & 1) && same_range(&filed->conditions[i], range))
			return (int)i;
	return -1;
}

static bool all_have(const struct sense_index_filed *filed, const struct sense_index_member *members,
                     uint32_t count, const struct sense_condition *range)
{
	for (uint32_t i = 0; i < count; i++)
		if (find_range(&filed[members[i].filed], members[i].used, range) < 0)
			return false;
	return true;
}

/*
 * A threshold that all of a group share ("10 MiB sent") goes before what tells them apart: comparing a
 * number costs a tenth of looking up a name, and spares that where the threshold is not reached.
 */
static void gate(const struct sense_index_filed *filed, struct sense_index_member *members, uint32_t count)
{
	const struct sense_index_filed *first = &filed[members->filed];

	if (count <= LEAF_MAX || members->group == SENSE_INDEX_NO_GROUP)
		return;
	for (unsigned c = 0; c < first->condition_count; c++) {
		const struct sense_condition *range = &first->conditions[c];
		if (range->op != SENSE_OP_RANGE || !(range->min > 0) ||
		    !all_have(filed, members, count, range))
			continue;
		for (uint32_t i = 0; i < count; i++) {
			struct sense_index_member *member = &members[i];
			member->choice = (uint8_t)find_range(&filed[member->filed], member->used, range);
			member->group = group_of(range);
		}
		return;
	}
}

void sense_index_choose(const struct sense_index_filed *filed, struct sense_index_member *members,
                        uint32_t count, unsigned depth)
{
	for (uint32_t i = 0; i < count; i++) {
		members[i].group = SENSE_INDEX_NO_GROUP;
		if (count > LEAF_MAX && depth < DEPTH_MAX)
			choose(filed, &members[i], depth);
	}
	qsort(members, count, sizeof(*members), by_group);
	for (uint32_t i = 0, next; i < count; i = next) {
		for (next = i; next < count && members[next].group == members[i].group; next++)
			;
		gate(filed, members + i, next - i);
	}
	qsort(members, count, sizeof(*members), by_group);
}
