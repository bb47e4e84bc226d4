#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/rules/index.h"

struct sense_ruleset {
	struct sense_arena arena; /* all that rules point to */
	struct sense_rule *rules;
	unsigned count, room;
	uint64_t weight; /* SENSE_RULESET_WEIGHT_MAX says of what */
	uint32_t *ids; /* rule number + 1 by the hash of its id; 0: free */
	unsigned id_room;
	uint32_t wanted; /* bits 1 << kind */
	sense_index *index;
	struct sense_hits hits; /* of the match in hand: the index finds in no order */
	uint32_t *found;        /* what it found, in order */
	uint64_t *scripted;     /* bit per rule that has a `when` */
};

sense_ruleset *sense_ruleset_new(void)
{
	sense_ruleset *set = calloc(1, sizeof(*set));
	if (set)
		sense_arena_init(&set->arena, SENSE_RULESET_TEXT_MAX);
	return set;
}

void sense_ruleset_free(sense_ruleset *set)
{
	if (!set)
		return;
	sense_index_free(set->index);
	sense_arena_fini(&set->arena);
	free(set->rules);
	free(set->ids);
	free(set->hits.rules);
	free(set->hits.words);
	free(set->found);
	free(set->scripted);
	free(set);
}

unsigned sense_ruleset_count(const sense_ruleset *set)
{
	return set->count;
}

const struct sense_rule *sense_ruleset_get(const sense_ruleset *set, unsigned number)
{
	return number < set->count ? &set->rules[number] : NULL;
}

bool sense_ruleset_wants(const sense_ruleset *set, enum sense_event_kind kind)
{
	return (unsigned)kind < SENSE_EVENT_KINDS && set->wanted >> kind & 1;
}

/* ---- checks -------------------------------------------------------------------------------------- */

static bool op_fits(const struct sense_condition *condition)
{
	enum sense_value_type type = sense_field_type(condition->field);

	switch (condition->op) {
	case SENSE_OP_IN:
		return type != SENSE_VALUE_ADDR && type != SENSE_VALUE_NONE;
	case SENSE_OP_PREFIX:
	case SENSE_OP_SUFFIX:
		return type == SENSE_VALUE_STRING;
	case SENSE_OP_RANGE:
		return type == SENSE_VALUE_NUMBER;
	case SENSE_OP_CIDR:
		return type == SENSE_VALUE_ADDR;
	case SENSE_OP_SET:
		return type != SENSE_VALUE_NONE;
	default:
		return false;
	}
}

/* What is wrong with the values of a condition whose kind fits its field; NULL: nothing. */
static const char *values_fault(const struct sense_condition *condition)
{
	enum sense_value_type type = sense_field_type(condition->field);

	if (condition->op == SENSE_OP_RANGE)
		return isnan(condition->min) || isnan(condition->max) ? "has a bound that is not a number"
								      : NULL;
	if (condition->op == SENSE_OP_SET || type == SENSE_VALUE_BOOL)
		return NULL;
	if (!condition->count)
		return "has no values";
	for (unsigned i = 0; i < condition->count; i++) {
		if (type == SENSE_VALUE_STRING && (!condition->strings || !condition->strings[i]))
			return "has no text";
		if (type == SENSE_VALUE_NUMBER && (!condition->numbers || isnan(condition->numbers[i])))
			return "has a value that is not a number";
		if (type == SENSE_VALUE_ADDR && (!condition->cidrs || condition->cidrs[i].bits > 128))
			return "has a network of more than 128 bits";
		if (condition->op == SENSE_OP_SUFFIX && !*condition->strings[i])
			return "has an empty name";
	}
	return NULL;
}

static enum sense_status bad(const struct sense_rule *rule, sense_error *err, const char *what)
{
	return sense_fail(err, SENSE_E_CONFIG, "rules", "%s:%d: rule \"%s\" %s",
			  rule->file ? rule->file : "?", rule->line, rule->id ? rule->id : "", what);
}

static enum sense_status check_condition(const struct sense_rule *rule,
					 const struct sense_condition *condition, sense_error *err)
{
	const char *fault = op_fits(condition) ? values_fault(condition) : "cannot be tested this way";
	if (!fault)
		return SENSE_OK;
	return sense_fail(err, SENSE_E_CONFIG, "rules", "%s:%d: rule \"%s\": match on %s %s",
			  rule->file ? rule->file : "?", rule->line, rule->id,
			  sense_field_name(condition->field), fault);
}

