/*
 * A table of the catalogue row by row, for those that the engine itself does not compile: sensors read where
 * MCP configurations are, which packages are SDKs.
 */
#ifndef SENSE_CATALOGUE_TABLE_H
#define SENSE_CATALOGUE_TABLE_H

#include "core/base/status.h"

/*
 * DIR/NAME.tsv. False from `row` ends it early. A row is borrowed for the call. SENSE_E_FORMAT and the like
 * name file and line; SENSE_E_NOTFOUND: there is no table of that name.
 */
enum sense_status sense_table_read(const char *dir, const char *name,
                                   bool (*row)(void *self, const struct sense_row *row), void *self,
                                   sense_error *err);

#endif
