/* What a condition means: the one place. The index only finds candidates faster than trying all. */
#include <string.h>

#include "core/rules/rule.h"

/* As strcmp, for text that has a length and may hold NUL bytes. */
static int compare(const char *text, size_t len, const char *string)
{
	size_t wanted = strlen(string);
	int order = memcmp(text, string, len < wanted ? len : wanted);
	return order ? order : (len > wanted) - (len < wanted);
}

static bool among(const struct sense_condition *condition, const char *text, size_t len)
{
	unsigned low = 0, high = condition->count;

	for (; !condition->sorted && low < high; low++)
		if (!compare(text, len, condition->strings[low]))
			return true;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = compare(text, len, condition->strings[middle]);
		if (!order)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static bool is_in(const struct sense_condition *condition, const struct sense_value *value)
{
	switch (value->type) {
	case SENSE_VALUE_STRING:
		return among(condition, value->string.text, value->string.len);
	case SENSE_VALUE_BOOL:
		return value->boolean == condition->boolean;
	case SENSE_VALUE_NUMBER:
		for (unsigned i = 0; i < condition->count; i++)
			if (condition->numbers[i] == value->number)
				return true;
		return false;
	default:
		return false;
	}
}

static bool begins(const struct sense_condition *condition, const struct sense_value *value)
{
	for (unsigned i = 0; i < condition->count; i++) {
		size_t len = strlen(condition->strings[i]);
		if (len <= value->string.len && !memcmp(condition->strings[i], value->string.text, len))
			return true;
	}
	return false;
}

/* Only at label boundaries: "openai.com" takes in "api.openai.com", never "xopenai.com". */
static bool below(const struct sense_condition *condition, const struct sense_value *value)
{
	const char *text = value->string.text, *end = text + value->string.len;

	for (const char *dot; text < end; text = dot + 1) {
		if (among(condition, text, (size_t)(end - text)))
			return true;
		dot = memchr(text, '.', (size_t)(end - text));
		if (!dot)
			break;
	}
	return false;
}

static bool within(const struct sense_condition *condition, const struct sense_value *value)
{
	const uint8_t *addr = value->addr.bytes;

	for (unsigned i = 0; i < condition->count; i++) {
		const struct sense_cidr *net = &condition->cidrs[i];
		unsigned whole = net->bits / 8, rest = net->bits % 8;
		if (memcmp(addr, net->addr.bytes, whole))
			continue;
		if (!rest || !((addr[whole] ^ net->addr.bytes[whole]) >> (8 - rest)))
			return true;
	}
	return false;
}

static bool satisfies(const struct sense_condition *condition, const struct sense_value *value)
{
	enum sense_value_type type = value->type;

	if (condition->op == SENSE_OP_SET)
		return (type != SENSE_VALUE_NONE) == condition->boolean;
	switch (condition->op) {
	case SENSE_OP_IN:
		return is_in(condition, value);
	case SENSE_OP_PREFIX:
		return type == SENSE_VALUE_STRING && begins(condition, value);
	case SENSE_OP_SUFFIX:
		return type == SENSE_VALUE_STRING && below(condition, value);
	case SENSE_OP_CIDR:
		return type == SENSE_VALUE_ADDR && within(condition, value);
	case SENSE_OP_RANGE:
		return type == SENSE_VALUE_NUMBER && value->number >= condition->min &&
		       value->number <= condition->max;
	default:
		return false;
	}
}

bool sense_condition_test(const struct sense_condition *condition, const struct sense_value *value)
{
	return satisfies(condition, value) != condition->negate;
}

bool sense_condition_holds(const struct sense_condition *condition, const struct sense_event *event)
{
	struct sense_value value;
	sense_event_get(event, condition->field, &value);
	return sense_condition_test(condition, &value);
}

bool sense_conditions_hold(const struct sense_condition *conditions, unsigned count,
			   const struct sense_event *event)
{
	for (unsigned i = 0; i < count; i++)
		if (!sense_condition_holds(&conditions[i], event))
			return false;
	return true;
}

bool sense_rule_holds(const struct sense_rule *rule, const struct sense_event *event)
{
	if (!sense_conditions_hold(rule->conditions, rule->condition_count, event))
		return false;
	for (unsigned i = 0; i < rule->clause_count; i++)
		if (sense_conditions_hold(rule->clauses[i].conditions, rule->clauses[i].condition_count, event))
			return true;
	return !rule->clause_count;
}
