/* The inventory as one screen: what matters most comes first, and what could not be seen is not left out. */
#include "core/inventory/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/log.h"
#include "core/show/text.h"

#define NAME_MAX_BYTES 256 /* of a name in a line of several */
#define WIDE 110           /* columns from which on there is room for all that a section has */
#define PARTS_LINES 3      /* that the extensions or packages of one program take */
#define PARTS_REST 16      /* columns kept for "and 1234 more" */

typedef unsigned long long ull;

static unsigned rows_shown(const struct sense_screen *screen)
{
	return screen->totals->rows ? screen->totals->rows : SENSE_INVENTORY_ROWS_SHOWN;
}

static void counted(struct sense_buf *out, uint64_t count, const char *one, const char *many)
{
	sense_buf_printf(out, "%llu %s", (ull)count, count == 1 ? one : many);
}

/* A line that is no row: cut to the terminal, painted as a whole. */
static void line_print(const struct sense_screen *screen, struct sense_buf *line, const char *paint)
{
	const char *text = sense_buf_str(line);
	unsigned width = screen->style->width;
	if (!screen->style->color)
		paint = "";
	sense_buf_adds(screen->out, paint);
	if (width && sense_text_width(text) > width)
		sense_text_fit(screen->out, text, width, false);
	else
		sense_buf_adds(screen->out, text);
	sense_buf_adds(screen->out, *paint ? SENSE_PAINT_END "\n" : "\n");
	sense_buf_clear(line);
}

/* ---- the head -------------------------------------------------------------------------------------- */

static void head_print(const struct sense_screen *screen, struct sense_buf *line)
{
	const sense_inventory *inventory = screen->inventory;
	unsigned users = inventory->sections[SENSE_SECTION_USERS].count;
	char host[NAME_MAX_BYTES], when[40];
	time_t seconds = (time_t)(screen->totals->ts_us / 1000000);
	struct tm utc;
	sense_text_clean(screen->totals->host ? screen->totals->host : "this host", host, sizeof host);
	if (!gmtime_r(&seconds, &utc) || !strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &utc))
		snprintf(when, sizeof when, "at an unknown time");
	sense_buf_printf(line, "%s, %s: ", host, when);
	counted(line, inventory->processes, "process", "processes");
	if (users) {
		sense_buf_adds(line, ", AI of ");
		counted(line, users, "user", "users");
	}
	line_print(screen, line, SENSE_PAINT_BOLD);
}

static void findings_print(const struct sense_screen *screen, struct sense_buf *line)
{
	const sense_inventory *inventory = screen->inventory;
	const char *paint = "", *before = ": ";
	if (inventory->findings)
		counted(line, inventory->findings, "finding", "findings");
	else
		sense_buf_adds(line, "No findings");
	for (int severity = SENSE_CRITICAL; severity >= SENSE_INFO; severity--) {
		if (!inventory->severities[severity])
			continue;
		if (*before == ':' && severity >= SENSE_MEDIUM)
			paint = sense_severity_paint(severity);
		sense_buf_printf(line, "%s%llu %s", before, (ull)inventory->severities[severity],
		                 sense_severity_name((enum sense_severity)severity));
		before = ", ";
	}
	line_print(screen, line, paint);
}

/* What was not seen must not be taken for what is not there. */
static void gaps_announce(const struct sense_screen *screen, struct sense_buf *line)
{
	unsigned count;
	const struct sense_inventory_row **rows =
	    sense_inventory_order(screen->inventory, SENSE_SECTION_GAPS, &count);
	const char *last = NULL;
	char what[NAME_MAX_BYTES];
	for (unsigned i = 0; i < count; i++) {
		const char *text = sense_row_text(rows[i], SENSE_FIELD_GAP_WHAT);
		if (!text || (last && !strcmp(last, text)))
			continue;
		sense_text_clean(text, what, sizeof what);
		sense_buf_printf(line, "%s%s", last ? ", " : "Not all could be seen: ", what);
		last = text;
	}
	if (last)
		line_print(screen, line, sense_severity_paint(SENSE_MEDIUM));
	free(rows);
}

