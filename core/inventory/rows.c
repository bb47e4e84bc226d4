#include "core/inventory/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY SENSE_COLUMN_KEY
#define SUM SENSE_COLUMN_SUM
#define LIST SENSE_COLUMN_LIST
#define FIELD(id) SENSE_FIELD_##id

static const struct sense_section_column tools[] = {
    {"tool", FIELD(TOOL), KEY},
    {"user", FIELD(USER), KEY},
    {"container", FIELD(PROCESS_CONTAINER), KEY},
    {"pid", FIELD(PROCESS_PID), 0},
    {"process", FIELD(PROCESS_NAME), 0},
    {"path", FIELD(PROCESS_PATH), 0},
    {"command", FIELD(PROCESS_COMMAND), 0},
    {"cwd", FIELD(PROCESS_CWD), 0},
    {"parent", FIELD(PROCESS_PARENT), 0},
    {"agent", FIELD(PROCESS_AGENT), 0},
    {"unattended", FIELD(PROCESS_UNATTENDED), 0},
    {"markers", FIELD(PROCESS_MARKERS), LIST},
};

static const struct sense_section_column services[] = {
    {"service", FIELD(SERVICE_ID), KEY},      {"user", FIELD(USER), KEY},
    {"process", FIELD(PROCESS_NAME), KEY},    {"name", FIELD(SERVICE_NAME), 0},
    {"category", FIELD(SERVICE_CATEGORY), 0}, {"host", FIELD(HOST), 0},
    {"mcp_server", FIELD(MCP_SERVER), 0},
};

static const struct sense_section_column mcp[] = {
    {"client", FIELD(MCP_CLIENT), KEY},
    {"server", FIELD(MCP_SERVER), KEY},
    {"user", FIELD(USER), KEY},
    {"config", FIELD(MCP_CONFIG), KEY},
    {"transport", FIELD(MCP_TRANSPORT), 0},
    {"command", FIELD(MCP_COMMAND), 0},
    {"url", FIELD(MCP_URL), 0},
    {"package", FIELD(MCP_PACKAGE), 0},
    {"pinned", FIELD(MCP_PINNED), 0},
    {"secrets", FIELD(MCP_SECRETS), LIST},
    {"service", FIELD(SERVICE_ID), 0},
    {"tool", FIELD(TOOL), 0},
};

static const struct sense_section_column models[] = {
    {"path", FIELD(FILE_PATH), KEY}, {"size", FIELD(FILE_SIZE), 0}, {"kind", FIELD(FILE_KIND), 0},
    {"user", FIELD(USER), 0},        {"tool", FIELD(TOOL), 0},
};

static const struct sense_section_column files[] = {
    {"kind", FIELD(FILE_KIND), KEY}, {"user", FIELD(USER), KEY}, {"path", FIELD(FILE_PATH), KEY},
    {"size", FIELD(FILE_SIZE), 0},   {"tool", FIELD(TOOL), 0},
};

static const struct sense_section_column listeners[] = {
    {"process", FIELD(PROCESS_NAME), KEY},
    {"port", FIELD(LISTEN_PORT), KEY},
    {"l4", FIELD(LISTEN_L4), KEY},
    {"user", FIELD(USER), KEY},
    {"ip", FIELD(LISTEN_IP), KEY},
    {"scope", FIELD(LISTEN_SCOPE), 0},
    {"speaks", FIELD(LISTEN_SPEAKS), 0},
    {"tool", FIELD(TOOL), 0},
    {"pid", FIELD(PROCESS_PID), 0},
    {"path", FIELD(PROCESS_PATH), 0},
    {"container", FIELD(PROCESS_CONTAINER), 0},
};

/* Extensions and packages. */
static const struct sense_section_column parts[] = {
    {"app", FIELD(INVENTORY_APP), KEY},   {"user", FIELD(USER), KEY},
    {"name", FIELD(INVENTORY_NAME), KEY}, {"version", FIELD(INVENTORY_VERSION), KEY},
    {"path", FIELD(INVENTORY_PATH), 0},   {"tool", FIELD(TOOL), 0},
};

static const struct sense_section_column gpus[] = {
    {"name", FIELD(INVENTORY_NAME), KEY},     {"path", FIELD(INVENTORY_PATH), KEY},
    {"process", FIELD(PROCESS_NAME), KEY},    {"user", FIELD(USER), KEY},
    {"version", FIELD(INVENTORY_VERSION), 0}, {"app", FIELD(INVENTORY_APP), 0},
    {"pid", FIELD(PROCESS_PID), 0},           {"tool", FIELD(TOOL), 0},
};

static const struct sense_section_column others[] = {
    {"kind", FIELD(INVENTORY_KIND), KEY},
    {"app", FIELD(INVENTORY_APP), KEY},
    {"user", FIELD(USER), KEY},
    {"name", FIELD(INVENTORY_NAME), KEY},
    {"version", FIELD(INVENTORY_VERSION), KEY},
    {"path", FIELD(INVENTORY_PATH), KEY},
    {"tool", FIELD(TOOL), 0},
};

static const struct sense_section_column gaps[] = {
    {"what", FIELD(GAP_WHAT), KEY},
    {"why", FIELD(GAP_WHY), KEY},
    {"where", FIELD(GAP_WHERE), KEY},
    {"count", FIELD(GAP_COUNT), SUM},
};

static const struct sense_section_column risks[] = {
    {"rule", SENSE_CELL_RULE, KEY},
    {"summary", SENSE_CELL_SUMMARY, KEY},
};