static enum sense_status check_conditions(const struct sense_rule *rule,
                                          const struct sense_condition *conditions, unsigned count,
                                          sense_error *err)
{
	enum sense_status status = SENSE_OK;
	for (unsigned i = 0; i < count && !status; i++)
		status = check_condition(rule, &conditions[i], err);
	return status;
}

static enum sense_status check_clauses(const struct sense_rule *rule, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	unsigned shared = rule->condition_count;

	if (shared > SENSE_RULE_CONDITIONS_MAX)
		return bad(rule, err, "has more than 32 conditions");
	if (rule->clause_count > SENSE_RULE_CLAUSES_MAX)
		return bad(rule, err, "has more than 64 alternatives");
	for (unsigned i = 0; i < rule->clause_count && !status; i++) {
		const struct sense_clause *clause = &rule->clauses[i];
		if (clause->condition_count > SENSE_RULE_CONDITIONS_MAX - shared)
			return bad(rule, err, "has an alternative of more than 32 conditions");
		status = check_conditions(rule, clause->conditions, clause->condition_count, err);
	}
	return status;
}

/* What is wrong with the indicator; NULL: nothing. */
static const char *indicator_fault(const struct sense_rule *rule)
{
	const struct sense_indicator *indicator = &rule->indicator;
	enum sense_value_type about = sense_field_type(indicator->about);

	if (!indicator->weight)
		return NULL;
	if (indicator->weight > 100)
		return "has an indicator of more than 100";
	if (rule->events >> SENSE_EVENT_ACTIVITY & 1)
		return "is on activity, which indicators make, and so cannot be one";
	if (indicator->kind && !*indicator->kind)
		return "has an indicator without a kind";
	if (indicator->has_about && about != SENSE_VALUE_STRING && about != SENSE_VALUE_ADDR)
		return "has an indicator about what is neither text nor address";
	return NULL;
}

static enum sense_status check(const struct sense_rule *rule, sense_error *err)
{
	if (!rule->id || !*rule->id)
		return bad(rule, err, "has no id");
	if (!(rule->events & SENSE_ANY_EVENT))
		return bad(rule, err, "takes no events");
	if (rule->throttle_by_count > SENSE_THROTTLE_FIELDS_MAX)
		return bad(rule, err, "is throttled by more than 6 fields");
	if (indicator_fault(rule))
		return bad(rule, err, indicator_fault(rule));
	for (unsigned i = 0; i < rule->throttle_by_count; i++)
		if (sense_field_type(rule->throttle_by[i]) == SENSE_VALUE_NONE)
			return bad(rule, err, "is throttled by a field that does not exist");
	enum sense_status status = check_clauses(rule, err);
	return status ? status : check_conditions(rule, rule->conditions, rule->condition_count, err);
}

static uint64_t conditions_weight(const struct sense_condition *conditions, unsigned count)
{
	uint64_t weight = count;
	for (unsigned i = 0; i < count; i++)
		weight += conditions[i].count;
	return weight;
}

/* A rule is filed once for each of its clauses, each time with the conditions that all share. */
static uint64_t rule_weight(const struct sense_rule *rule)
{
	uint64_t shared = conditions_weight(rule->conditions, rule->condition_count);
	uint64_t weight = rule->clause_count ? shared * rule->clause_count : shared;
	for (unsigned i = 0; i < rule->clause_count; i++)
		weight += conditions_weight(rule->clauses[i].conditions, rule->clauses[i].condition_count);
	return weight;
}

/* ---- ids ----------------------------------------------------------------------------------------- */

static uint32_t *id_slot(const sense_ruleset *set, const char *id)
{
	uint64_t at = sense_hash(id, strlen(id), sense_hash_seed());
	for (;; at++) {
		uint32_t *slot = &set->ids[at & (set->id_room - 1)];
		if (!*slot || !strcmp(set->rules[*slot - 1].id, id))
			return slot;
	}
}