/* ---- sections of columns --------------------------------------------------------------------------- */

/* Lines of rows in their order; *unknown: programs that listen, and of which nothing says that they are AI.
 */
static unsigned lines_make(const struct sense_inventory_row **rows, unsigned count, struct sense_line *lines,
                           uint64_t *unknown)
{
	unsigned made = 0;
	for (unsigned i = 0; i < count; i++) {
		struct sense_line *line = made ? &lines[made - 1] : NULL;
		if (rows[i]->section == SENSE_SECTION_LISTENERS && !sense_row_is_ai(rows[i])) {
			++*unknown;
			continue;
		}
		if (!line || !sense_rows_share_line(line->row, rows[i])) {
			line = &lines[made++];
			*line = (struct sense_line){.row = rows[i]};
		}
		line->rows++;
		line->sum += sense_row_number(rows[i], SENSE_FIELD_GAP_COUNT);
	}
	return made;
}

static void rest_print(const struct sense_screen *screen, uint64_t rest, uint64_t unknown,
                       struct sense_buf *line)
{
	if (rest) {
		sense_buf_printf(line, "and %llu more: sense-agent inventory --json has all", (ull)rest);
		line_print(screen, line, "");
	}
	if (unknown) {
		sense_buf_printf(line, "and %llu that nothing marks as AI", (ull)unknown);
		line_print(screen, line, "");
	}
}

static void grid_print(const struct sense_screen *screen, const struct sense_section_view *view,
                       unsigned count, unsigned shown)
{
	char title[64];
	struct sense_grid_column columns[SENSE_GRID_COLUMNS_MAX];
	bool wide = !screen->style->width || screen->style->width >= WIDE;
	struct sense_grid grid = {
	    columns, wide ? view->wide_count : view->column_count, shown, screen, view->cell, view->color};
	memcpy(columns, view->columns, grid.column_count * sizeof *columns);
	snprintf(title, sizeof title, "%s (%u)", view->title, count);
	columns[0].title = title;
	sense_grid_print(&grid, screen->style, screen->out);
}

/* False: there is nothing to be shown. */
static bool section_print(struct sense_screen *screen, enum sense_section section, struct sense_buf *line)
{
	unsigned count, most = rows_shown(screen);
	uint64_t unknown = 0;
	const struct sense_inventory_row **rows = sense_inventory_order(screen->inventory, section, &count);
	struct sense_line *lines = calloc(count + 1u, sizeof *lines);
	unsigned made = lines && rows ? lines_make(rows, count, lines, &unknown) : 0;
	if (made) {
		unsigned shown = made > most ? most : made;
		screen->lines = lines;
		sense_buf_addc(screen->out, '\n');
		grid_print(screen, sense_section_view(section), made, shown);
		rest_print(screen, made - shown, unknown, line);
	}
	free(lines);
	free(rows);
	return made != 0;
}

/* ---- extensions and packages: many short names, a paragraph for each program ------------------------ */

struct paragraph {
	const struct sense_screen *screen;
	unsigned indent;
	unsigned room; /* columns of a line behind the indent; 0: no end */
	unsigned used;
	unsigned line;
};

static void part_name(const struct sense_inventory_row *row, char *out, size_t cap)
{
	const char *name = sense_row_text(row, SENSE_FIELD_INVENTORY_NAME);
	const char *version = sense_row_text(row, SENSE_FIELD_INVENTORY_VERSION);
	sense_text_clean(name ? name : "?", out, cap);
	size_t used = strlen(out);
	if (!version || used + 2 > cap)
		return;
	out[used] = ' ';
	sense_text_clean(version, out + used + 1, cap - used - 1);
}

