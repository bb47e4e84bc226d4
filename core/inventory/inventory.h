/*
 * What one pass over this host found: gathered from host events and findings, then shown as one screen
 * or as one JSON object (docs/output.md).
 *
 * Nothing is borrowed: what is kept is copied. Memory is bounded (SENSE_INVENTORY_...); what the bounds
 * leave out is counted and said. Texts come from processes, paths and files of anybody: on the screen as
 * core/show/text.h has them, in JSON escaped. The same input in any order prints the same, but for which
 * pid and which of several commands stands for a tool.
 */
#ifndef SENSE_INVENTORY_INVENTORY_H
#define SENSE_INVENTORY_INVENTORY_H

#include "core/rules/event.h"
#include "core/show/grid.h"
#include "proto/finding.h"

#define SENSE_INVENTORY_ROWS_MAX 10000u           /* of one section */
#define SENSE_INVENTORY_TEXT_MAX 1024u            /* bytes of one text; what is longer is cut */
#define SENSE_INVENTORY_MEMORY ((size_t)48 << 20) /* bytes of all rows */
#define SENSE_INVENTORY_FINDINGS_MAX 10000u
#define SENSE_INVENTORY_FINDINGS_MEMORY ((size_t)24 << 20) /* bytes of them as JSON */
#define SENSE_INVENTORY_ROWS_SHOWN 15u                     /* of one section, on the screen */

typedef struct sense_inventory sense_inventory;

/* What is known about the pass as a whole. */
struct sense_inventory_totals {
	const char *host; /* name of this machine; NULL: not known */
	uint64_t ts_us;   /* when it was looked at, since the epoch */
	unsigned rows;    /* of one section that the screen shows; 0: SENSE_INVENTORY_ROWS_SHOWN */
	/* What the catalogue calls a tool, and its class; NULL, or returning NULL: not known. */
	void *catalogue;
	const char *(*tool_name)(void *catalogue, const char *id);
	const char *(*tool_class)(void *catalogue, const char *id);
};

sense_inventory *sense_inventory_new(void); /* NULL: no memory */
void sense_inventory_free(sense_inventory *inventory);

/*
 * Each host event of the pass: process.start (here: found running), listen, file, mcp, inventory, gap.
 * Others are passed over, and so is what was removed. `given` is borrowed for the call.
 */
void sense_inventory_event(sense_inventory *inventory, enum sense_event_kind kind,
                           const struct sense_given *given, uint64_t ts_us);
void sense_inventory_finding(sense_inventory *inventory, const struct sense_finding *finding);

/* What could not be seen, as warnings of this subsystem: one for each kind and reason. */
void sense_inventory_gaps_log(const sense_inventory *inventory, const char *subsystem);

void sense_inventory_print(const sense_inventory *inventory, const struct sense_table_style *style,
                           const struct sense_inventory_totals *totals, struct sense_buf *out);
/* One object and a newline. */
void sense_inventory_json(const sense_inventory *inventory, const struct sense_inventory_totals *totals,
                          struct sense_buf *out);

#endif
