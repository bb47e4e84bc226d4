/*
 * Errors: a status for the program, a sentence for the person.
 *
 * The caller owns the error object (usually on its stack) and may pass NULL when it wants the
 * status alone. A message names what failed and where ("policies/x.lua:12: ..."), and what to do
 * when that is not plain.
 */
#ifndef SENSE_BASE_STATUS_H
#define SENSE_BASE_STATUS_H

#include <stdarg.h>

#include "core/sense_plugin.h"

#define SENSE_ERROR_MESSAGE_MAX 1024

struct sense_error {
	enum sense_status status;
	char subsystem[24];
	char message[SENSE_ERROR_MESSAGE_MAX]; /* cut with "..." when longer */
};

/* Fills err (may be NULL) and returns status. The format may use err->message: it is copied first. */
enum sense_status sense_fail(sense_error *err, enum sense_status status, const char *subsystem,
                             const char *fmt, ...) __attribute__((format(printf, 4, 5)));
enum sense_status sense_vfail(sense_error *err, enum sense_status status, const char *subsystem,
                              const char *fmt, va_list args) __attribute__((format(printf, 4, 0)));

/* As sense_fail, with ": " and the text of errno at the end. */
enum sense_status sense_fail_errno(sense_error *err, const char *subsystem, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "truncated", "limit", ...: stable words for logs and JSON. */
const char *sense_status_name(enum sense_status status);

/*
 * The candidate nearest to `word` by edit distance, for 'did you mean'; NULL when none is near
 * enough. candidates ends with NULL.
 */
const char *sense_nearest(const char *word, const char *const *candidates);

#endif