/* False: the paragraph is full. */
static bool part_print(struct paragraph *at, const char *name, bool first, bool last)
{
	struct sense_buf *out = at->screen->out;
	unsigned width = sense_text_width(name) + (last ? 0 : 1);
	bool closing = at->line + 1 == PARTS_LINES && !last;
	unsigned room = closing && at->room > PARTS_REST ? at->room - PARTS_REST : at->room;
	if (at->room && !first && at->used + 1 + width > room) {
		if (at->line + 1 == PARTS_LINES)
			return false;
		sense_buf_printf(out, "\n%*s", (int)at->indent, "");
		at->line++;
		at->used = 0;
	}
	if (at->used) {
		sense_buf_addc(out, ' ');
		at->used++;
	}
	if (at->room && width > at->room)
		sense_text_fit(out, name, at->room, false);
	else
		sense_buf_printf(out, "%s%s", name, last ? "" : ",");
	at->used += width;
	return true;
}

static void paragraph_print(struct paragraph *at, const struct sense_inventory_row **rows, unsigned count)
{
	char name[2 * NAME_MAX_BYTES];
	at->used = at->line = 0;
	for (unsigned i = 0; i < count; i++) {
		part_name(rows[i], name, sizeof name);
		if (!part_print(at, name, !i, i + 1 == count)) {
			sense_buf_printf(at->screen->out, " and %u more", count - i);
			break;
		}
	}
	sense_buf_addc(at->screen->out, '\n');
}

/* Rows from `from` on that are of the same program and user. */
static unsigned group_size(const struct sense_inventory_row **rows, unsigned from, unsigned count)
{
	unsigned size = 1;
	while (from + size < count) {
		for (unsigned key = 0; key < 2; key++) { /* program, user */
			const char *a = rows[from]->cells[key].text, *b = rows[from + size]->cells[key].text;
			if (a && b ? strcmp(a, b) != 0 : a != b)
				return size;
		}
		size++;
	}
	return size;
}

static void cell_clean(const struct sense_inventory_row *row, unsigned key, char out[NAME_MAX_BYTES])
{
	sense_text_clean(row->cells[key].text ? row->cells[key].text : "", out, NAME_MAX_BYTES);
}

static unsigned column_width(const struct sense_inventory_row **rows, unsigned count, unsigned key,
                             const char *title, unsigned most)
{
	char text[NAME_MAX_BYTES];
	unsigned width = sense_text_width(title);
	for (unsigned i = 0; i < count; i++) {
		cell_clean(rows[i], key, text);
		unsigned wide = sense_text_width(text);
		width = wide > width ? wide : width;
	}
	return most && width > most ? most : width;
}

