#include "core/cli/scan.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "core/show/json.h"
#include "core/show/terminal.h"

struct sense_scan {
	enum sense_scan_form form;
	enum sense_cli_color color;
	sense_inventory *inventory;
	struct sense_output out;
};

#define INVENTORY_ROWS 200u

enum sense_scan_form sense_scan_form_of(const struct sense_cli *cli)
{
	if (!cli->json)
		return SENSE_SCAN_SCREEN;
	return cli->command == SENSE_CLI_INVENTORY ? SENSE_SCAN_OBJECT : SENSE_SCAN_FINDINGS;
}

unsigned sense_scan_rows_of(const struct sense_cli *cli)
{
	return cli->command == SENSE_CLI_INVENTORY ? INVENTORY_ROWS : SENSE_INVENTORY_ROWS_SHOWN;
}

sense_scan *sense_scan_new(enum sense_scan_form form, enum sense_cli_color color)
{
	sense_scan *scan = calloc(1, sizeof *scan);
	if (!scan)
		return NULL;
	scan->form = form;
	scan->color = color;
	scan->out.subsystem = form == SENSE_SCAN_OBJECT ? "inventory" : "scan";
	sense_buf_init(&scan->out.buf, 0);
	scan->inventory = sense_inventory_new();
	if (scan->inventory)
		return scan;
	sense_scan_free(scan);
	return NULL;
}

void sense_scan_free(sense_scan *scan)
{
	if (!scan)
		return;
	sense_inventory_free(scan->inventory);
	sense_buf_fini(&scan->out.buf);
	free(scan);
}

void sense_scan_event(void *self, enum sense_event_kind kind, const struct sense_given *given, uint64_t ts_us)
{
	sense_scan *scan = self;
	sense_inventory_event(scan->inventory, kind, given, ts_us);
}

bool sense_scan_finding(void *self, const struct sense_finding *finding)
{
	sense_scan *scan = self;
	if (scan->form != SENSE_SCAN_FINDINGS) {
		sense_inventory_finding(scan->inventory, finding);
		return true;
	}
	sense_json_finding(&scan->out.buf, finding);
	return sense_output_flush_when_full(&scan->out);
}

static uint64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool sense_scan_end(sense_scan *scan, const struct sense_inventory_totals *totals)
{
	struct sense_inventory_totals all = *totals;
	struct utsname system;
	if (!all.host && !uname(&system))
		all.host = system.nodename;
	if (!all.ts_us)
		all.ts_us = now_us();
	struct sense_table_style style = {sense_terminal_width(), sense_terminal_color(scan->color)};
	switch (scan->form) {
	case SENSE_SCAN_SCREEN:
		sense_inventory_print(scan->inventory, &style, &all, &scan->out.buf);
		break;
	case SENSE_SCAN_OBJECT:
		sense_inventory_json(scan->inventory, &all, &scan->out.buf);
		break;
	case SENSE_SCAN_FINDINGS:
		sense_inventory_gaps_log(scan->inventory, scan->out.subsystem);
		break;
	}
	sense_output_flush(&scan->out);
	return !scan->out.failed;
}
