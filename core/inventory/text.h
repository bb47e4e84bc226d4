/*
 * The screen of an inventory: which columns its sections have, and what stands in them.
 */
#ifndef SENSE_INVENTORY_TEXT_H
#define SENSE_INVENTORY_TEXT_H

#include "core/inventory/rows.h"

/* One line of a section: a row, or several that say the same on a screen. */
struct sense_line {
	const struct sense_inventory_row *row; /* the first of them */
	uint64_t rows;
	double sum; /* of their gap.count */
};

struct sense_screen {
	const sense_inventory *inventory;
	const struct sense_table_style *style;
	const struct sense_inventory_totals *totals;
	struct sense_buf *out;
	const struct sense_line *lines; /* of the section in hand */
};

struct sense_section_view {
	const char *title;                       /* NULL: the section has no columns */
	const struct sense_grid_column *columns; /* the first takes the section's title */
	unsigned column_count;
	unsigned wide_count; /* columns where there is room for all */
	const char *(*cell)(const void *screen, unsigned line, unsigned column, char *scratch);
	const char *(*color)(const void *screen, unsigned line, unsigned column);
};

const struct sense_section_view *sense_section_view(enum sense_section section);

/* Rows of a section that share a line; x stands before y. */
bool sense_rows_share_line(const struct sense_inventory_row *x, const struct sense_inventory_row *y);

#endif
