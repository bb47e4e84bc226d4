/* What came of the tests: for people, for TAP (version 14), for JUnit's XML readers, as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/show/json.h"
#include "lua/tools/test.h"

static unsigned failures(const struct sense_test_summary *summary)
{
	unsigned count = 0;
	for (unsigned i = 0; i < summary->count; i++)
		count += summary->results[i].failed != 0;
	return count;
}

static unsigned fired(const struct sense_test_summary *summary)
{
	unsigned count = 0;
	for (unsigned i = 0; i < sense_ruleset_count(summary->rules); i++)
		count += summary->fired[i] != 0;
	return count;
}

/* Text of several lines with something in front of each. */
static void lines_print(const char *text, const char *before, struct sense_buf *out)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		sense_buf_adds(out, before);
		sense_buf_add(out, text, len);
		sense_buf_addc(out, '\n');
		text += len + (text[len] == '\n');
	}
}

static const char *text_of(const struct sense_test_result *result)
{
	return sense_buf_str((struct sense_buf *)&result->text);
}

/* "28 rules, 26 fired in tests; never: a, b" */
static void coverage_print(const struct sense_test_summary *summary, struct sense_buf *out)
{
	unsigned rules = sense_ruleset_count(summary->rules), some = fired(summary);
	sense_buf_printf(out, "%u rule%s, %u fired in tests", rules, rules == 1 ? "" : "s", some);
	const char *between = "; never: ";
	for (unsigned i = 0; i < rules; i++) {
		if (summary->fired[i])
			continue;
		sense_buf_printf(out, "%s%s", between, sense_ruleset_get(summary->rules, i)->id);
		between = ", ";
	}
	sense_buf_addc(out, '\n');
}

static void summary_print(const struct sense_test_summary *summary, const char *before, struct sense_buf *out)
{
	unsigned failed = failures(summary);
	struct sense_buf text;
	sense_buf_init(&text, 0);
	coverage_print(summary, &text);
	if (summary->mutants)
		sense_buf_printf(&text, "%u mutants of rules tried%s\n", summary->mutants,
		                 *summary->survivors ? "; no test noticed that" : ", all were noticed");
	sense_buf_adds(&text, summary->survivors);
	sense_buf_printf(&text, "%u test%s, %u passed", summary->count, summary->count == 1 ? "" : "s",
	                 summary->count - failed);
	if (failed)
		sense_buf_printf(&text, ", %u failed", failed);
	sense_buf_addc(&text, '\n');
	lines_print(sense_buf_str(&text), before, out);
	sense_buf_fini(&text);
}

static void pretty(const struct sense_test_summary *summary, struct sense_buf *out)
{
	const char *file = "";
	for (unsigned i = 0; i < summary->count; i++) {
		const struct sense_test_result *result = &summary->results[i];
		if (strcmp(file, result->file))
			sense_buf_printf(out, "%s\n", result->file);
		file = result->file;
		sense_buf_printf(out, "  %s  %s\n", result->failed ? "FAIL" : "ok  ", result->name);
		lines_print(text_of(result), "        ", out);
	}
	sense_buf_addc(out, '\n');
	summary_print(summary, "", out);
}

/* https://testanything.org/tap-version-14-specification.html */
static void tap(const struct sense_test_summary *summary, struct sense_buf *out)
{
	sense_buf_printf(out, "TAP version 14\n1..%u\n", summary->count);
	for (unsigned i = 0; i < summary->count; i++) {
		const struct sense_test_result *result = &summary->results[i];
		sense_buf_printf(out, "%s %u - %s: ", result->failed ? "not ok" : "ok", i + 1, result->file);
		for (const char *c = result->name; *c; c++) {
			if (*c == '#' || *c == '\\')
				sense_buf_addc(out, '\\');
			sense_buf_addc(out, *c);
		}
		sense_buf_addc(out, '\n');
		lines_print(text_of(result), "# ", out);
	}
	summary_print(summary, "# ", out);
}

