#include "core/show/grid.h"

#include "core/rules/rule.h"
#include "core/show/text.h"

#define GAP 2 /* columns between cells */

const char *sense_severity_paint(int severity)
{
	static const char *const paints[] = {[SENSE_INFO] = "\033[2m",
	                                     [SENSE_LOW] = "\033[36m",
	                                     [SENSE_MEDIUM] = "\033[33m",
	                                     [SENSE_HIGH] = "\033[31m",
	                                     [SENSE_CRITICAL] = "\033[1;31m"};
	return (unsigned)severity < sizeof paints / sizeof *paints ? paints[severity] : "";
}

struct layout {
	unsigned order[SENSE_GRID_COLUMNS_MAX]; /* columns that are shown */
	unsigned widths[SENSE_GRID_COLUMNS_MAX];
	unsigned count;
};

/* As wide as the widest cell; false: no cell holds anything. */
static bool column_width(const struct sense_grid *grid, unsigned column, char *scratch, unsigned *width)
{
	bool any = false;
	*width = sense_text_width(grid->columns[column].title);
	for (unsigned r = 0; r < grid->row_count; r++) {
		const char *text = grid->cell(grid->self, r, column, scratch);
		unsigned wide = sense_text_width(text);
		any |= *text != '\0';
		if (wide > *width)
			*width = wide;
	}
	return any;
}

/* The widest that may shrink gives way until all fit. */
static void shrink(const struct sense_grid *grid, struct layout *layout, unsigned available)
{
	unsigned total = layout->count ? GAP * (layout->count - 1) : 0;
	for (unsigned i = 0; i < layout->count; i++)
		total += layout->widths[i];
	while (available && total > available) {
		unsigned widest = layout->count;
		for (unsigned i = 0; i < layout->count; i++) {
			unsigned least = grid->columns[layout->order[i]].least;
			if (least && layout->widths[i] > least &&
			    (widest == layout->count || layout->widths[i] > layout->widths[widest]))
				widest = i;
		}
		if (widest == layout->count)
			break;
		layout->widths[widest]--;
		total--;
	}
}

static void layout_find(const struct sense_grid *grid, unsigned available, char *scratch,
                        struct layout *layout)
{
	*layout = (struct layout){0};
	for (unsigned c = 0; c < grid->column_count && c < SENSE_GRID_COLUMNS_MAX; c++) {
		unsigned width;
		if (!column_width(grid, c, scratch, &width))
			continue;
		layout->order[layout->count] = c;
		layout->widths[layout->count++] = width;
	}
	shrink(grid, layout, available);
}

static void cell_print(const struct sense_grid_column *column, const char *text, unsigned width, bool last,
                       struct sense_buf *out)
{
	if (last && (!column->least || sense_text_width(text) <= width) && !column->right)
		sense_buf_adds(out, text); /* no blanks at the end of a line */
	else if (column->cut == SENSE_CUT_MIDDLE)
		sense_text_fit_middle(out, text, width);
	else
		sense_text_fit(out, text, width, column->right);
}

/* row: or row_count for the titles. */
static void row_print(const struct sense_grid *grid, const struct layout *layout, unsigned row, bool color,
                      char *scratch, struct sense_buf *out)
{
	bool head = row == grid->row_count;
	for (unsigned i = 0; i < layout->count; i++) {
		unsigned c = layout->order[i];
		const struct sense_grid_column *column = &grid->columns[c];
		const char *text = head ? column->title : grid->cell(grid->self, row, c, scratch);
		const char *paint = !color ? "" : head ? SENSE_PAINT_BOLD : grid->color(grid->self, row, c);
		if (i)
			sense_buf_printf(out, "%*s", GAP, "");
		sense_buf_adds(out, paint);
		cell_print(column, text, layout->widths[i], i == layout->count - 1, out);
		if (*paint)
			sense_buf_adds(out, SENSE_PAINT_END);
	}
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	sense_buf_addc(out, '\n');
}

void sense_grid_print(const struct sense_grid *grid, const struct sense_table_style *style,
                      struct sense_buf *out)
{
	struct layout layout;
	char scratch[SENSE_GRID_CELL_MAX];
	if (!grid->row_count)
		return;
	layout_find(grid, style->width, scratch, &layout);
	row_print(grid, &layout, grid->row_count, style->color, scratch, out);
	for (unsigned r = 0; r < grid->row_count; r++)
		row_print(grid, &layout, r, style->color, scratch, out);
}
