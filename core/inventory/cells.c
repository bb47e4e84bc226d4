#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/conf/units.h"
#include "core/inventory/text.h"
#include "core/show/text.h"

#define PART_MAX 512 /* bytes of a text that stands among others in a cell */

static const struct sense_line *line_at(const void *self, unsigned line)
{
	return &((const struct sense_screen *)self)->lines[line];
}

/* The field's text, fit to be printed; "" when it is not known. */
static const char *clean(const struct sense_inventory_row *row, unsigned field, char *scratch)
{
	const char *text = sense_row_text(row, field);
	sense_text_clean(text ? text : "", scratch, SENSE_GRID_CELL_MAX);
	return scratch;
}

/* ---- several texts in one cell ---------------------------------------------------------------------- */

struct phrase {
	char *text; /* SENSE_GRID_CELL_MAX bytes */
	size_t used;
};

/* Adds a part, of clean texts. */
__attribute__((format(printf, 2, 3))) static void say(struct phrase *phrase, const char *fmt, ...)
{
	va_list args;
	size_t room = SENSE_GRID_CELL_MAX - phrase->used;
	va_start(args, fmt);
	int written = vsnprintf(phrase->text + phrase->used, room, fmt, args);
	va_end(args);
	if (written > 0)
		phrase->used += (size_t)written < room ? (size_t)written : room - 1;
}

static void say_next(struct phrase *phrase)
{
	if (phrase->used)
		say(phrase, "; ");
}

/* Nothing where the text is not known. */
static void say_field(struct phrase *phrase, const char *before, const struct sense_inventory_row *row,
                      unsigned field)
{
	char part[PART_MAX];
	const char *text = sense_row_text(row, field);
	if (!text)
		return;
	sense_text_clean(text, part, sizeof part);
	say_next(phrase);
	say(phrase, "%s%s", before, part);
}

/* ---- risks ----------------------------------------------------------------------------------------- */

enum { RISK_SEVERITY, RISK_WHAT, RISK_TIMES, RISK_RULE, RISK_COLUMNS };

static const struct sense_grid_column risk_columns[] = {
    [RISK_SEVERITY] = {.title = "RISKS"},
    [RISK_WHAT] = {.title = "WHAT WAS FOUND", .least = 20},
    [RISK_TIMES] = {.title = "", .right = true},
    [RISK_RULE] = {.title = "RULE", .least = 12},
};

static const char *risk_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	const struct sense_inventory_row *row = line_at(self, line)->row;
	switch (column) {
	case RISK_SEVERITY:
		return sense_severity_name((enum sense_severity)row->rank);
	case RISK_WHAT:
		return clean(row, SENSE_CELL_SUMMARY, scratch);
	case RISK_TIMES:
		snprintf(scratch, SENSE_GRID_CELL_MAX, "x%llu", (unsigned long long)row->count);
		return row->count > 1 ? scratch : "";
	default:
		return clean(row, SENSE_CELL_RULE, scratch);
	}
}

static const char *risk_color(const void *self, unsigned line, unsigned column)
{
	return column == RISK_SEVERITY ? sense_severity_paint(line_at(self, line)->row->rank) : "";
}

/* ---- tools ----------------------------------------------------------------------------------------- */

enum { TOOL_NAME, TOOL_CLASS, TOOL_USER, TOOL_PIDS, TOOL_HOW, TOOL_COLUMNS };

static const struct sense_grid_column tool_columns[] = {
    [TOOL_NAME] = {.title = "AI TOOLS", .least = 12},   [TOOL_CLASS] = {.title = "CLASS", .least = 8},
    [TOOL_USER] = {.title = "USER", .least = 6},        [TOOL_PIDS] = {.title = "PIDS", .right = true},
    [TOOL_HOW] = {.title = "HOW IT RUNS", .least = 16},
};

/* What the catalogue says about the tool, else `unknown`. */
static const char *told(const struct sense_screen *screen, const char *(*ask)(void *, const char *),
                        const struct sense_inventory_row *row, const char *unknown, char *scratch)
{
	const char *id = sense_row_text(row, SENSE_FIELD_TOOL);
	const char *text = ask && id ? ask(screen->totals->catalogue, id) : NULL;
	sense_text_clean(text ? text : unknown ? unknown : "", scratch, SENSE_GRID_CELL_MAX);
	return scratch;
}

