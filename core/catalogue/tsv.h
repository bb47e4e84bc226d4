/*
 * Strict reader of tab-separated tables: the catalogue is edited by people and pushed by servers, so
 * a mistake must be named with file and line, and no file may cost more than its bounds.
 *
 * Form: lines that start with '#' are comments; the first other line names the columns; each further
 * line is one row of exactly as many fields. Lines end with LF. Fields hold no control characters.
 * The reader splits the text in place; fields point into it.
 */
#ifndef SENSE_CATALOGUE_TSV_H
#define SENSE_CATALOGUE_TSV_H

#include "core/base/status.h"

#define SENSE_TSV_BYTES_MAX (4u << 20)
#define SENSE_TSV_LINE_MAX 4096u
#define SENSE_TSV_ROWS_MAX 20000u
#define SENSE_TSV_COLUMNS_MAX 16u

struct sense_tsv {
	const char *name; /* of the file, for messages */
	char *text;       /* NUL-terminated, borrowed, changed by reading */
	size_t len;
	size_t at;
	int line; /* of the row in `field` */
	unsigned rows;
	unsigned columns;
	char *field[SENSE_TSV_COLUMNS_MAX];
};

/*
 * Starts reading and checks that the columns are exactly those named; columns ends with NULL. NULL: any, whose
 * names are in tsv->field.
 */
enum sense_status sense_tsv_open(struct sense_tsv *tsv, const char *name, char *text, size_t len,
                                 const char *const *columns, sense_error *err);
/* The next row in tsv->field; *more is false at the end. */
enum sense_status sense_tsv_next(struct sense_tsv *tsv, bool *more, sense_error *err);
/* Fails with "file:line: message". */
enum sense_status sense_tsv_fail(const struct sense_tsv *tsv, sense_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Fails when the field is not one of the words (ends with NULL); *index is its place. */
enum sense_status sense_tsv_word(const struct sense_tsv *tsv, const char *column, const char *field,
                                 const char *const *words, unsigned *index, sense_error *err);

#endif
