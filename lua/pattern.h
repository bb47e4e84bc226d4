/*
 * Private to lua/: Lua patterns (Lua 5.1 reference manual, 5.4.1) that cannot take for ever.
 *
 * The stock matcher backtracks without a bound, in C where no time limit is seen: one ".-x" on a long
 * text takes longer than the hard limit, and the text is often chosen by whoever sends the packets.
 * This one counts its steps, and fails when there are too many.
 */
#ifndef SENSE_LUA_PATTERN_H
#define SENSE_LUA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define SENSE_PATTERN_STEPS_MAX 200000u /* of one search: some 2 ms */
#define SENSE_PATTERN_CAPTURES_MAX 32

struct sense_pattern_capture {
	const char *text;
	ptrdiff_t len; /* or one of these: */
};
#define SENSE_PATTERN_OPEN (-1)     /* its ")" has not come yet */
#define SENSE_PATTERN_POSITION (-2) /* "()": the place alone */

struct sense_pattern {
	const char *text, *text_end;
	const char *end; /* of the pattern */
	const char *problem; /* why the search failed, as opposed to found nothing */
	unsigned steps;
	unsigned depth;
	unsigned count;
	struct sense_pattern_capture captures[SENSE_PATTERN_CAPTURES_MAX];
};

/*
 * The first match at `from` or behind it; a pattern with "^" is tried at `from` alone, if `anchors`.
 * Members text and text_end are the caller's to set, the rest is set here. NULL: nothing was found, or
 * `problem` says why not.
 */
const char *sense_pattern_search(struct sense_pattern *m, const char *p, size_t len, const char *from,
				 bool anchors, const char **match_end) __attribute__((nonnull));

#endif