static void say_listens(struct phrase *phrase, const struct sense_inventory_row *row)
{
	char address[64];
	for (unsigned i = 0; i < SENSE_ROW_LISTENS_MAX && row->listens[i]; i++) {
		if (i && sense_rows_share_line(row->listens[i - 1], row->listens[i]))
			continue;
		sense_row_address(row->listens[i], address, sizeof address);
		if (!i)
			say_next(phrase);
		say(phrase, i ? ", %s" : "listens on %s", address);
	}
	if (row->listen_count > SENSE_ROW_LISTENS_MAX)
		say(phrase, " and %llu more",
		    (unsigned long long)(row->listen_count - SENSE_ROW_LISTENS_MAX));
}

/* What matters most comes first: the end is cut on a narrow terminal. */
static const char *tool_how(const struct sense_inventory_row *row, char *scratch)
{
	struct phrase phrase = {.text = scratch};
	const char *agent = sense_row_text(row, SENSE_FIELD_PROCESS_AGENT);
	const char *tool = sense_row_text(row, SENSE_FIELD_TOOL);
	*scratch = '\0';
	if (row->unattended && row->unattended < row->count)
		say(&phrase, "%llu unattended", (unsigned long long)row->unattended);
	else if (row->unattended)
		say(&phrase, "unattended");
	say_listens(&phrase, row);
	if (row->started) {
		say_next(&phrase);
		say(&phrase, "started %llu program%s", (unsigned long long)row->started,
		    row->started == 1 ? "" : "s");
	}
	if (agent && tool && strcmp(agent, tool) != 0)
		say_field(&phrase, "started by ", row, SENSE_FIELD_PROCESS_AGENT);
	say_field(&phrase, "in ", row, SENSE_FIELD_PROCESS_CONTAINER);
	say_field(&phrase, "", row, SENSE_FIELD_PROCESS_UNATTENDED);
	if (!phrase.used)
		say_field(&phrase, "from ", row, SENSE_FIELD_PROCESS_PARENT);
	return scratch;
}

static const char *tool_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	const struct sense_screen *screen = self;
	const struct sense_inventory_row *row = line_at(self, line)->row;
	switch (column) {
	case TOOL_NAME:
		return told(screen, screen->totals->tool_name, row, sense_row_text(row, SENSE_FIELD_TOOL),
		            scratch);
	case TOOL_CLASS:
		return told(screen, screen->totals->tool_class, row, NULL, scratch);
	case TOOL_USER:
		return clean(row, SENSE_FIELD_USER, scratch);
	case TOOL_PIDS:
		snprintf(scratch, SENSE_GRID_CELL_MAX, "%llu", (unsigned long long)row->count);
		return row->count ? scratch : "";
	default:
		return tool_how(row, scratch);
	}
}

static const char *tool_color(const void *self, unsigned line, unsigned column)
{
	const struct sense_inventory_row *row = line_at(self, line)->row;
	if (column != TOOL_HOW || !row->rank)
		return "";
	return sense_severity_paint(row->unattended ? SENSE_HIGH : SENSE_MEDIUM);
}

/* ---- services and MCP servers ---------------------------------------------------------------------- */

enum { SERVICE_NAME, SERVICE_CATEGORY, SERVICE_USER, SERVICE_PROGRAM, SERVICE_BY, SERVICE_COLUMNS };

static const struct sense_grid_column service_columns[] = {
    [SERVICE_NAME] = {.title = "AI SERVICES", .least = 12},
    [SERVICE_CATEGORY] = {.title = "CATEGORY", .least = 6},
    [SERVICE_USER] = {.title = "USER", .least = 6},
    [SERVICE_PROGRAM] = {.title = "PROGRAM", .least = 8},
    [SERVICE_BY] = {.title = "KNOWN BY", .least = 12},
};

