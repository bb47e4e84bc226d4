/*
 * Findings as a table that a person reads: fused by (service, host, client, rule), the gravest
 * first, as wide as the terminal.
 *
 * Texts come from captures: control characters never reach the terminal, and what is not UTF-8
 * becomes U+FFFD. Memory is bounded by the number of rows; findings beyond it are still counted.
 */
#ifndef SENSE_CLI_TABLE_H
#define SENSE_CLI_TABLE_H

#include "core/base/buf.h"
#include "core/base/status.h"
#include "core/show/grid.h"
#include "proto/finding.h"
#include "proto/flowrecord.h"

typedef struct sense_table sense_table;

struct sense_table_totals {
	uint64_t flows;
	uint64_t packets;
	unsigned files;
	uint64_t observed; /* hits that are not shown, for their rules only observe */
};

sense_table *sense_table_new(void); /* NULL: no memory */
void sense_table_free(sense_table *table);

/*
 * Details that are read: bytes_up, bytes_down, user_agent. The client is the user agent, else the
 * process, else the source address.
 */
void sense_table_finding(sense_table *table, const struct sense_finding *finding);
/*
 * A flow that has ended: its bytes are added to the rows that had a finding about its source and host,
 * and its user agent or process names a client of which the finding knew the address only. Flows that
 * come before their finding, or had none, are not needed.
 */
void sense_table_flow(sense_table *table, const struct sense_flowrecord *record);

/* Renders rows and the closing line; totals NULL: findings that came from no run. Rows added later start from
 * what is there. */
void sense_table_print(sense_table *table, const struct sense_table_style *style,
                       const struct sense_table_totals *totals, struct sense_buf *out);

#endif
