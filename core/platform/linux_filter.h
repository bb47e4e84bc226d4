/*
 * A system call filter, seccomp(2) by libseccomp: begun, filled with rules, loaded.
 */
#ifndef SENSE_PLATFORM_LINUX_FILTER_H
#define SENSE_PLATFORM_LINUX_FILTER_H

#include <seccomp.h>
#include <stddef.h>

#include "core/base/status.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SENSE_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SENSE_SANITIZED 1
#endif
#ifndef SENSE_SANITIZED
#define SENSE_SANITIZED 0
#endif

/* Valgrind's own calls would pass through a filter. */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define SENSE_UNDER_VALGRIND RUNNING_ON_VALGRIND
#else
#define SENSE_UNDER_VALGRIND 0
#endif

struct sense_filter {
	scmp_filter_ctx context;
	int failed; /* a rule could not be added */
};

/* otherwise: what becomes of calls that no rule is about (SCMP_ACT_...). sense_filter_load always follows. */
enum sense_status sense_filter_begin(struct sense_filter *filter, uint32_t otherwise, sense_error *err);
/* One rule for each of these calls, whatever their arguments are. */
void sense_filter_calls(struct sense_filter *filter, uint32_t action, const int *calls, size_t count);
/* Allows a call when the low 32 bits of one argument, which are all it uses, have this value. */
void sense_filter_allow_if(struct sense_filter *filter, int call, unsigned argument, uint32_t value);
/* What every process of ours does besides: the form of a log line, glibc's fstat, abort. */
void sense_filter_allow_common(struct sense_filter *filter);
/* From now on, and for all of its children, it holds. */
enum sense_status sense_filter_load(struct sense_filter *filter, sense_error *err);

#endif