static const char *service_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	const struct sense_inventory_row *row = line_at(self, line)->row;
	struct phrase phrase = {.text = scratch};
	bool named = sense_row_text(row, SENSE_FIELD_SERVICE_NAME) != NULL;
	switch (column) {
	case SERVICE_NAME:
		return clean(row, named ? SENSE_FIELD_SERVICE_NAME : SENSE_FIELD_SERVICE_ID, scratch);
	case SERVICE_CATEGORY:
		return clean(row, SENSE_FIELD_SERVICE_CATEGORY, scratch);
	case SERVICE_USER:
		return clean(row, SENSE_FIELD_USER, scratch);
	case SERVICE_PROGRAM:
		return clean(row, SENSE_FIELD_PROCESS_NAME, scratch);
	default:
		*scratch = '\0';
		say_field(&phrase, "MCP server ", row, SENSE_FIELD_MCP_SERVER);
		say_field(&phrase, "", row, SENSE_FIELD_HOST);
		return scratch;
	}
}

enum { MCP_SERVER, MCP_CLIENT, MCP_USER, MCP_RUNS, MCP_NOTES, MCP_VIA, MCP_COLUMNS };

static const struct sense_grid_column mcp_columns[] = {
    [MCP_SERVER] = {.title = "MCP SERVERS", .least = 10},
    [MCP_CLIENT] = {.title = "CLIENT", .least = 8},
    [MCP_USER] = {.title = "USER", .least = 6},
    [MCP_RUNS] = {.title = "RUNS", .least = 14, .cut = SENSE_CUT_MIDDLE},
    [MCP_NOTES] = {.title = "NOTES", .least = 14},
    [MCP_VIA] = {.title = "VIA"},
};

static bool unpinned(const struct sense_inventory_row *row)
{
	const struct sense_inventory_cell *pinned = sense_row_cell(row, SENSE_FIELD_MCP_PINNED);
	return pinned && !pinned->number;
}

static const char *mcp_notes(const struct sense_inventory_row *row, char *scratch)
{
	struct phrase phrase = {.text = scratch};
	const char *secrets = sense_row_text(row, SENSE_FIELD_MCP_SECRETS);
	*scratch = '\0';
	if (unpinned(row))
		say(&phrase, "unpinned");
	if (secrets)
		say_field(&phrase, strchr(secrets, ',') ? "secrets " : "secret ", row,
		          SENSE_FIELD_MCP_SECRETS);
	return scratch;
}

/* The package says more in less room than the command that fetches it; that a URL has TLS is the usual. */
static const char *mcp_runs(const struct sense_inventory_row *row, char *scratch)
{
	static const char usual[] = "https://";
	if (sense_row_text(row, SENSE_FIELD_MCP_PACKAGE))
		return clean(row, SENSE_FIELD_MCP_PACKAGE, scratch);
	if (!sense_row_text(row, SENSE_FIELD_MCP_URL))
		return clean(row, SENSE_FIELD_MCP_COMMAND, scratch);
	clean(row, SENSE_FIELD_MCP_URL, scratch);
	return strncmp(scratch, usual, strlen(usual)) ? scratch : scratch + strlen(usual);
}

static const char *mcp_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	static const unsigned fields[] = {[MCP_SERVER] = SENSE_FIELD_MCP_SERVER,
	                                  [MCP_CLIENT] = SENSE_FIELD_MCP_CLIENT,
	                                  [MCP_USER] = SENSE_FIELD_USER,
	                                  [MCP_VIA] = SENSE_FIELD_MCP_TRANSPORT};
	const struct sense_inventory_row *row = line_at(self, line)->row;
	if (column == MCP_NOTES)
		return mcp_notes(row, scratch);
	if (column != MCP_RUNS)
		return clean(row, fields[column], scratch);
	return mcp_runs(row, scratch);
}

static const char *mcp_color(const void *self, unsigned line, unsigned column)
{
	const struct sense_inventory_row *row = line_at(self, line)->row;
	bool noted = unpinned(row) || sense_row_text(row, SENSE_FIELD_MCP_SECRETS);
	return column == MCP_NOTES && noted ? sense_severity_paint(SENSE_MEDIUM) : "";
}

/* ---- models and files ------------------------------------------------------------------------------ */

enum { MODEL_NAME, MODEL_SIZE, MODEL_USER, MODEL_FILES, MODEL_FOLDER, MODEL_COLUMNS };

