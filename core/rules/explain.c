#include "core/rules/explain.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LISTED_MAX 8 /* values of a condition that are worth reading */

/* Numbers of events are counts, ports and times: whole, unless they are durations. */
static void print_number(double number, struct sense_buf *out)
{
	if (number == floor(number) && fabs(number) < 9e15)
		sense_buf_printf(out, "%" PRId64, (int64_t)number);
	else
		sense_buf_printf(out, "%g", number);
}

/* Event strings come from the wire: nothing but printable ASCII goes to a terminal. */
static void print_text(const char *text, size_t len, struct sense_buf *out)
{
	sense_buf_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			sense_buf_printf(out, "\\x%02x", c);
		else
			sense_buf_addc(out, (char)c);
	}
	sense_buf_addc(out, '"');
}

void sense_value_print(const struct sense_value *value, struct sense_buf *out)
{
	char addr[INET6_ADDRSTRLEN];

	switch (value->type) {
	case SENSE_VALUE_STRING:
		print_text(value->string.text, value->string.len, out);
		break;
	case SENSE_VALUE_NUMBER:
		print_number(value->number, out);
		break;
	case SENSE_VALUE_BOOL:
		sense_buf_adds(out, value->boolean ? "yes" : "no");
		break;
	case SENSE_VALUE_ADDR:
		sense_addr_format(&value->addr, addr);
		sense_buf_adds(out, addr);
		break;
	default:
		sense_buf_adds(out, "not set");
		break;
	}
}

static void print_range(const struct sense_condition *condition, struct sense_buf *out)
{
	if (isinf(condition->max) && condition->max > 0) {
		sense_buf_adds(out, "at least ");
		print_number(condition->min, out);
	} else if (isinf(condition->min)) {
		sense_buf_adds(out, "at most ");
		print_number(condition->max, out);
	} else {
		print_number(condition->min, out);
		sense_buf_adds(out, " to ");
		print_number(condition->max, out);
	}
}

static void print_network(const struct sense_cidr *net, struct sense_buf *out)
{
	char addr[INET6_ADDRSTRLEN];
	sense_addr_format(&net->addr, addr);
	/* The prefix is counted on the mapped form; people read it on the dotted one. */
	sense_buf_printf(out, "%s/%d", addr,
			 strchr(addr, ':') || net->bits < 96 ? net->bits : net->bits - 96);
}

static void print_list(const struct sense_condition *condition, struct sense_buf *out)
{
	enum sense_value_type type = sense_field_type(condition->field);

	for (unsigned i = 0; i < condition->count && i < LISTED_MAX; i++) {
		if (i)
			sense_buf_adds(out, ", ");
		if (type == SENSE_VALUE_STRING)
			print_text(condition->strings[i], strlen(condition->strings[i]), out);
		else if (type == SENSE_VALUE_NUMBER)
			print_number(condition->numbers[i], out);
		else
			print_network(&condition->cidrs[i], out);
	}
	if (condition->count > LISTED_MAX)
		sense_buf_printf(out, ", ... %u more", condition->count - LISTED_MAX);
}

static void print_wanted(const struct sense_condition *condition, struct sense_buf *out)
{
	static const char *const words[] = {[SENSE_OP_IN] = "one of ",
					    [SENSE_OP_PREFIX] = "begins with ",
					    [SENSE_OP_SUFFIX] = "below ",
					    [SENSE_OP_CIDR] = "within "};

	if (condition->negate)
		sense_buf_adds(out, "not ");
	if (condition->op == SENSE_OP_SET) {
		sense_buf_adds(out, condition->boolean ? "set" : "not set");
	} else if (condition->op == SENSE_OP_RANGE) {
		print_range(condition, out);
	} else if (sense_field_type(condition->field) == SENSE_VALUE_BOOL) {
		sense_buf_adds(out, condition->boolean ? "yes" : "no");
	} else {
		sense_buf_adds(
		    out, condition->count == 1 && condition->op == SENSE_OP_IN ? "" : words[condition->op]);
		print_list(condition, out);
	}
}

static bool print_condition(const struct sense_condition *condition, const struct sense_event *event,
			    const char *indent, struct sense_buf *out)
{
	struct sense_value value;
	sense_event_get(event, condition->field, &value);
	bool holds = sense_condition_test(condition, &value);
	sense_buf_printf(out, "%s%-4s %s is ", indent, holds ? "yes" : "NO", sense_field_name(condition->field));
	sense_value_print(&value, out);
	sense_buf_adds(out, "; wanted: ");
	print_wanted(condition, out);
	sense_buf_addc(out, '\n');
	return holds;
}

static bool clause_holds(const struct sense_clause *clause, const struct sense_event *event)
{
	return sense_conditions_hold(clause->conditions, clause->condition_count, event);
}

/* Those that hold are all that matters when some do; when none does, each says on what it failed. */
static bool print_clauses(const struct sense_rule *rule, const struct sense_event *event, struct sense_buf *out)
{
	unsigned held = 0;

	for (unsigned i = 0; i < rule->clause_count; i++)
		held += clause_holds(&rule->clauses[i], event);
	sense_buf_printf(out, "  %-4s %u of %u alternatives hold%s\n", held ? "yes" : "NO", held,
			 rule->clause_count, held == 1 ? "s" : "");
	for (unsigned i = 0; i < rule->clause_count; i++) {
		const struct sense_clause *clause = &rule->clauses[i];
		if (held && !clause_holds(clause, event))
			continue;
		sense_buf_printf(out, "       alternative %u\n", i + 1);
		for (unsigned j = 0; j < clause->condition_count; j++)
			print_condition(&clause->conditions[j], event, "         ", out);
	}
	return held;
}

struct sense_explanation sense_rule_explain(const struct sense_rule *rule, const struct sense_event *event,
					    struct sense_buf *out)
{
	struct sense_explanation told = {0};
	bool takes = rule->events >> event->kind & 1;

	sense_buf_printf(out, "%s on %s%s\n", rule->id, sense_event_name(event->kind),
			 takes ? "" : ": the rule does not take this event");
	for (unsigned i = 0; i < rule->condition_count; i++) {
		const struct sense_condition *condition = &rule->conditions[i];
		if (print_condition(condition, event, "  ", out))
			continue;
		told.failed++;
		told.fields[condition->field / 64] |= UINT64_C(1) << condition->field % 64;
	}
	told.no_alternative = rule->clause_count && !print_clauses(rule, event, out);
	told.failed += told.no_alternative;
	told.holds = takes && !told.failed;
	return told;
}
