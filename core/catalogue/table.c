#include "core/catalogue/table.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/catalogue/internal.h"
#include "core/catalogue/tsv.h"

enum sense_status sense_table_read(const char *dir, const char *name,
                                   bool (*row)(void *self, const struct sense_row *row), void *self,
                                   sense_error *err)
{
	char path[PATH_MAX], *text = NULL;
	const char *columns[SENSE_TSV_COLUMNS_MAX + 1] = {NULL};
	struct sense_arena arena;
	struct sense_tsv tsv;
	size_t len;
	bool more = true;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz_") != strlen(name) ||
	    snprintf(path, sizeof path, "%s/%s.tsv", dir, name) >= (int)sizeof path)
		return sense_fail(err, SENSE_E_NOTFOUND, "catalogue", "there is no table '%s'", name);
	sense_arena_init(&arena, 0);
	enum sense_status status = sense_catalogue_file(&arena, path, &text, &len, err);
	if (!status)
		status = sense_tsv_open(&tsv, path, text, len, NULL, err);
	if (!status)
		memcpy(columns, tsv.field, tsv.columns * sizeof *columns);
	while (!status && more) {
		status = sense_tsv_next(&tsv, &more, err);
		const struct sense_row one = {columns, (const char *const *)tsv.field, (unsigned)tsv.line};
		if (!status && more && !row(self, &one))
			break;
	}
	sense_arena_fini(&arena);
	return status;
}
