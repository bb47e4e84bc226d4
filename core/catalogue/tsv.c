#include "core/catalogue/tsv.h"

#include <stdio.h>
#include <string.h>

enum sense_status sense_tsv_fail(const struct sense_tsv *tsv, sense_error *err, const char *fmt, ...)
{
	char message[SENSE_ERROR_MESSAGE_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	return sense_fail(err, SENSE_E_FORMAT, "catalogue", "%s:%d: %s", tsv->name, tsv->line, message);
}

/* The next line that is no comment, cut off at its end; NULL at the end of the text or on failure. */
static char *next_line(struct sense_tsv *tsv, enum sense_status *status, sense_error *err)
{
	while (tsv->at < tsv->len) {
		char *line = tsv->text + tsv->at;
		char *end = memchr(line, '\n', tsv->len - tsv->at);
		size_t len = end ? (size_t)(end - line) : tsv->len - tsv->at;
		tsv->line++;
		tsv->at += len + (end ? 1 : 0);
		line[len] = '\0';
		if (len > SENSE_TSV_LINE_MAX) {
			*status = sense_tsv_fail(tsv, err, "line of %zu bytes; at most %u are taken", len,
			                         SENSE_TSV_LINE_MAX);
			return NULL;
		}
		for (size_t i = 0; i < len; i++) {
			unsigned char c = (unsigned char)line[i];
			if (c == '\t' || (c >= ' ' && c != 0x7f))
				continue;
			*status = sense_tsv_fail(tsv, err, "control character 0x%02x in column %zu; lines end "
			                                   "with LF and fields are separated by tabs",
			                         c, i + 1);
			return NULL;
		}
		if (line[0] != '#')
			return line;
	}
	return NULL;
}

static enum sense_status split(struct sense_tsv *tsv, char *line, sense_error *err)
{
	unsigned count = 0;
	for (char *at = line; at; count++) {
		char *tab = strchr(at, '\t');
		if (count < SENSE_TSV_COLUMNS_MAX)
			tsv->field[count] = at;
		if (tab)
			*tab++ = '\0';
		at = tab;
	}
	if (tsv->columns && count != tsv->columns)
		return sense_tsv_fail(tsv, err, "%u fields, expected %u separated by tabs", count,
		                      tsv->columns);
	if (count > SENSE_TSV_COLUMNS_MAX)
		return sense_tsv_fail(tsv, err, "%u columns; at most %u are taken", count,
		                      SENSE_TSV_COLUMNS_MAX);
	tsv->columns = count;
	return SENSE_OK;
}

enum sense_status sense_tsv_open(struct sense_tsv *tsv, const char *name, char *text, size_t len,
                                 const char *const *columns, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	*tsv = (struct sense_tsv){.name = name, .text = text, .len = len};
	if (len > SENSE_TSV_BYTES_MAX)
		return sense_tsv_fail(tsv, err, "%zu bytes; at most %u are taken", len, SENSE_TSV_BYTES_MAX);
	char *line = next_line(tsv, &status, err);
	if (status)
		return status;
	if (!line)
		return sense_tsv_fail(tsv, err, "no line with the names of the columns");
	status = split(tsv, line, err);
	if (!columns)
		return status;
	for (unsigned i = 0; !status && i < tsv->columns; i++) {
		if (!columns[i])
			return sense_tsv_fail(tsv, err, "column '%s' is one too many", tsv->field[i]);
		if (strcmp(columns[i], tsv->field[i]))
			return sense_tsv_fail(tsv, err, "column %u is '%s', expected '%s'", i + 1,
			                      tsv->field[i], columns[i]);
	}
	if (!status && columns[tsv->columns])
		return sense_tsv_fail(tsv, err, "column '%s' is missing", columns[tsv->columns]);
	return status;
}

enum sense_status sense_tsv_next(struct sense_tsv *tsv, bool *more, sense_error *err)
{
	enum sense_status status = SENSE_OK;
	char *line = next_line(tsv, &status, err);
	*more = line != NULL;
	if (!line)
		return status;
	if (!*line)
		return sense_tsv_fail(tsv, err, "empty line");
	if (++tsv->rows > SENSE_TSV_ROWS_MAX)
		return sense_tsv_fail(tsv, err, "more than %u rows", SENSE_TSV_ROWS_MAX);
	return split(tsv, line, err);
}

enum sense_status sense_tsv_word(const struct sense_tsv *tsv, const char *column, const char *field,
                                 const char *const *words, unsigned *index, sense_error *err)
{
	for (*index = 0; words[*index]; ++*index)
		if (!strcmp(words[*index], field))
			return SENSE_OK;
	const char *near = sense_nearest(field, words);
	if (near)
		return sense_tsv_fail(tsv, err, "%s '%s' is not known; did you mean '%s'?", column, field, near);
	return sense_tsv_fail(tsv, err, "%s '%s' is not known (see README.md for the words)", column, field);
}
