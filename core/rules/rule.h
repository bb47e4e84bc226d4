/*
 * Rules as the engine sees them, and the index that finds the few that can match an event.
 *
 * A rule set is built once (by lua/policy.c, or by a test), then frozen with sense_ruleset_compile
 * and never changed: a reload builds another one. Strings are copied into the set's arena.
 */
#ifndef SENSE_RULES_RULE_H
#define SENSE_RULES_RULE_H

#include "core/base/arena.h"
#include "core/base/status.h"
#include "core/rules/event.h"

enum sense_severity { SENSE_INFO, SENSE_LOW, SENSE_MEDIUM, SENSE_HIGH, SENSE_CRITICAL };
const char *sense_severity_name(enum sense_severity severity);
int sense_severity_find(const char *name); /* or -1 */

enum sense_op {
	SENSE_OP_IN,     /* equal to one of the strings or numbers, or to the boolean */
	SENSE_OP_PREFIX, /* begins with one of the strings */
	SENSE_OP_SUFFIX, /* a host equal to one of the names or below it (label boundary) */
	SENSE_OP_RANGE,  /* min <= number <= max */
	SENSE_OP_CIDR,   /* address within one of the networks */
	SENSE_OP_SET     /* has a value at all */
};

struct sense_cidr {
	struct sense_addr addr;
	uint8_t bits; /* 0-128, counted on the 16-byte form */
};

struct sense_condition {
	enum sense_field field;
	enum sense_op op;
	bool negate;
	unsigned count; /* of the list that op uses */
	const char *const *strings;
	const double *numbers;
	const struct sense_cidr *cidrs;
	bool boolean;    /* SENSE_OP_IN on a BOOL field; SENSE_OP_SET: must it be set */
	double min, max; /* SENSE_OP_RANGE; -INFINITY and INFINITY where open */
	bool sorted;     /* strings are in strcmp order; sense_ruleset_add sees to it */
};

/* One of the alternatives of a rule: holds when all its conditions do. */
struct sense_clause {
	unsigned condition_count;
	const struct sense_condition *conditions;
};

#define SENSE_RULE_CONDITIONS_MAX 32 /* that must hold together: a rule's own and those of a clause */
#define SENSE_RULE_CLAUSES_MAX 64
/*
 * Conditions and their values of all rules of a set together, counted once for each clause that they
 * are part of: what the index has to file.
 */
#define SENSE_RULESET_WEIGHT_MAX (1u << 20)
#define SENSE_RULESET_TEXT_MAX ((size_t)256 << 20) /* bytes of all that rules point to */

#define SENSE_THROTTLE_FIELDS_MAX 6

/* What a rule that holds is evidence of (core/rules/activity.h). */
struct sense_indicator {
	const char *kind; /* NULL: the first word of the event's name */
	uint8_t weight;   /* 1-100, 100 is conclusive; 0: the rule is no indicator */
	bool has_about;
	enum sense_field about; /* text or address field whose value is the subject; else the usual ones */
};

struct sense_rule {
	unsigned number; /* its place in the set: given by sense_ruleset_add */
	const char *id;  /* unique in the set */
	const char *policy;
	const char *file;
	int line;
	const char *title;
	const char *type; /* finding type: "service", "local_model", "mcp", "dns", "transfer", ... */
	enum sense_severity severity;
	uint8_t confidence; /* 0-100 */
	const char *action; /* one of the six of lua/sense/api.lua; what is not "observe" is reported */
	bool observes;      /* given by sense_ruleset_add: the action is "observe" */
	uint32_t events;    /* bits 1 << enum sense_event_kind */
	unsigned condition_count;
	const struct sense_condition *conditions; /* all must hold, */
	unsigned clause_count;
	const struct sense_clause *clauses; /* and one of these, if there are any */
	unsigned tag_count;
	const char *const *tags;
	enum sense_field throttle_by[SENSE_THROTTLE_FIELDS_MAX];
	unsigned throttle_by_count;
	uint64_t throttle_us; /* 0: not throttled */
	bool has_when;        /* ask the script whether it holds */
	bool has_finding;     /* ask the script for summary and details */
	struct sense_indicator indicator;
};

typedef struct sense_ruleset sense_ruleset;

sense_ruleset *sense_ruleset_new(void);
void sense_ruleset_free(sense_ruleset *set);
/*
 * Copies the rule and all it points to. A duplicate id fails and names where the first one is; so
 * does a condition that its field cannot have, and a rule with which the set would pass one of the
 * bounds above. The copy holds the conditions with the cheapest to test first, and host names in lower
 * case.
 */
enum sense_status sense_ruleset_add(sense_ruleset *set, const struct sense_rule *rule,
                                    sense_error *err);
enum sense_status sense_ruleset_compile(sense_ruleset *set, sense_error *err);
unsigned sense_ruleset_count(const sense_ruleset *set);
const struct sense_rule *sense_ruleset_get(const sense_ruleset *set, unsigned number);
/* True when some rule takes this kind of event: others need not be raised at all. */
bool sense_ruleset_wants(const sense_ruleset *set, enum sense_event_kind kind);

/* Bit per rule number: the rules that have a `when`. Known once the set is compiled. */
const uint64_t *sense_ruleset_scripted(const sense_ruleset *set);

/*
 * The rules whose conditions hold, as numbers in rising order: *numbers is the set's own, and valid
 * until the next match. Cost follows the number of rules that share a value with the event, not the
 * number loaded. A set serves one match at a time, not two threads.
 */
unsigned sense_ruleset_match(const sense_ruleset *set, const struct sense_event *event,
                             const uint32_t **numbers);

/* Whether the rule's conditions hold, by trying them; its events are not looked at. */
bool sense_rule_holds(const struct sense_rule *rule, const struct sense_event *event);
/*
 * One condition by itself. A field that is not set satisfies no condition, and so every negated one.
 */
bool sense_condition_holds(const struct sense_condition *condition, const struct sense_event *event);
/* All of them. */
bool sense_conditions_hold(const struct sense_condition *conditions, unsigned count,
                           const struct sense_event *event);
/* The same on a value that was read before. */
bool sense_condition_test(const struct sense_condition *condition, const struct sense_value *value);

#endif
