/*
 * What a person or a program sees of one pass over this host: `sense-agent scan` and `inventory`.
 *
 * Whoever makes the pass hands over what it brings, and calls the end once. Findings as JSON go out as they
 * come, everything else when the pass has ended. Texts are borrowed for the call.
 */
#ifndef SENSE_CLI_SCAN_H
#define SENSE_CLI_SCAN_H

#include "core/cli/cli.h"
#include "core/inventory/inventory.h"

enum sense_scan_form {
	SENSE_SCAN_SCREEN,   /* scan, inventory */
	SENSE_SCAN_FINDINGS, /* scan --json: one object a line */
	SENSE_SCAN_OBJECT    /* inventory --json */
};
enum sense_scan_form sense_scan_form_of(const struct sense_cli *cli);
/* Lines of a section: what `inventory` lists is most of it on the screen, too. */
unsigned sense_scan_rows_of(const struct sense_cli *cli);

typedef struct sense_scan sense_scan;

sense_scan *sense_scan_new(enum sense_scan_form form, enum sense_cli_color color); /* NULL: no memory */
void sense_scan_free(sense_scan *scan);

/* A host event of the pass. */
void sense_scan_event(void *self, enum sense_event_kind kind, const struct sense_given *given,
                      uint64_t ts_us);
/* False: nobody reads any more. */
bool sense_scan_finding(void *self, const struct sense_finding *finding);
/*
 * Shows what there is to be shown; the name of this machine and the time are filled in where they are not
 * known. What a scan as JSON could not see is said on stderr, once for each kind. False: the output could not
 * be written.
 */
bool sense_scan_end(sense_scan *scan, const struct sense_inventory_totals *totals);

#endif
