/*
 * Path patterns of HTTP requests. `{x}` stands for a part of one segment that is not empty, at most
 * one a segment; `(a|b)` for one of several texts, at most once and without '{' within. Whole paths
 * ("/v1/models"), prefixes ("/aiserver.v1.") and suffixes ("/chat/completions").
 */
#ifndef SENSE_CATALOGUE_PATTERN_H
#define SENSE_CATALOGUE_PATTERN_H

#include "core/sense_plugin.h"

enum sense_pattern_kind { SENSE_PATTERN_WHOLE, SENSE_PATTERN_PREFIX, SENSE_PATTERN_SUFFIX };

/* What is wrong with the text of a pattern, as the end of a sentence; NULL: nothing. */
const char *sense_pattern_fault(const char *pattern, enum sense_pattern_kind kind);
/* pattern is free of faults. Costs at most the length of both, times the alternatives. */
bool sense_pattern_matches(const char *pattern, enum sense_pattern_kind kind, const char *path,
                           size_t len);

#endif