static bool reserve(sense_ruleset *set)
{
	if (set->count < set->room)
		return true;
	unsigned room = set->room ? 2 * set->room : 64;
	if (room > INT32_MAX / 2)
		return false;
	struct sense_rule *rules = realloc(set->rules, room * sizeof(*rules));
	if (!rules)
		return false;
	set->rules = rules;
	uint32_t *ids = calloc(2 * (size_t)room, sizeof(*ids));
	if (!ids)
		return false;
	free(set->ids);
	set->ids = ids;
	set->id_room = 2 * room;
	set->room = room;
	for (unsigned i = 0; i < set->count; i++)
		*id_slot(set, rules[i].id) = i + 1;
	return true;
}

/* ---- copies --------------------------------------------------------------------------------------- */

static bool copy_string(sense_ruleset *set, const char **string)
{
	if (*string)
		*string = sense_arena_strndup(&set->arena, *string, strlen(*string));
	return *string;
}

static const void *copy_array(sense_ruleset *set, const void *array, size_t size)
{
	void *copy = sense_arena_alloc(&set->arena, size ? size : 1);
	if (copy && size)
		memcpy(copy, array, size);
	return copy;
}

static const char *const *copy_strings(sense_ruleset *set, const char *const *strings, unsigned count)
{
	const char **copy = sense_arena_alloc(&set->arena, (count + 1) * sizeof(*copy));
	for (unsigned i = 0; copy && i < count; i++) {
		copy[i] = strings[i];
		if (!copy_string(set, &copy[i]))
			return NULL;
	}
	return copy;
}

static int by_text(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;
	return strcmp(*a, *b);
}

/* Names are compared in lower case everywhere (RFC 4343). */
static void lower(char *name)
{
	for (; *name; name++)
		if (*name >= 'A' && *name <= 'Z')
			*name += 'a' - 'A';
}

static bool copy_condition(sense_ruleset *set, struct sense_condition *condition)
{
	enum sense_value_type type = sense_field_type(condition->field);
	unsigned count = condition->count;
	bool lists = condition->op != SENSE_OP_RANGE && condition->op != SENSE_OP_SET;

	if (lists && type == SENSE_VALUE_NUMBER) {
		condition->numbers = copy_array(set, condition->numbers, count * sizeof(double));
		return condition->numbers;
	}
	if (lists && type == SENSE_VALUE_ADDR) {
		condition->cidrs = copy_array(set, condition->cidrs, count * sizeof(struct sense_cidr));
		return condition->cidrs;
	}
	if (!lists || type != SENSE_VALUE_STRING)
		return true;
	const char **strings = (const char **)copy_strings(set, condition->strings, count);
	if (!strings)
		return false;
	bool name = condition->op == SENSE_OP_SUFFIX || condition->field == SENSE_FIELD_HOST ||
		    condition->field == SENSE_FIELD_DNS_NAME;
	for (unsigned i = 0; name && i < count; i++)
		lower((char *)strings[i]); /* our own copy */
	qsort(strings, count, sizeof(*strings), by_text);
	condition->strings = strings;
	condition->sorted = true;
	return true;
}

/* What a test costs, roughly: those that cost least come first. */
static unsigned cost(const struct sense_condition *condition)
{
	if (condition->op == SENSE_OP_RANGE || condition->op == SENSE_OP_SET)
		return 0;
	if (condition->op == SENSE_OP_IN)
		return sense_field_type(condition->field) == SENSE_VALUE_STRING ? 2 : 1;
	return condition->op == SENSE_OP_SUFFIX ? 4 : 3;
}

static const struct sense_condition *copy_conditions(sense_ruleset *set,
                                                     const struct sense_condition *conditions, unsigned count)
{
	struct sense_condition *copy = sense_arena_alloc(&set->arena, (count + 1) * sizeof(*copy));
	if (!copy)
		return NULL;
	for (unsigned i = 0; i < count; i++) {
		unsigned at = i;
		for (; at && cost(&copy[at - 1]) > cost(&conditions[i]); at--)
			copy[at] = copy[at - 1];
		copy[at] = conditions[i];
		if (!copy_condition(set, &copy[at]))
			return NULL;
	}
	return copy;
}

static bool copy_clauses(sense_ruleset *set, struct sense_rule *rule)
{
	struct sense_clause *copy = sense_arena_alloc(&set->arena, (rule->clause_count + 1) * sizeof(*copy));
	if (!copy)
		return false;
	for (unsigned i = 0; i < rule->clause_count; i++) {
		copy[i] = rule->clauses[i];
		copy[i].conditions = copy_conditions(set, copy[i].conditions, copy[i].condition_count);
		if (!copy[i].conditions)
			return false;
	}
	rule->clauses = copy;
	return true;
}

