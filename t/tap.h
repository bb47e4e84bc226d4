/*
 * TAP for unit tests in C, in one small header: plan at the end, diagnostics on stderr.
 * Usage: ok(condition, "what %s", "holds"); is_str(got, want, "..."); is_num(...); return tap_done();
 */
#ifndef SENSE_T_TAP_H
#define SENSE_T_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool
tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list args;
	printf("%sok %u - ", good ? "" : "not ", ++tap_count);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (!good) {
		tap_failed++;
		fprintf(stderr, "# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)
#define is_num(got, want, ...)                                                                     \
	do {                                                                                       \
		long long tap_got = (long long)(got), tap_want = (long long)(want);                \
		if (!ok(tap_got == tap_want, __VA_ARGS__))                                         \
			fprintf(stderr, "#   got %lld, want %lld\n", tap_got, tap_want);           \
	} while (0)
#define is_str(got, want, ...)                                                                     \
	do {                                                                                       \
		const char *tap_got = (got), *tap_want = (want);                                   \
		bool tap_same = tap_got && tap_want ? !strcmp(tap_got, tap_want)                   \
		                                    : tap_got == tap_want;                         \
		if (!ok(tap_same, __VA_ARGS__))                                                    \
			fprintf(stderr, "#   got  %s\n#   want %s\n", tap_got ? tap_got : "(null)", \
			        tap_want ? tap_want : "(null)");                                   \
	} while (0)

__attribute__((unused)) static int tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
