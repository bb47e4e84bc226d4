#include "core/conf/report.h"

#include <string.h>

void sense_report_init(struct sense_report *report)
{
	report->count = 0;
	sense_arena_init(&report->arena, (size_t)1 << 20);
}

void sense_report_fini(struct sense_report *report)
{
	sense_arena_fini(&report->arena);
	report->count = 0;
}

static const char *keep(struct sense_report *report, const char *text)
{
	const char *copy = text ? sense_arena_strndup(&report->arena, text, strlen(text)) : NULL;
	return text && !copy ? "(no memory for this text)" : copy;
}

void sense_report_add(struct sense_report *report, const struct sense_problem *problem)
{
	if (report->count++ >= SENSE_REPORT_MAX)
		return;
	report->items[report->count - 1] = (struct sense_problem){
	    .file = keep(report, problem->file),
	    .line = problem->line,
	    .rule = keep(report, problem->rule),
	    .key = keep(report, problem->key),
	    .message = keep(report, problem->message),
	};
}

int sense_problem_format(const struct sense_problem *problem, char *out, size_t cap)
{
	char line[16] = "";
	if (problem->file && problem->line > 0)
		snprintf(line, sizeof line, ":%d", problem->line);
	return snprintf(out, cap, "%s%s%s%s%s%s%s%s%s", problem->file ? problem->file : "", line,
			problem->file ? ": " : "", problem->rule ? "rule \"" : "",
			problem->rule ? problem->rule : "", problem->rule ? "\": " : "",
			problem->key ? problem->key : "", problem->key ? ": " : "", problem->message);
}

void sense_report_print(const struct sense_report *report, FILE *out)
{
	char text[2048];
	unsigned shown = report->count < SENSE_REPORT_MAX ? report->count : SENSE_REPORT_MAX;
	for (unsigned i = 0; i < shown; i++) {
		sense_problem_format(&report->items[i], text, sizeof text);
		fprintf(out, "%s\n", text);
	}
	if (shown < report->count)
		fprintf(out, "and %u more\n", report->count - shown);
}