/* XML 1.0, 2.2 and 2.4: what is not a character is left out, what is markup is written as a reference. */
static void xml_text(const char *text, struct sense_buf *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\n')
			sense_buf_printf(out, "&#%u;", c);
		else if (c >= 0x20 || c == '\t')
			sense_buf_addc(out, (char)c);
	}
}

static void junit(const struct sense_test_summary *summary, struct sense_buf *out)
{
	sense_buf_printf(out,
	                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	                 "<testsuite name=\"sense-agent\" tests=\"%u\" failures=\"%u\">\n",
	                 summary->count, failures(summary));
	for (unsigned i = 0; i < summary->count; i++) {
		const struct sense_test_result *result = &summary->results[i];
		sense_buf_adds(out, "  <testcase classname=\"");
		xml_text(result->file, out);
		sense_buf_adds(out, "\" name=\"");
		xml_text(result->name, out);
		sense_buf_adds(out, "\" file=\"");
		xml_text(result->file, out);
		sense_buf_printf(out, "\" line=\"%d\" time=\"%.6f\"", result->line, result->seconds);
		if (result->failed) {
			sense_buf_adds(out, "><failure message=\"");
			xml_text(text_of(result), out);
			sense_buf_adds(out, "\"/></testcase>\n");
		} else {
			sense_buf_adds(out, "/>\n");
		}
	}
	sense_buf_adds(out, "  <system-out>");
	struct sense_buf text;
	sense_buf_init(&text, 0);
	summary_print(summary, "", &text);
	xml_text(sense_buf_str(&text), out);
	sense_buf_fini(&text);
	sense_buf_adds(out, "</system-out>\n</testsuite>\n");
}

static void json_result(struct sense_json *json, const struct sense_test_result *result)
{
	sense_json_open(json, '{');
	sense_json_member(json, "file", result->file);
	sense_json_member_uint(json, "line", (unsigned)result->line);
	sense_json_member(json, "name", result->name);
	sense_json_member_bool(json, "ok", !result->failed);
	sense_json_member_number(json, "seconds", result->seconds);
	sense_json_member(json, "message", result->failed ? text_of(result) : NULL);
	sense_json_close(json, '}');
}

static void json_survivors(struct sense_json *json, const char *line)
{
	while (*line) {
		char text[512];
		size_t len = strcspn(line, "\n");
		snprintf(text, sizeof text, "%.*s", (int)len, line + strspn(line, " "));
		text[strcspn(text, "\n")] = '\0';
		sense_json_string(json, text);
		line += len + (line[len] == '\n');
	}
}

static void json_print(const struct sense_test_summary *summary, struct sense_buf *out)
{
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	sense_json_member_bool(&json, "ok", !failures(summary) && !*summary->survivors);
	sense_json_key(&json, "tests");
	sense_json_open(&json, '[');
	for (unsigned i = 0; i < summary->count; i++)
		json_result(&json, &summary->results[i]);
	sense_json_close(&json, ']');
	sense_json_member_uint(&json, "rules", sense_ruleset_count(summary->rules));
	sense_json_key(&json, "never_fired");
	sense_json_open(&json, '[');
	for (unsigned i = 0; i < sense_ruleset_count(summary->rules); i++)
		if (!summary->fired[i])
			sense_json_string(&json, sense_ruleset_get(summary->rules, i)->id);
	sense_json_close(&json, ']');
	sense_json_member_uint(&json, "mutants", summary->mutants);
	sense_json_key(&json, "survivors");
	sense_json_open(&json, '[');
	json_survivors(&json, summary->survivors);
	sense_json_close(&json, ']');
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}

void sense_test_report(const struct sense_test_summary *summary, struct sense_buf *out)
{
	static void (*const formats[])(const struct sense_test_summary *, struct sense_buf *) = {
	    [SENSE_FORMAT_PRETTY] = pretty,
	    [SENSE_FORMAT_TAP] = tap,
	    [SENSE_FORMAT_JUNIT] = junit,
	    [SENSE_FORMAT_JSON] = json_print,
	};
	formats[summary->format](summary, out);
}
