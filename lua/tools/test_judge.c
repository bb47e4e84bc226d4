/* Findings and expectations: what differs, said so that the reader need not look anything up. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/rules/explain.h"
#include "lua/tools/test.h"

#define LISTED_MAX 10 /* findings that are worth reading */

/* ---- members of findings by name ---- */

#define TEXT(member)                                                 \
	{                                                            \
#member, offsetof(struct sense_finding, member), 't' \
	}
static const struct {
	const char *name;
	size_t at;
	char kind; /* t: text, p: port */
} members[] = {
    TEXT(severity),
    TEXT(type),
    TEXT(host),
    TEXT(service),
    TEXT(service_name),
    TEXT(category),
    TEXT(summary),
    TEXT(process),
    TEXT(user),
    TEXT(action),
    TEXT(policy),
    TEXT(source_ip),
    TEXT(dest_ip),
    {"source_port", offsetof(struct sense_finding, source_port), 'p'},
    {"dest_port", offsetof(struct sense_finding, dest_port), 'p'},
};

static struct sense_value text_value(const char *text)
{
	struct sense_value value = {.type = text ? SENSE_VALUE_STRING : SENSE_VALUE_NONE};
	value.string.text = text;
	return value;
}

static struct sense_value number_value(double number)
{
	return (struct sense_value){.type = SENSE_VALUE_NUMBER, .number = number};
}

static struct sense_value detail_value(const struct sense_finding *finding, const char *name)
{
	for (unsigned i = 0; i < finding->detail_count; i++) {
		const struct sense_detail *detail = &finding->details[i];
		if (strcmp(detail->key, name))
			continue;
		if (detail->type == SENSE_DETAIL_NUMBER)
			return number_value(detail->number);
		if (detail->type == SENSE_DETAIL_BOOL)
			return (struct sense_value){.type = SENSE_VALUE_BOOL, .boolean = detail->boolean};
		return text_value(detail->string);
	}
	return text_value(NULL);
}

static struct sense_value member_value(const struct sense_finding *finding, const char *name)
{
	if (!strncmp(name, "details.", 8))
		return detail_value(finding, name + 8);
	if (!strcmp(name, "confidence"))
		return number_value(finding->confidence);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		const char *at = (const char *)finding + members[i].at;
		if (strcmp(members[i].name, name))
			continue;
		if (members[i].kind == 'p')
			return number_value(*(const uint16_t *)at);
		return text_value(*(const char *const *)at);
	}
	return text_value(NULL);
}

/* ---- one key ---- */

static bool value_holds(const struct sense_test_key *key, const struct sense_value *value)
{
	const struct sense_value *wanted = &key->value;
	if (key->like)
		return value->type == SENSE_VALUE_STRING &&
		       strstr(value->string.text, wanted->string.text) != NULL;
	if (value->type != wanted->type)
		return false;
	if (value->type == SENSE_VALUE_STRING)
		return !strcmp(value->string.text, wanted->string.text);
	if (value->type == SENSE_VALUE_NUMBER)
		return fabs(value->number - wanted->number) <= 1e-9 * fabs(wanted->number);
	return value->boolean == wanted->boolean;
}

/* The texts of a member that is a list; NULL: it is none. */
static const char *const *list_of(const struct sense_finding *finding, const char *name, unsigned *count)
{
	bool tags = !strcmp(name, "tags");
	if (!tags && strcmp(name, "evidence"))
		return NULL;
	*count = tags ? finding->tag_count : finding->evidence_count;
	return tags ? finding->tags : finding->evidence;
}

static bool key_holds(const struct sense_test_key *key, const struct sense_finding *finding)
{
	unsigned count = 0;
	const char *const *list = list_of(finding, key->name, &count);
	struct sense_value value;
	for (unsigned i = 0; i < count; i++) {
		value = text_value(list[i]);
		if (value_holds(key, &value))
			return true;
	}
	value = member_value(finding, key->name);
	return !list && value_holds(key, &value);
}

