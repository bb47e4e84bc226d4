/*
 * Rows in columns, for people: as wide as the widest cell, and no wider than the terminal.
 *
 * On a narrow terminal the widest column that may shrink gives way, step by step; a column that holds
 * nothing at all is left out. Cells are clean already (core/show/text.h). Nothing is kept.
 */
#ifndef SENSE_SHOW_GRID_H
#define SENSE_SHOW_GRID_H

#include <stdbool.h>

#include "core/base/buf.h"

#define SENSE_GRID_COLUMNS_MAX 10u
#define SENSE_GRID_CELL_MAX 4096u /* bytes of a cell that is made up for printing */

struct sense_table_style {
	unsigned width; /* columns of the terminal; 0: as wide as needed */
	bool color;
};

enum sense_grid_cut { SENSE_CUT_END, SENSE_CUT_MIDDLE };

struct sense_grid_column {
	const char *title;
	unsigned least; /* columns that it keeps on a narrow terminal; 0: never cut */
	bool right;
	enum sense_grid_cut cut; /* of a path both ends tell something */
};

struct sense_grid {
	const struct sense_grid_column *columns;
	unsigned column_count;
	unsigned row_count;
	const void *self;
	/* The cell's text: its own, or written to scratch (SENSE_GRID_CELL_MAX bytes). Never NULL. */
	const char *(*cell)(const void *self, unsigned row, unsigned column, char *scratch);
	/* The escape sequence that paints it; "": none. */
	const char *(*color)(const void *self, unsigned row, unsigned column);
};

/* A line of titles, then the rows. Without rows nothing at all. */
void sense_grid_print(const struct sense_grid *grid, const struct sense_table_style *style,
                      struct sense_buf *out);

#define SENSE_PAINT_BOLD "\033[1m"
#define SENSE_PAINT_END "\033[0m"
/* As severities are painted; `severity` is that of core/rules/rule.h, or anything. */
const char *sense_severity_paint(int severity);

#endif
