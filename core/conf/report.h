/*
 * Problems found in files that people write (policies, configuration): collected, so that one run
 * shows them all, and handed to the owner for printing.
 *
 * Strings are copied into the report. Bounded: what comes after SENSE_REPORT_MAX is only counted.
 */
#ifndef SENSE_CONF_REPORT_H
#define SENSE_CONF_REPORT_H

#include <stdio.h>

#include "core/base/arena.h"

#define SENSE_REPORT_MAX 200

struct sense_problem {
	const char *file; /* NULL: not about a file */
	int line;         /* 0: not known */
	const char *rule; /* NULL: not about one rule */
	const char *key;  /* "match.bytes_up.min"; NULL: not about one key */
	const char *message;
};

struct sense_report {
	struct sense_arena arena;
	unsigned count; /* all that were found; items holds at most SENSE_REPORT_MAX of them */
	struct sense_problem items[SENSE_REPORT_MAX];
};

void sense_report_init(struct sense_report *report);
void sense_report_fini(struct sense_report *report);
/* Copies the problem; any string but the message may be NULL. */
void sense_report_add(struct sense_report *report, const struct sense_problem *problem);
/* `file:line: rule "id": key: message`, the parts that are known, without a newline. */
int sense_problem_format(const struct sense_problem *problem, char *out, size_t cap);
void sense_report_print(const struct sense_report *report, FILE *out); /* one line a problem */

#endif