static void value_print(const struct sense_value *value, struct sense_buf *out)
{
	if (value->type == SENSE_VALUE_STRING)
		sense_buf_printf(out, "\"%s\"", value->string.text);
	else if (value->type == SENSE_VALUE_BOOL)
		sense_buf_adds(out, value->boolean ? "true" : "false");
	else if (value->type == SENSE_VALUE_NUMBER)
		sense_buf_printf(out, "%.14g", value->number);
	else
		sense_buf_adds(out, "nothing");
}

static void key_differs(const struct sense_test_key *key, const struct sense_finding *finding,
                        struct sense_buf *out)
{
	unsigned count = 0;
	const char *const *list = list_of(finding, key->name, &count);
	sense_buf_printf(out, "\n  %s: expected %s", key->name, key->like ? "a text with " : "");
	value_print(&key->value, out);
	sense_buf_adds(out, ", got ");
	struct sense_value value = member_value(finding, key->name);
	if (!list)
		value_print(&value, out);
	else if (!count)
		sense_buf_adds(out, "none");
	for (unsigned i = 0; i < count; i++)
		sense_buf_printf(out, "%s\"%s\"", i ? ", " : "", list[i]);
}

static unsigned differences(const struct sense_test_step *step, const struct sense_finding *finding)
{
	unsigned count = 0;
	for (unsigned i = 0; i < step->key_count; i++)
		count += !key_holds(&step->keys[i], finding);
	return count;
}

/* ---- what to say ---- */

static void finding_print(const struct sense_finding *finding, struct sense_buf *out)
{
	sense_buf_printf(out, "\n    %s (%s%s): %s", finding->rule, finding->severity,
	                 finding->action && !strcmp(finding->action, "observe") ? ", observed" : "",
	                 finding->summary ? finding->summary : "");
}

static void findings_print(const struct sense_test_run *run, const char *rule, bool unnamed,
                           struct sense_buf *out)
{
	unsigned found = 0;
	for (unsigned i = 0; i < run->count; i++) {
		const struct sense_test_finding *entry = &run->findings[i];
		if ((rule && strcmp(entry->finding.rule, rule)) || (unnamed && entry->named))
			continue;
		if (found++ < LISTED_MAX)
			finding_print(&entry->finding, out);
	}
	if (found > LISTED_MAX)
		sense_buf_printf(out, "\n    ... %u more", found - LISTED_MAX);
}

/* Text of several lines, each set in. */
static void indented(const char *text, struct sense_buf *out)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		sense_buf_adds(out, "\n    ");
		sense_buf_add(out, text, len);
		text += len + (text[len] == '\n');
	}
}

/* Why the rule did not fire, as far as the engine knows. */
static void silence_explain(struct sense_test_run *run, const char *rule, struct sense_buf *out)
{
	const struct sense_test_near *near = NULL;
	for (unsigned i = 0; i < run->near_count; i++)
		if (!strcmp(run->near[i].rule->id, rule))
			near = &run->near[i];
	if (!near)
		return;
	const struct sense_rule_stats *stats =
	    sense_engine_rule_stats(run->kit->station.engine, near->rule->number);
	if (!near->why.len) {
		sense_buf_adds(out, "\n  no event that it takes was raised; it takes ");
		sense_kit_events(near->rule, out);
		return;
	}
	sense_buf_adds(out, "\n  the event that came nearest:");
	indented(sense_buf_str((struct sense_buf *)&near->why), out);
	if (stats->errors)
		sense_buf_printf(out, "\n  calls of its script that failed: %llu",
		                 (unsigned long long)stats->errors);
	else if (stats->suppressed)
		sense_buf_printf(out, "\n  findings that its throttle held back: %llu",
		                 (unsigned long long)stats->suppressed);
	else if (stats->matched && !stats->held)
		sense_buf_printf(out, "\n  its `match` held, and its `when` said no (asked: %llu)",
		                 (unsigned long long)stats->matched);
}

