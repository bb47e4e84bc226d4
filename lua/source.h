/*
 * A look at policy text before Lua sees it.
 *
 * LuaJIT's lexer makes 64-bit and imaginary literals (1LL, 1ULL, 1i) into cdata, the one way for a
 * script without `ffi` to get hold of any; such text is refused.
 */
#ifndef SENSE_LUA_SOURCE_H
#define SENSE_LUA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

/* False when the text holds such a literal; *line is then where. */
bool sense_source_plain(const char *text, size_t len, int *line);

#endif