static const struct sense_grid_column model_columns[] = {
    [MODEL_NAME] = {.title = "MODELS", .least = 34, .cut = SENSE_CUT_MIDDLE},
    [MODEL_SIZE] = {.title = "SIZE", .right = true},
    [MODEL_USER] = {.title = "USER", .least = 6},
    [MODEL_FILES] = {.title = "FILES", .right = true},
    [MODEL_FOLDER] = {.title = "FOLDER", .least = 16, .cut = SENSE_CUT_MIDDLE},
};

/*
 * What people call it: the repository of a download cache (Hugging Face: models--ORG--NAME), a digest in
 * short, else the file. `path` is clean, and changed.
 */
static const char *model_name(char *path)
{
	char *cache = strstr(path, "/models--"), *slash = strrchr(path, '/'),
	     *name = slash ? slash + 1 : path;
	if (cache) {
		name = cache + strlen("/models--");
		name[strcspn(name, "/")] = '\0';
		char *org = strstr(name, "--");
		if (org) {
			*org = '/';
			memmove(org + 1, org + 2, strlen(org + 2) + 1);
		}
	} else if (!strncmp(name, "sha256-", 7) && strlen(name) == 71) {
		name[19] = '\0';
	}
	return name;
}

static const char *model_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	const struct sense_inventory_row *row = line_at(self, line)->row;
	clean(row, SENSE_FIELD_FILE_PATH, scratch);
	char *slash = strrchr(scratch, '/');
	switch (column) {
	case MODEL_NAME:
		return model_name(scratch);
	case MODEL_SIZE:
		if (!sense_row_cell(row, SENSE_FIELD_FILE_SIZE))
			return "";
		sense_bytes_format(sense_row_number(row, SENSE_FIELD_FILE_SIZE), scratch,
		                   SENSE_GRID_CELL_MAX);
		return scratch;
	case MODEL_USER:
		return clean(row, SENSE_FIELD_USER, scratch);
	case MODEL_FILES:
		snprintf(scratch, SENSE_GRID_CELL_MAX, "%llu", (unsigned long long)row->count);
		return row->count > 1 ? scratch : "";
	default:
		slash = strstr(scratch, "/models--") ? strstr(scratch, "/models--") : slash;
		if (slash && slash != scratch)
			*slash = '\0';
		return slash ? scratch : "";
	}
}

enum { FILE_KIND, FILE_USER, FILE_COUNT, FILE_PATH, FILE_COLUMNS };

static const struct sense_grid_column file_columns[] = {
    [FILE_KIND] = {.title = "FILES OF AGENTS", .least = 12},
    [FILE_USER] = {.title = "USER", .least = 6},
    [FILE_COUNT] = {.title = "FILES", .right = true},
    [FILE_PATH] = {.title = "FOR EXAMPLE", .least = 20, .cut = SENSE_CUT_MIDDLE},
};

static const char *file_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	static const unsigned fields[] = {[FILE_KIND] = SENSE_FIELD_FILE_KIND,
	                                  [FILE_USER] = SENSE_FIELD_USER,
	                                  [FILE_PATH] = SENSE_FIELD_FILE_PATH};
	if (column != FILE_COUNT)
		return clean(line_at(self, line)->row, fields[column], scratch);
	snprintf(scratch, SENSE_GRID_CELL_MAX, "%llu", (unsigned long long)line_at(self, line)->rows);
	return scratch;
}

/* ---- listeners, GPUs, others, gaps ----------------------------------------------------------------- */

enum { LISTEN_PROGRAM, LISTEN_ADDRESS, LISTEN_REACH, LISTEN_USER, LISTEN_WHAT, LISTEN_COLUMNS };

static const struct sense_grid_column listen_columns[] = {
    [LISTEN_PROGRAM] = {.title = "LISTENING", .least = 12},
    [LISTEN_ADDRESS] = {.title = "ADDRESS", .least = 12},
    [LISTEN_REACH] = {.title = "REACHED FROM", .least = 9},
    [LISTEN_USER] = {.title = "USER", .least = 6},
    [LISTEN_WHAT] = {.title = "WHAT", .least = 8},
};

static const char *reach(const struct sense_inventory_row *row)
{
	static const char *const words[][2] = {{"loopback", "this host"},
	                                       {"any", "any network"},
	                                       {"private", "private network"},
	                                       {"link", "same link"},
	                                       {"public", "the internet"}};
	const char *scope = sense_row_text(row, SENSE_FIELD_LISTEN_SCOPE);
	for (unsigned i = 0; scope && i < sizeof words / sizeof *words; i++)
		if (!strcmp(scope, words[i][0]))
			return words[i][1];
	return "";
}

