/* The inventory as one JSON object. */
#include <stdlib.h>
#include <string.h>

#include "core/inventory/text.h"
#include "core/show/json.h"

static const char *look_up(const char *(*function)(void *, const char *), void *catalogue, const char *id)
{
	return function && id ? function(catalogue, id) : NULL;
}

/* "A, B" as a list; what is not known is an empty one. */
static void member_list(struct sense_json *json, const char *name, const char *text)
{
	char item[SENSE_INVENTORY_TEXT_MAX + 1];
	sense_json_key(json, name);
	sense_json_open(json, '[');
	while (text && *text) {
		text += strspn(text, ", ");
		size_t len = strcspn(text, ",");
		memcpy(item, text, len); /* no text of a row is longer */
		item[len] = '\0';
		if (len)
			sense_json_string(json, item);
		text += len;
	}
	sense_json_close(json, ']');
}

static void member_cell(struct sense_json *json, const struct sense_section_column *column,
                        const struct sense_inventory_cell *cell)
{
	if (column->flags & SENSE_COLUMN_LIST)
		member_list(json, column->name, cell->text);
	else if (cell->type == SENSE_VALUE_NUMBER)
		sense_json_member_number(json, column->name, cell->number);
	else if (cell->type == SENSE_VALUE_BOOL)
		sense_json_member_bool(json, column->name, cell->number != 0);
	else
		sense_json_member(json, column->name, cell->text);
}

static void tool_members(struct sense_json *json, const struct sense_inventory_row *row,
                         const struct sense_inventory_totals *totals)
{
	const char *id = sense_row_text(row, SENSE_FIELD_TOOL);
	char address[64];
	sense_json_member(json, "name", look_up(totals->tool_name, totals->catalogue, id));
	sense_json_member(json, "class", look_up(totals->tool_class, totals->catalogue, id));
	sense_json_member_uint(json, "processes", row->count);
	sense_json_member_uint(json, "unattended_processes", row->unattended);
	sense_json_member_uint(json, "started", row->started);
	sense_json_member_uint(json, "listener_count", row->listen_count);
	sense_json_key(json, "listens");
	sense_json_open(json, '[');
	for (unsigned i = 0; i < SENSE_ROW_LISTENS_MAX && row->listens[i]; i++) {
		if (i && sense_rows_share_line(row->listens[i - 1], row->listens[i]))
			continue;
		sense_row_address(row->listens[i], address, sizeof address);
		sense_json_string(json, address);
	}
	sense_json_close(json, ']');
}

static void section_member(const sense_inventory *inventory, enum sense_section section,
                           const struct sense_inventory_totals *totals, struct sense_json *json)
{
	const struct sense_section_about *about = sense_section_about(section);
	unsigned count;
	const struct sense_inventory_row **rows = sense_inventory_order(inventory, section, &count);
	sense_json_key(json, about->name);
	sense_json_open(json, '[');
	for (unsigned i = 0; i < count; i++) {
		sense_json_open(json, '{');
		for (unsigned c = 0; c < about->column_count; c++)
			member_cell(json, &about->columns[c], &rows[i]->cells[c]);
		if (section == SENSE_SECTION_TOOLS)
			tool_members(json, rows[i], totals);
		if (section == SENSE_SECTION_MODELS)
			sense_json_member_uint(json, "files", rows[i]->count);
		sense_json_close(json, '}');
	}
	sense_json_close(json, ']');
	free(rows);
}

static void users_member(const sense_inventory *inventory, struct sense_json *json)
{
	unsigned count;
	const struct sense_inventory_row **rows =
	    sense_inventory_order(inventory, SENSE_SECTION_USERS, &count);
	sense_json_key(json, "users");
	sense_json_open(json, '[');
	for (unsigned i = 0; i < count; i++)
		sense_json_string(json, rows[i]->cells[0].text);
	sense_json_close(json, ']');
	free(rows);
}

static void findings_member(const sense_inventory *inventory, struct sense_json *json)
{
	const struct sense_buf *all = &inventory->findings_json;
	sense_json_key(json, "findings");
	sense_json_open(json, '[');
	if (all->len)
		sense_buf_add(json->out, all->data, all->len - 1);
	sense_json_close(json, ']');
}

static void left_out_member(const sense_inventory *inventory, struct sense_json *json)
{
	sense_json_key(json, "left_out");
	sense_json_open(json, '{');
	for (unsigned i = 0; i < SENSE_SECTIONS; i++)
		if (i != SENSE_SECTION_RISKS && inventory->sections[i].beyond)
			sense_json_member_uint(json, sense_section_about((enum sense_section)i)->name,
			                       inventory->sections[i].beyond);
	if (inventory->findings_beyond)
		sense_json_member_uint(json, "findings", inventory->findings_beyond);
	sense_json_close(json, '}');
}

void sense_inventory_json(const sense_inventory *inventory, const struct sense_inventory_totals *totals,
                          struct sense_buf *out)
{
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	sense_json_member(&json, "host", totals->host);
	sense_json_member_time(&json, "ts", totals->ts_us);
	sense_json_member_uint(&json, "processes", inventory->processes);
	users_member(inventory, &json);
	for (unsigned i = SENSE_SECTION_TOOLS; i <= SENSE_SECTION_GAPS; i++)
		section_member(inventory, (enum sense_section)i, totals, &json);
	findings_member(inventory, &json);
	left_out_member(inventory, &json);
	sense_json_close(&json, '}');
	sense_buf_addc(out, '\n');
}