static const struct sense_section_column users[] = {{"user", FIELD(USER), KEY}};

#define SECTION(name, columns)                                  \
	{                                                       \
		name, columns, sizeof columns / sizeof *columns \
	}

static const struct sense_section_about sections[SENSE_SECTIONS] = {
    [SENSE_SECTION_TOOLS] = SECTION("tools", tools),
    [SENSE_SECTION_SERVICES] = SECTION("services", services),
    [SENSE_SECTION_MCP] = SECTION("mcp_servers", mcp),
    [SENSE_SECTION_MODELS] = SECTION("models", models),
    [SENSE_SECTION_FILES] = SECTION("files", files),
    [SENSE_SECTION_LISTENERS] = SECTION("listeners", listeners),
    [SENSE_SECTION_EXTENSIONS] = SECTION("extensions", parts),
    [SENSE_SECTION_PACKAGES] = SECTION("packages", parts),
    [SENSE_SECTION_GPUS] = SECTION("gpus", gpus),
    [SENSE_SECTION_OTHERS] = SECTION("others", others),
    [SENSE_SECTION_GAPS] = SECTION("gaps", gaps),
    [SENSE_SECTION_RISKS] = SECTION("risks", risks),
    [SENSE_SECTION_USERS] = SECTION("users", users),
};

const struct sense_section_about *sense_section_about(enum sense_section section)
{
	return &sections[section];
}

/* ---- cells ----------------------------------------------------------------------------------------- */

const struct sense_inventory_cell *sense_row_cell(const struct sense_inventory_row *row, unsigned field)
{
	const struct sense_section_about *about = &sections[row->section];
	for (unsigned i = 0; i < about->column_count; i++)
		if (about->columns[i].field == field)
			return row->cells[i].type != SENSE_VALUE_NONE ? &row->cells[i] : NULL;
	return NULL;
}

const char *sense_row_text(const struct sense_inventory_row *row, unsigned field)
{
	const struct sense_inventory_cell *cell = sense_row_cell(row, field);
	return cell && cell->type == SENSE_VALUE_STRING ? cell->text : NULL;
}

double sense_row_number(const struct sense_inventory_row *row, unsigned field)
{
	const struct sense_inventory_cell *cell = sense_row_cell(row, field);
	return cell && cell->type == SENSE_VALUE_NUMBER ? cell->number : 0;
}

bool sense_row_is_ai(const struct sense_inventory_row *listener)
{
	return sense_row_text(listener, SENSE_FIELD_TOOL) ||
	       sense_row_text(listener, SENSE_FIELD_LISTEN_SPEAKS);
}

bool sense_row_runs(const struct sense_inventory_row *tool)
{
	return tool->count || tool->listen_count;
}

static bool is_any(const char *address)
{
	return !strcmp(address, "0.0.0.0") || !strcmp(address, "::");
}

void sense_row_address(const struct sense_inventory_row *listener, char *out, size_t cap)
{
	const char *ip = sense_row_text(listener, SENSE_FIELD_LISTEN_IP);
	double port = sense_row_number(listener, SENSE_FIELD_LISTEN_PORT);
	bool six = ip && strchr(ip, ':') && !is_any(ip);
	snprintf(out, cap, "%s%.46s%s:%.0f%s", six ? "[" : "", !ip || is_any(ip) ? "*" : ip, six ? "]" : "",
	         port, sense_row_number(listener, SENSE_FIELD_LISTEN_L4) == 17 ? "/udp" : "");
}

/* ---- order ----------------------------------------------------------------------------------------- */

static int cell_compare(const struct sense_inventory_cell *x, const struct sense_inventory_cell *y)
{
	if (x->type != y->type)
		return (x->type > y->type) - (x->type < y->type); /* what is not known comes first */
	if (x->type == SENSE_VALUE_STRING)
		return strcmp(x->text, y->text);
	return (x->number > y->number) - (x->number < y->number);
}

/* The larger model, the graver risk. */
static double weight(const struct sense_inventory_row *row)
{
	return row->section == SENSE_SECTION_MODELS ? sense_row_number(row, SENSE_FIELD_FILE_SIZE)
	     : row->section == SENSE_SECTION_RISKS  ? (double)row->count
	                                            : 0;
}

static int by_place(const void *a, const void *b)
{
	const struct sense_inventory_row *x = *(const struct sense_inventory_row *const *)a;
	const struct sense_inventory_row *y = *(const struct sense_inventory_row *const *)b;
	const struct sense_section_about *about = &sections[x->section];
	int order = (y->rank > x->rank) - (y->rank < x->rank);
	if (!order)
		order = (weight(y) > weight(x)) - (weight(y) < weight(x));
	for (unsigned i = 0; !order && i < about->column_count; i++)
		if (about->columns[i].flags & SENSE_COLUMN_KEY)
			order = cell_compare(&x->cells[i], &y->cells[i]);
	return order;
}

const struct sense_inventory_row **sense_inventory_order(const sense_inventory *inventory,
                                                         enum sense_section section, unsigned *count)
{
	const struct sense_inventory_section *of = &inventory->sections[section];
	const struct sense_inventory_row **order = of->count ? calloc(of->count, sizeof *order) : NULL;
	*count = 0;
	for (unsigned i = 0; order && i < of->count; i++)
		if (section != SENSE_SECTION_TOOLS || sense_row_runs(of->rows[i]))
			order[(*count)++] = of->rows[i];
	if (order)
		qsort(order, *count, sizeof *order, by_place);
	return order;
}
