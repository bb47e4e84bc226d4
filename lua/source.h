/*
 * A look at policy text before Lua sees it.
 *
 * LuaJIT's lexer makes 64-bit and imaginary literals (1LL, 1ULL, 1i) into cdata, the one way for a
 * script without `ffi` to get hold of any; such text is refused. So is text with so many jumps that
 * the compiler, which no time limit reaches, would take seconds for it.
 */
#ifndef SENSE_LUA_SOURCE_H
#define SENSE_LUA_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#define SENSE_SOURCE_CHAINED_MAX 4096

/* What is wrong with the text, and on which line; NULL: nothing. */
const char *sense_source_problem(const char *text, size_t len, int *line);

#endif