static bool parts_print(const struct sense_screen *screen, enum sense_section section, const char *name,
                        struct sense_buf *line)
{
	unsigned count, size, groups = 0, rest = 0, width = screen->style->width;
	char title[48], text[NAME_MAX_BYTES];
	const struct sense_inventory_row **rows = sense_inventory_order(screen->inventory, section, &count);
	if (!rows || !count)
		return false;
	snprintf(title, sizeof title, "%s (%u)", name, count);
	unsigned first = column_width(rows, count, 0, title, width ? width / 3 : 0);
	unsigned second = column_width(rows, count, 1, "USER", width ? width / 5 : 0);
	struct paragraph at = {.screen = screen, .indent = first + second + 4};
	if (width)
		at.room = width > at.indent + PARTS_REST ? width - at.indent : PARTS_REST;
	sense_buf_addc(screen->out, '\n');
	sense_text_fit(line, title, first, false);
	sense_buf_printf(line, "  %-*s  WHAT", (int)second, "USER");
	line_print(screen, line, SENSE_PAINT_BOLD);
	for (unsigned i = 0; i < count; i += size) {
		size = group_size(rows, i, count);
		if (++groups > rows_shown(screen)) {
			rest += size;
			continue;
		}
		cell_clean(rows[i], 0, text);
		sense_text_fit(screen->out, text, first, false);
		sense_buf_adds(screen->out, "  ");
		cell_clean(rows[i], 1, text);
		sense_text_fit(screen->out, text, second, false);
		sense_buf_adds(screen->out, "  ");
		paragraph_print(&at, rows + i, size);
	}
	rest_print(screen, rest, 0, line);
	free(rows);
	return true;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static void left_out_print(const struct sense_screen *screen, struct sense_buf *line)
{
	uint64_t beyond = 0;
	for (unsigned i = 0; i < SENSE_SECTIONS; i++)
		beyond += screen->inventory->sections[i].beyond;
	if (!beyond)
		return;
	sense_buf_addc(screen->out, '\n');
	sense_buf_printf(line, "%llu more came than are kept, and were left out", (ull)beyond);
	line_print(screen, line, sense_severity_paint(SENSE_MEDIUM));
}

void sense_inventory_print(const sense_inventory *inventory, const struct sense_table_style *style,
                           const struct sense_inventory_totals *totals, struct sense_buf *out)
{
	static const enum sense_section before[] = {SENSE_SECTION_TOOLS, SENSE_SECTION_SERVICES,
	                                            SENSE_SECTION_MCP, SENSE_SECTION_MODELS};
	static const enum sense_section after[] = {SENSE_SECTION_FILES, SENSE_SECTION_LISTENERS,
	                                           SENSE_SECTION_GPUS, SENSE_SECTION_OTHERS};
	struct sense_screen screen = {.inventory = inventory, .style = style, .totals = totals, .out = out};
	struct sense_buf line;
	bool any = false;
	sense_buf_init(&line, 0);
	head_print(&screen, &line);
	findings_print(&screen, &line);
	gaps_announce(&screen, &line);
	section_print(&screen, SENSE_SECTION_RISKS, &line);
	for (unsigned i = 0; i < sizeof before / sizeof *before; i++)
		any |= section_print(&screen, before[i], &line);
	any |= parts_print(&screen, SENSE_SECTION_EXTENSIONS, "EXTENSIONS", &line);
	any |= parts_print(&screen, SENSE_SECTION_PACKAGES, "PACKAGES", &line);
	for (unsigned i = 0; i < sizeof after / sizeof *after; i++)
		any |= section_print(&screen, after[i], &line);
	if (!any)
		sense_buf_adds(out,
		               "\nNo AI tool, service, MCP server, model, extension or package was found.\n");
	section_print(&screen, SENSE_SECTION_GAPS, &line);
	left_out_print(&screen, &line);
	sense_buf_fini(&line);
}

void sense_inventory_gaps_log(const sense_inventory *inventory, const char *subsystem)
{
	unsigned count;
	uint64_t unknown = 0;
	const struct sense_inventory_row **rows =
	    sense_inventory_order(inventory, SENSE_SECTION_GAPS, &count);
	struct sense_line *lines = calloc(count + 1u, sizeof *lines);
	unsigned made = lines && rows ? lines_make(rows, count, lines, &unknown) : 0;
	const struct sense_section_view *view = sense_section_view(SENSE_SECTION_GAPS);
	struct sense_screen screen = {.inventory = inventory, .lines = lines};
	for (unsigned i = 0; i < made && i < SENSE_INVENTORY_ROWS_SHOWN; i++) {
		char cells[4][SENSE_GRID_CELL_MAX]; /* what, count, where, why */
		for (unsigned c = 0; c < 4; c++) {
			const char *text = view->cell(&screen, i, c, cells[c]);
			if (text != cells[c])
				snprintf(cells[c], sizeof cells[c], "%s", text);
		}
		sense_log(SENSE_LOG_WARN, subsystem, "not seen: %s%s%s%s%s%s: %s", cells[0],
		          *cells[1] ? " (" : "", cells[1], *cells[1] ? ")" : "", *cells[2] ? " of " : "",
		          cells[2], *cells[3] ? cells[3] : "it is not said why");
	}
	free(lines);
	free(rows);
}
