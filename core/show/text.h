/*
 * Text from a capture, made fit for a terminal.
 *
 * Terminals obey control characters, and people are misled by invisible and direction-changing ones
 * (Unicode TR 36); none of them gets through.
 */
#ifndef SENSE_SHOW_TEXT_H
#define SENSE_SHOW_TEXT_H

#include <stddef.h>

#include "core/base/buf.h"

/* Length of the UTF-8 sequence (RFC 3629) at text (NUL-terminated): 1 to 4; 0: it is not one. */
unsigned sense_utf8_length(const unsigned char *text);

/* Copies what is printable, U+FFFD for the rest, cut at a character's end to fit cap bytes. */
void sense_text_clean(const char *text, char *out, size_t cap);

/* Columns that a clean text takes. */
unsigned sense_text_width(const char *clean);

/* Adds a clean text in exactly so many columns: cut with an ellipsis, or padded. */
void sense_text_fit(struct sense_buf *out, const char *clean, unsigned columns, bool right);
/* The same, cut in the middle: of a path both ends tell something. */
void sense_text_fit_middle(struct sense_buf *out, const char *clean, unsigned columns);

#endif