static bool copy_rule(sense_ruleset *set, struct sense_rule *rule)
{
	const char **strings[] = {&rule->id,   &rule->policy, &rule->file,	     &rule->title,
				  &rule->type, &rule->action, &rule->indicator.kind};
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		if (*strings[i] && !copy_string(set, strings[i]))
			return false;
	rule->tags = copy_strings(set, rule->tags, rule->tag_count);
	rule->conditions = copy_conditions(set, rule->conditions, rule->condition_count);
	return rule->tags && rule->conditions && copy_clauses(set, rule);
}

enum sense_status sense_ruleset_add(sense_ruleset *set, const struct sense_rule *rule, sense_error *err)
{
	enum sense_status status =
	    set->index ? bad(rule, err, "comes after the set was compiled") : check(rule, err);
	if (status)
		return status;
	if (!reserve(set))
		return sense_fail(err, SENSE_E_MEMORY, "rules", "no memory for rule \"%s\"", rule->id);
	uint32_t *slot = id_slot(set, rule->id);
	if (*slot) {
		const struct sense_rule *first = &set->rules[*slot - 1];
		return sense_fail(err, SENSE_E_CONFIG, "rules",
				  "%s:%d: rule \"%s\" is declared twice; first at %s:%d",
				  rule->file ? rule->file : "?", rule->line, rule->id,
				  first->file ? first->file : "?", first->line);
	}
	uint64_t weight = set->weight + rule_weight(rule);
	if (weight > SENSE_RULESET_WEIGHT_MAX)
		return bad(rule, err, "makes more than 1048576 conditions and values in all rules");
	struct sense_rule *copy = &set->rules[set->count];
	*copy = *rule;
	copy->number = set->count;
	copy->events &= SENSE_ANY_EVENT;
	copy->observes = rule->action && !strcmp(rule->action, "observe");
	if (!copy_rule(set, copy))
		return sense_fail(err, SENSE_E_MEMORY, "rules", "no memory for rule \"%s\"", rule->id);
	*slot = ++set->count;
	set->weight = weight;
	set->wanted |= copy->events;
	return SENSE_OK;
}

/* ---- matching ------------------------------------------------------------------------------------- */

enum sense_status sense_ruleset_compile(sense_ruleset *set, sense_error *err)
{
	size_t words = set->count / 64 + 1;

	if (set->index)
		return SENSE_OK;
	free(set->hits.rules);
	free(set->hits.words);
	free(set->found);
	free(set->scripted);
	set->hits.rules = calloc(words, sizeof(uint64_t));
	set->hits.words = calloc(words / 64 + 1, sizeof(uint64_t));
	set->found = calloc(set->count + 1, sizeof(*set->found));
	set->scripted = calloc(words, sizeof(uint64_t));
	if (set->hits.rules && set->hits.words && set->found && set->scripted)
		set->index = sense_index_new(set->rules, set->count);
	for (unsigned i = 0; set->index && i < set->count; i++)
		set->scripted[i / 64] |= (uint64_t)set->rules[i].has_when << i % 64;
	if (!set->index)
		return sense_fail(err, SENSE_E_MEMORY, "rules", "no memory for the index of %u rules",
				  set->count);
	return SENSE_OK;
}

static uint64_t take(uint64_t *word)
{
	uint64_t bits = *word;
	*word = 0;
	return bits;
}

const uint64_t *sense_ruleset_scripted(const sense_ruleset *set)
{
	return set->scripted;
}

unsigned sense_ruleset_match(const sense_ruleset *set, const struct sense_event *event,
			     const uint32_t **numbers)
{
	uint32_t *found = set->found;
	*numbers = found;
	if (!set->index || !sense_ruleset_wants(set, event->kind))
		return 0;
	sense_index_match(set->index, event, &set->hits);
	for (unsigned top = 0; top <= set->count / 4096; top++) {
		for (uint64_t words = take(&set->hits.words[top]); words; words &= words - 1) {
			unsigned word = 64 * top + (unsigned)__builtin_ctzll(words);
			uint64_t bits = take(&set->hits.rules[word]);
			for (; bits; bits &= bits - 1)
				*found++ = 64 * word + (unsigned)__builtin_ctzll(bits);
		}
	}
	return (unsigned)(found - set->found);
}