/* The tool, and what it answered when that is not its name. */
static const char *listen_what(const struct sense_screen *screen, const struct sense_inventory_row *row,
                               char *scratch)
{
	char speaks[PART_MAX];
	const char *text = sense_row_text(row, SENSE_FIELD_LISTEN_SPEAKS);
	told(screen, screen->totals->tool_name, row, sense_row_text(row, SENSE_FIELD_TOOL), scratch);
	struct phrase phrase = {.text = scratch, .used = strlen(scratch)};
	sense_text_clean(text ? text : "", speaks, sizeof speaks);
	if (*speaks && strcmp(speaks, scratch) != 0)
		say(&phrase, "%s%s", phrase.used ? ": " : "", speaks);
	return scratch;
}

static const char *listen_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	const struct sense_inventory_row *row = line_at(self, line)->row;
	switch (column) {
	case LISTEN_PROGRAM:
		return clean(row,
		             sense_row_text(row, SENSE_FIELD_PROCESS_NAME) ? SENSE_FIELD_PROCESS_NAME
		                                                           : SENSE_FIELD_TOOL,
		             scratch);
	case LISTEN_ADDRESS:
		sense_row_address(row, scratch, SENSE_GRID_CELL_MAX);
		return scratch;
	case LISTEN_REACH:
		return reach(row);
	case LISTEN_USER:
		return clean(row, SENSE_FIELD_USER, scratch);
	default:
		return listen_what(self, row, scratch);
	}
}

static const char *listen_color(const void *self, unsigned line, unsigned column)
{
	const char *scope = sense_row_text(line_at(self, line)->row, SENSE_FIELD_LISTEN_SCOPE);
	bool reachable = scope && strcmp(scope, "loopback") != 0;
	return column == LISTEN_REACH && reachable ? sense_severity_paint(SENSE_MEDIUM) : "";
}

static const unsigned gpu_fields[] = {SENSE_FIELD_INVENTORY_NAME, SENSE_FIELD_INVENTORY_VERSION,
                                      SENSE_FIELD_PROCESS_NAME, SENSE_FIELD_USER, SENSE_FIELD_INVENTORY_PATH};
static const struct sense_grid_column gpu_columns[] = {
    {.title = "GPU", .least = 12},
    {.title = "VERSION", .least = 8},
    {.title = "USED BY", .least = 8},
    {.title = "USER", .least = 6},
    {.title = "DEVICE", .least = 12, .cut = SENSE_CUT_MIDDLE},
};

static const unsigned other_fields[] = {
    SENSE_FIELD_INVENTORY_NAME, SENSE_FIELD_INVENTORY_KIND, SENSE_FIELD_INVENTORY_VERSION,
    SENSE_FIELD_INVENTORY_APP,  SENSE_FIELD_USER,           SENSE_FIELD_INVENTORY_PATH};
static const struct sense_grid_column other_columns[] = {
    {.title = "ALSO FOUND", .least = 12}, {.title = "KIND", .least = 8},
    {.title = "VERSION", .least = 6},     {.title = "PART OF", .least = 8},
    {.title = "USER", .least = 6},        {.title = "PATH", .least = 12, .cut = SENSE_CUT_MIDDLE},
};

static const char *gpu_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	return clean(line_at(self, line)->row, gpu_fields[column], scratch);
}

static const char *other_cell(const void *self, unsigned line, unsigned column, char *scratch)
{
	return clean(line_at(self, line)->row, other_fields[column], scratch);
}

enum { GAP_WHAT, GAP_COUNT, GAP_WHERE, GAP_WHY, GAP_COLUMNS };

static const struct sense_grid_column gap_columns[] = {
    [GAP_WHAT] = {.title = "NOT SEEN", .least = 10},
    [GAP_COUNT] = {.title = "COUNT", .right = true},
    [GAP_WHERE] = {.title = "WHERE", .least = 16, .cut = SENSE_CUT_MIDDLE},
    [GAP_WHY] = {.title = "WHY", .least = 20},
};