static struct sense_test_finding *nearest(struct sense_test_run *run, const struct sense_test_step *step)
{
	struct sense_test_finding *best = NULL;
	for (unsigned i = 0; i < run->count; i++) {
		struct sense_test_finding *entry = &run->findings[i];
		if (!strcmp(entry->finding.rule, step->rule) &&
		    (!best || differences(step, &entry->finding) < differences(step, &best->finding)))
			best = entry;
	}
	return best;
}

static void too_few(struct sense_test_run *run, const struct sense_test_step *step, unsigned got,
                    struct sense_buf *out)
{
	struct sense_test_finding *near = nearest(run, step);
	if (got) {
		sense_buf_printf(out, "expected %u findings of %s%s, got %u", step->times, step->rule,
		                 step->key_count ? " with these values" : "", got);
	} else if (near) {
		near->named = true; /* t:only() need not tell it again */
		sense_buf_printf(out, "no finding of %s is as expected; the nearest differs in", step->rule);
		for (unsigned i = 0; i < step->key_count; i++)
			if (!key_holds(&step->keys[i], &near->finding))
				key_differs(&step->keys[i], &near->finding, out);
	} else {
		sense_buf_printf(out, "%s did not fire", step->rule);
		silence_explain(run, step->rule, out);
		sense_buf_printf(out, "\n  findings until then:%s", run->count ? "" : " none");
		findings_print(run, NULL, false, out);
	}
}

static void tell(struct sense_test_run *run, unsigned kind, int line, struct sense_buf *text)
{
	struct sense_buf out;
	sense_buf_init(&out, SENSE_TEST_RECORD_TEXT_MAX);
	sense_buf_printf(&out, "%s:%d: ", run->file->file, line);
	sense_buf_adds(&out, sense_buf_str(text));
	run->failed(run->context, kind, sense_buf_str(&out));
	sense_buf_fini(&out);
	sense_buf_fini(text);
}

static void expect_judge(struct sense_test_run *run, const struct sense_test_step *step)
{
	unsigned got = 0;
	struct sense_buf text;
	for (unsigned i = 0; i < run->count; i++) {
		struct sense_test_finding *entry = &run->findings[i];
		if (strcmp(entry->finding.rule, step->rule) || differences(step, &entry->finding))
			continue;
		entry->named = true;
		got++;
	}
	if (got == step->times)
		return;
	sense_buf_init(&text, SENSE_TEST_RECORD_TEXT_MAX / 2);
	if (got < step->times) {
		too_few(run, step, got, &text);
	} else {
		if (step->times)
			sense_buf_printf(&text, "expected %u finding%s of %s, got %u:", step->times,
			                 step->times == 1 ? "" : "s", step->rule, got);
		else
			sense_buf_printf(&text, "%s must not fire here, and did:", step->rule);
		findings_print(run, step->rule, false, &text);
	}
	tell(run, got < step->times ? SENSE_TEST_MISSING : SENSE_TEST_EXTRA, step->line, &text);
}

void sense_test_judge(struct sense_test_run *run, const struct sense_test_step *step)
{
	struct sense_buf text;
	if (step->op == SENSE_TEST_EXPECT) {
		expect_judge(run, step);
	} else if (run->count) {
		sense_buf_init(&text, SENSE_TEST_RECORD_TEXT_MAX / 2);
		sense_buf_adds(&text, "nothing must be found here, but:");
		findings_print(run, NULL, false, &text);
		tell(run, SENSE_TEST_EXTRA, step->line, &text);
	}
}

void sense_test_judge_only(struct sense_test_run *run)
{
	unsigned unnamed = 0;
	struct sense_buf text;
	for (unsigned i = 0; i < run->count; i++)
		unnamed += !run->findings[i].named;
	if (!run->plan->only_line || !unnamed)
		return;
	sense_buf_init(&text, SENSE_TEST_RECORD_TEXT_MAX / 2);
	sense_buf_printf(&text, "%u finding%s that no expectation names:", unnamed, unnamed == 1 ? "" : "s");
	findings_print(run, NULL, true, &text);
	tell(run, SENSE_TEST_EXTRA, run->plan->only_line, &text);
}
