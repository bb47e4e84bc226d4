/* Text that a script made, made fit for a finding: valid UTF-8 (RFC 3629), without NUL, bounded. */
#ifndef SENSE_LUA_UTF8_H
#define SENSE_LUA_UTF8_H

#include <stddef.h>

#include "core/base/arena.h"

/*
 * A copy in the arena; bytes that are not UTF-8, and control characters, become U+FFFD; what is
 * longer than max bytes ends in "...". NULL when the arena is full.
 */
const char *sense_utf8_clean(struct sense_arena *arena, const char *text, size_t len, size_t max);

#endif