static const char *gap_cell(const void *self, unsigned index, unsigned column, char *scratch)
{
	const struct sense_line *line = line_at(self, index);
	struct phrase phrase = {.text = scratch};
	switch (column) {
	case GAP_WHAT:
		return clean(line->row, SENSE_FIELD_GAP_WHAT, scratch);
	case GAP_COUNT:
		snprintf(scratch, SENSE_GRID_CELL_MAX, line->sum < 1e12 ? "%.0f" : "%.3g", line->sum);
		return line->sum > 0 ? scratch : "";
	case GAP_WHERE:
		*scratch = '\0';
		say_field(&phrase, "", line->row, SENSE_FIELD_GAP_WHERE);
		if (line->rows > 1)
			say(&phrase, " and %llu more", (unsigned long long)(line->rows - 1));
		return scratch;
	default:
		return clean(line->row, SENSE_FIELD_GAP_WHY, scratch);
	}
}

/* ---- all of them ------------------------------------------------------------------------------------ */

static const char *no_color(const void *self, unsigned line, unsigned column)
{
	(void)self, (void)line, (void)column;
	return "";
}

#define COUNT(columns) (sizeof columns / sizeof *columns)

static const struct sense_section_view views[SENSE_SECTIONS] = {
    [SENSE_SECTION_RISKS] = {"RISKS", risk_columns, RISK_RULE, RISK_COLUMNS, risk_cell, risk_color},
    [SENSE_SECTION_TOOLS] = {"AI TOOLS", tool_columns, TOOL_COLUMNS, TOOL_COLUMNS, tool_cell, tool_color},
    [SENSE_SECTION_SERVICES] = {"AI SERVICES", service_columns, SERVICE_COLUMNS, SERVICE_COLUMNS,
                                service_cell, no_color},
    [SENSE_SECTION_MCP] = {"MCP SERVERS", mcp_columns, MCP_VIA, MCP_COLUMNS, mcp_cell, mcp_color},
    [SENSE_SECTION_MODELS] = {"MODELS", model_columns, MODEL_COLUMNS, MODEL_COLUMNS, model_cell, no_color},
    [SENSE_SECTION_FILES] = {"FILES OF AGENTS", file_columns, FILE_COLUMNS, FILE_COLUMNS, file_cell,
                             no_color},
    [SENSE_SECTION_LISTENERS] = {"LISTENING", listen_columns, LISTEN_COLUMNS, LISTEN_COLUMNS, listen_cell,
                                 listen_color},
    [SENSE_SECTION_GPUS] = {"GPU", gpu_columns, COUNT(gpu_columns), COUNT(gpu_columns), gpu_cell, no_color},
    [SENSE_SECTION_OTHERS] = {"ALSO FOUND", other_columns, COUNT(other_columns), COUNT(other_columns),
                              other_cell, no_color},
    [SENSE_SECTION_GAPS] = {"NOT SEEN", gap_columns, GAP_COLUMNS, GAP_COLUMNS, gap_cell, no_color},
};

const struct sense_section_view *sense_section_view(enum sense_section section)
{
	return &views[section];
}

static bool same(const struct sense_inventory_row *x, const struct sense_inventory_row *y, unsigned field)
{
	const char *a = sense_row_text(x, field), *b = sense_row_text(y, field);
	return a && b ? !strcmp(a, b) : a == b;
}

bool sense_rows_share_line(const struct sense_inventory_row *x, const struct sense_inventory_row *y)
{
	char x_address[64], y_address[64];
	switch (x->section) {
	case SENSE_SECTION_FILES:
		return same(x, y, SENSE_FIELD_FILE_KIND) && same(x, y, SENSE_FIELD_USER);
	case SENSE_SECTION_GAPS:
		return same(x, y, SENSE_FIELD_GAP_WHAT) && same(x, y, SENSE_FIELD_GAP_WHY);
	case SENSE_SECTION_LISTENERS: /* on any address of IPv4, and of IPv6 */
		sense_row_address(x, x_address, sizeof x_address);
		sense_row_address(y, y_address, sizeof y_address);
		return same(x, y, SENSE_FIELD_PROCESS_NAME) && same(x, y, SENSE_FIELD_USER) &&
		       !strcmp(x_address, y_address);
	default:
		return false;
	}
}
