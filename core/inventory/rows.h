/*
 * Rows of an inventory: between the one that gathers (inventory.c) and those that show.
 *
 * A section has columns, most of them fields of the event that brings a row, and is listed once for both
 * gathering and JSON. Rows whose key columns are equal are one row. Rows live as long as the inventory.
 */
#ifndef SENSE_INVENTORY_ROWS_H
#define SENSE_INVENTORY_ROWS_H

#include "core/base/arena.h"
#include "core/inventory/inventory.h"
#include "core/rules/rule.h"

enum sense_section {
	SENSE_SECTION_TOOLS,
	SENSE_SECTION_SERVICES,
	SENSE_SECTION_MCP,
	SENSE_SECTION_MODELS,
	SENSE_SECTION_FILES,
	SENSE_SECTION_LISTENERS,
	SENSE_SECTION_EXTENSIONS,
	SENSE_SECTION_PACKAGES,
	SENSE_SECTION_GPUS,
	SENSE_SECTION_OTHERS, /* kinds of inventory that have no section yet */
	SENSE_SECTION_GAPS,
	SENSE_SECTION_RISKS, /* of findings */
	SENSE_SECTION_USERS,
	SENSE_SECTIONS
};

/* Of findings, which have no fields. */
enum { SENSE_CELL_RULE = SENSE_FIELD_COUNT, SENSE_CELL_SUMMARY };

#define SENSE_SECTION_COLUMNS_MAX 12u

enum { SENSE_COLUMN_KEY = 1, SENSE_COLUMN_SUM = 2, SENSE_COLUMN_LIST = 4 };

struct sense_section_column {
	const char *name; /* in JSON; NULL: the end */
	unsigned field;   /* enum sense_field, or SENSE_CELL_... */
	unsigned flags;
};

struct sense_section_about {
	const char *name;                           /* in JSON */
	const struct sense_section_column *columns; /* keys first, in the order by which rows are sorted */
	unsigned column_count;
};

const struct sense_section_about *sense_section_about(enum sense_section section);

struct sense_inventory_cell {
	enum sense_value_type type; /* NONE, STRING, NUMBER or BOOL */
	const char *text;
	double number; /* BOOL: 0 or 1 */
};

#define SENSE_ROW_LISTENS_MAX 3u

struct sense_inventory_row {
	enum sense_section section;
	int rank;       /* rows of a higher one come first */
	uint64_t count; /* how often it came; of a tool: its processes */
	/* of a tool */
	uint64_t unattended; /* processes that may act without asking */
	uint64_t started;    /* programs that it started, at any remove */
	uint64_t listen_count;
	const struct sense_inventory_row *listens[SENSE_ROW_LISTENS_MAX]; /* the first of them */
	struct sense_inventory_cell cells[];                              /* as the section's columns */
};

struct sense_inventory_section {
	struct sense_inventory_row **rows;
	unsigned count;
	unsigned room;
	uint64_t beyond; /* what came beyond the bounds */
};

struct sense_inventory {
	struct sense_arena arena;
	struct sense_inventory_section sections[SENSE_SECTIONS];
	struct sense_inventory_row **slots; /* by section and keys */
	struct pid_slot *pids;              /* which tool a process is */
	unsigned pid_count;
	uint64_t seed;
	uint64_t processes;
	uint64_t severities[SENSE_CRITICAL + 1]; /* findings */
	uint64_t findings;
	uint64_t findings_beyond;       /* those that findings_json does not have */
	struct sense_buf findings_json; /* objects, a comma behind each */
};

/* NULL when it is not known, or no text. */
const char *sense_row_text(const struct sense_inventory_row *row, unsigned field);
/* 0 when it is not known. */
double sense_row_number(const struct sense_inventory_row *row, unsigned field);
/* The cell; NULL: the section has none, or it is not known. */
const struct sense_inventory_cell *sense_row_cell(const struct sense_inventory_row *row, unsigned field);

/* An AI program listens, as far as is known. */
bool sense_row_is_ai(const struct sense_inventory_row *listener);
/* A tool of which only programs that it started are known is none that runs here. */
bool sense_row_runs(const struct sense_inventory_row *tool);
/* "127.0.0.1:11434", "[::1]:8080", "*:53/udp", of a listener. */
void sense_row_address(const struct sense_inventory_row *listener, char *out, size_t cap);

/* The section's rows in their order, to be freed; NULL: none, or no memory. */
const struct sense_inventory_row **sense_inventory_order(const sense_inventory *inventory,
                                                         enum sense_section section, unsigned *count);

#endif
