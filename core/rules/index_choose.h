/*
 * Which condition leads to a rule in the index: decided for the rules that meet at one node.
 */
#ifndef SENSE_RULES_INDEX_CHOOSE_H
#define SENSE_RULES_INDEX_CHOOSE_H

#include "core/rules/index.h"

/* Places at which splitting may file one rule; the first split has no bound. */
#define SENSE_INDEX_COPIES_MAX 512
#define SENSE_INDEX_NO_GROUP UINT16_MAX

/*
 * What is filed: a rule with its conditions. One with alternatives is filed once for each of them, with
 * the conditions that all share and its own, so that below this point there are conjunctions only.
 */
struct sense_index_filed {
	uint32_t rule;
	unsigned condition_count;
	const struct sense_condition *conditions;
};

/* Something filed, on its way down the tree. */
struct sense_index_member {
	uint32_t filed;  /* its number, in rule order */
	uint32_t todo;   /* conditions that the way here has not proved, as bits */
	uint32_t used;   /* conditions that chose the way here */
	uint32_t copies; /* at how many places the rule is filed, roughly */
	uint16_t group;  /* enum sense_probe_how << 8 | field of the choice, or NO_GROUP: test it here */
	uint8_t choice;  /* number of the chosen condition */
};

/* Gives each member its choice and group, and sorts them by group; those without one come last. */
void sense_index_choose(const struct sense_index_filed *filed, struct sense_index_member *members,
			uint32_t count, unsigned depth);

/* At how many places a condition files its rule; a range at most at two of each level of its tree. */
uint32_t sense_index_spread(const struct sense_condition *condition);

#endif
