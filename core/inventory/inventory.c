#include "core/inventory/inventory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/inventory/rows.h"
#include "core/show/json.h"

#define SLOTS (1u << 18) /* twice what all sections can hold */
#define PID_SLOTS (1u << 17)
#define PIDS_MAX (PID_SLOTS / 2)
#define ADDRESS_MAX 46

_Static_assert(SLOTS >= 2 * SENSE_SECTIONS * SENSE_INVENTORY_ROWS_MAX, "there is always a free slot");

struct pid_slot {
	uint32_t pid;
	bool counted;                     /* it was seen itself, not only what it listens on */
	struct sense_inventory_row *tool; /* NULL: the slot is free */
};

sense_inventory *sense_inventory_new(void)
{
	sense_inventory *inventory = calloc(1, sizeof *inventory);
	if (!inventory)
		return NULL;
	sense_arena_init(&inventory->arena, SENSE_INVENTORY_MEMORY);
	sense_buf_init(&inventory->findings_json, SENSE_INVENTORY_FINDINGS_MEMORY);
	inventory->slots = calloc(SLOTS, sizeof(struct sense_inventory_row *));
	inventory->pids = calloc(PID_SLOTS, sizeof *inventory->pids);
	inventory->seed = sense_hash_seed();
	if (inventory->slots && inventory->pids)
		return inventory;
	sense_inventory_free(inventory);
	return NULL;
}

void sense_inventory_free(sense_inventory *inventory)
{
	if (!inventory)
		return;
	for (unsigned i = 0; i < SENSE_SECTIONS; i++)
		free(inventory->sections[i].rows);
	free(inventory->slots);
	free(inventory->pids);
	sense_arena_fini(&inventory->arena);
	sense_buf_fini(&inventory->findings_json);
	free(inventory);
}

/* ---- what is offered ------------------------------------------------------------------------------- */

/* A row before it is known whether there is one like it; texts are borrowed. */
struct offer {
	enum sense_section section;
	struct sense_inventory_cell cells[SENSE_SECTION_COLUMNS_MAX];
	uint16_t lengths[SENSE_SECTION_COLUMNS_MAX]; /* of texts, as they are kept */
	char address[ADDRESS_MAX];
	char path[SENSE_INVENTORY_TEXT_MAX];
};

/* What is long is cut, between characters. */
static size_t kept_length(const char *text)
{
	size_t len = strnlen(text, SENSE_INVENTORY_TEXT_MAX);
	if (len < SENSE_INVENTORY_TEXT_MAX)
		return len;
	for (len--; len && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

static void offer_text(struct offer *offer, unsigned column, const char *text)
{
	if (!text || !*text)
		return;
	offer->cells[column] = (struct sense_inventory_cell){.type = SENSE_VALUE_STRING, .text = text};
	offer->lengths[column] = (uint16_t)kept_length(text);
}

static void offer_value(struct offer *offer, unsigned column, const struct sense_value *value)
{
	switch (value->type) {
	case SENSE_VALUE_STRING:
		offer_text(offer, column, value->string.text);
		break;
	case SENSE_VALUE_ADDR:
		sense_addr_format(&value->addr, offer->address); /* no section has two */
		offer_text(offer, column, offer->address);
		break;
	case SENSE_VALUE_NUMBER:
		if (isfinite(value->number)) /* else there is no order */
			offer->cells[column] =
			    (struct sense_inventory_cell){.type = value->type, .number = value->number};
		break;
	case SENSE_VALUE_BOOL:
		offer->cells[column] =
		    (struct sense_inventory_cell){.type = value->type, .number = value->boolean};
		break;
	case SENSE_VALUE_NONE:
		break;
	}
}

static void offer_init(struct offer *offer, enum sense_section section)
{
	memset(offer->cells, 0, sizeof offer->cells);
	memset(offer->lengths, 0, sizeof offer->lengths);
	offer->section = section;
}

static void offer_event(struct offer *offer, enum sense_section section, const struct sense_event *event)
{
	const struct sense_section_about *about = sense_section_about(section);
	offer_init(offer, section);
	for (unsigned i = 0; i < about->column_count; i++) {
		struct sense_value value;
		sense_event_get(event, (enum sense_field)about->columns[i].field, &value);
		offer_value(offer, i, &value);
	}
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static uint64_t offer_hash(const sense_inventory *inventory, const struct offer *offer)
{
	const struct sense_section_about *about = sense_section_about(offer->section);
	uint64_t hash = inventory->seed + (unsigned)offer->section;
	for (unsigned i = 0; i < about->column_count; i++) {
		const struct sense_inventory_cell *cell = &offer->cells[i];
		if (!(about->columns[i].flags & SENSE_COLUMN_KEY))
			continue;
		if (cell->type == SENSE_VALUE_STRING)
			hash = sense_hash(cell->text, offer->lengths[i], hash + 1);
		else
			hash = sense_hash(&cell->number, sizeof cell->number, hash);
	}
	return hash;
}

static bool row_is(const struct sense_inventory_row *row, const struct offer *offer)
{
	const struct sense_section_about *about = sense_section_about(offer->section);
	if (row->section != offer->section)
		return false;
	for (unsigned i = 0; i < about->column_count; i++) {
		const struct sense_inventory_cell *x = &row->cells[i], *y = &offer->cells[i];
		if (!(about->columns[i].flags & SENSE_COLUMN_KEY))
			continue;
		if (x->type != y->type || (x->type == SENSE_VALUE_NUMBER && x->number != y->number))
			return false;
		if (x->type == SENSE_VALUE_STRING &&
		    (strncmp(x->text, y->text, offer->lengths[i]) != 0 || x->text[offer->lengths[i]]))
			return false;
	}
	return true;
}

static bool room_make(struct sense_inventory_section *section)
{
	if (section->count == SENSE_INVENTORY_ROWS_MAX)
		return false;
	if (section->count < section->room)
		return true;
	unsigned room = section->room ? section->room * 2 : 64;
	struct sense_inventory_row **rows = realloc(section->rows, room * sizeof *rows);
	if (!rows)
		return false;
	section->rows = rows;
	section->room = room;
	return true;
}

static bool cell_keep(sense_inventory *inventory, struct sense_inventory_cell *cell,
                      const struct sense_inventory_cell *from, size_t length)
{
	struct sense_inventory_cell kept = *from;
	if (kept.type == SENSE_VALUE_STRING) {
		kept.text = sense_arena_strndup(&inventory->arena, from->text, length);
		if (!kept.text)
			return false;
	}
	*cell = kept;
	return true;
}

static struct sense_inventory_row *row_new(sense_inventory *inventory, const struct offer *offer)
{
	struct sense_inventory_section *section = &inventory->sections[offer->section];
	unsigned count = sense_section_about(offer->section)->column_count;
	struct sense_inventory_row *row = NULL;
	if (room_make(section))
		row = sense_arena_alloc(&inventory->arena, sizeof *row + count * sizeof *row->cells);
	if (!row)
		return NULL;
	row->section = offer->section;
	for (unsigned i = 0; i < count; i++)
		if (!cell_keep(inventory, &row->cells[i], &offer->cells[i], offer->lengths[i]))
			return NULL;
	return row;
}

/* What was not known before is learnt, what counts is added up. */
static void row_merge(sense_inventory *inventory, struct sense_inventory_row *row, const struct offer *offer)
{
	const struct sense_section_about *about = sense_section_about(offer->section);
	for (unsigned i = 0; i < about->column_count; i++) {
		const struct sense_inventory_cell *cell = &offer->cells[i];
		if (row->cells[i].type == SENSE_VALUE_NONE)
			cell_keep(inventory, &row->cells[i], cell, offer->lengths[i]);
		else if (about->columns[i].flags & SENSE_COLUMN_SUM && cell->type == SENSE_VALUE_NUMBER)
			row->cells[i].number += cell->number;
	}
}

/* The row of what is offered; NULL: beyond the bounds, and counted. */
static struct sense_inventory_row *row_take(sense_inventory *inventory, const struct offer *offer)
{
	struct sense_inventory_section *section = &inventory->sections[offer->section];
	uint64_t i = offer_hash(inventory, offer) % SLOTS;
	while (inventory->slots[i] && !row_is(inventory->slots[i], offer))
		i = (i + 1) % SLOTS;
	struct sense_inventory_row *row = inventory->slots[i];
	if (row) {
		row_merge(inventory, row, offer);
		return row;
	}
	row = row_new(inventory, offer);
	if (!row) {
		section->beyond++;
		return NULL;
	}
	section->rows[section->count++] = inventory->slots[i] = row;
	return row;
}

/* ---- processes and what they listen on ------------------------------------------------------------- */

static const char *event_text(const struct sense_event *event, enum sense_field field)
{
	struct sense_value value;
	sense_event_get(event, field, &value);
	return value.type == SENSE_VALUE_STRING ? value.string.text : NULL;
}

static double event_number(const struct sense_event *event, enum sense_field field)
{
	struct sense_value value;
	sense_event_get(event, field, &value);
	return value.type == SENSE_VALUE_NUMBER ? value.number : 0;
}

static void rank_tool(struct sense_inventory_row *tool, bool reachable)
{
	int rank = tool->unattended ? 2 : reachable ? 1 : 0;
	if (rank > tool->rank)
		tool->rank = rank;
}

static struct sense_inventory_row *tool_take(sense_inventory *inventory, const struct sense_event *event)
{
	struct offer offer;
	offer_event(&offer, SENSE_SECTION_TOOLS, event);
	return row_take(inventory, &offer);
}

/*
 * The slot of this process, or a free one, which `taken` takes; NULL: it has no pid, or there are too many.
 */
static struct pid_slot *pid_slot(sense_inventory *inventory, const struct sense_event *event,
                                 struct sense_inventory_row *taken)
{
	double number = event_number(event, SENSE_FIELD_PROCESS_PID);
	if (!(number >= 1 && number <= UINT32_MAX))
		return NULL;
	uint32_t pid = (uint32_t)number;
	uint64_t i = sense_hash(&pid, sizeof pid, inventory->seed) % PID_SLOTS;
	while (inventory->pids[i].tool && inventory->pids[i].pid != pid)
		i = (i + 1) % PID_SLOTS;
	struct pid_slot *slot = &inventory->pids[i];
	if (slot->tool || inventory->pid_count == PIDS_MAX)
		return slot->tool ? slot : NULL;
	inventory->pid_count += taken != NULL;
	*slot = (struct pid_slot){.pid = pid, .tool = taken};
	return slot;
}

/* What the process listens on was told before it, with less known about it: that is one row. */
static void listens_move(struct sense_inventory_row *from, struct sense_inventory_row *to)
{
	for (unsigned i = 0; i < SENSE_ROW_LISTENS_MAX && from->listens[i]; i++) {
		if (to->listen_count + i < SENSE_ROW_LISTENS_MAX)
			to->listens[to->listen_count + i] = from->listens[i];
		from->listens[i] = NULL;
	}
	to->listen_count += from->listen_count;
	from->listen_count = 0;
	if (from->rank > to->rank)
		to->rank = from->rank;
}

/* False: it was counted before. Beyond the bound each counts. */
static bool pid_is_new(sense_inventory *inventory, const struct sense_event *event,
                       struct sense_inventory_row *tool)
{
	struct pid_slot *slot = pid_slot(inventory, event, tool);
	if (!slot)
		return true;
	if (slot->tool == tool && slot->counted)
		return false;
	if (slot->tool != tool && !slot->tool->count)
		listens_move(slot->tool, tool);
	slot->tool = tool;
	slot->counted = true;
	return true;
}

/* A program that an AI tool started counts with that tool, as the same user ran it. */
static void started_take(sense_inventory *inventory, const struct sense_event *event, const char *agent)
{
	struct offer offer;
	struct sense_value value;
	offer_init(&offer, SENSE_SECTION_TOOLS);
	offer_text(&offer, 0, agent);
	sense_event_get(event, SENSE_FIELD_USER, &value);
	offer_value(&offer, 1, &value);
	sense_event_get(event, SENSE_FIELD_PROCESS_CONTAINER, &value);
	offer_value(&offer, 2, &value);
	struct sense_inventory_row *row = row_take(inventory, &offer);
	if (row)
		row->started++;
}

static void process_take(sense_inventory *inventory, const struct sense_event *event)
{
	const char *tool = event_text(event, SENSE_FIELD_TOOL);
	const char *agent = event_text(event, SENSE_FIELD_PROCESS_AGENT);
	inventory->processes++;
	if (agent && *agent && (!tool || strcmp(tool, agent) != 0))
		started_take(inventory, event, agent);
	if (!tool || !*tool)
		return;
	struct sense_inventory_row *row = tool_take(inventory, event);
	if (!row || !pid_is_new(inventory, event, row))
		return;
	row->count++;
	row->unattended += event_text(event, SENSE_FIELD_PROCESS_UNATTENDED) != NULL;
	rank_tool(row, false);
}

/* Of a tool whose process was seen, that one's row: the two events may not know the same. */
static struct sense_inventory_row *tool_of(sense_inventory *inventory, const struct sense_event *event)
{
	struct pid_slot *slot = pid_slot(inventory, event, NULL);
	if (slot && slot->tool)
		return slot->tool;
	struct sense_inventory_row *row = tool_take(inventory, event);
	if (row)
		pid_slot(inventory, event, row);
	return row;
}

static void listen_take(sense_inventory *inventory, const struct sense_event *event)
{
	struct offer offer;
	const char *tool = event_text(event, SENSE_FIELD_TOOL);
	const char *scope = event_text(event, SENSE_FIELD_LISTEN_SCOPE);
	bool reachable = scope && strcmp(scope, "loopback") != 0;
	offer_event(&offer, SENSE_SECTION_LISTENERS, event);
	struct sense_inventory_row *row = row_take(inventory, &offer);
	if (!row)
		return;
	row->rank = (sense_row_is_ai(row) ? 2 : 0) + reachable;
	if (row->count++ || !tool || !*tool)
		return;
	struct sense_inventory_row *of = tool_of(inventory, event);
	if (!of)
		return;
	if (of->listen_count < SENSE_ROW_LISTENS_MAX)
		of->listens[of->listen_count] = row;
	of->listen_count++;
	rank_tool(of, reachable);
}

/* ---- files, servers, parts ------------------------------------------------------------------------- */

static bool digits(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

/* Where the number is in "model-00002-of-00030.safetensors": the parts of a model are one model. */
static const char *part_of_many(const char *path)
{
	const char *name = strrchr(path, '/');
	for (const char *p = name ? name : path; (p = strchr(p, '-')); p++)
		if (strnlen(p, 15) == 15 && digits(p + 1, 5) && !memcmp(p + 6, "-of-", 4) &&
		    digits(p + 10, 5))
			return p + 1;
	return NULL;
}

static void model_take(sense_inventory *inventory, const struct sense_event *event)
{
	struct offer offer;
	offer_event(&offer, SENSE_SECTION_MODELS, event);
	const char *path = offer.cells[0].text;
	const char *part = path && strlen(path) < sizeof offer.path ? part_of_many(path) : NULL;
	if (part) {
		size_t before = (size_t)(part - path);
		memcpy(offer.path, path, before);
		offer.path[before] = '*';
		memcpy(offer.path + before + 1, part + 5, strlen(part + 5) + 1); /* shorter than it was */
		offer_text(&offer, 0, offer.path);
	}
	struct sense_inventory_row *row = row_take(inventory, &offer);
	/* The first brought its size along. */
	if (row && row->count++ && part && offer.cells[1].type == SENSE_VALUE_NUMBER)
		row->cells[1].number += offer.cells[1].number;
}

static void plain_take(sense_inventory *inventory, enum sense_section section,
                       const struct sense_event *event)
{
	struct offer offer;
	offer_event(&offer, section, event);
	struct sense_inventory_row *row = row_take(inventory, &offer);
	if (row)
		row->count++;
}

static void file_take(sense_inventory *inventory, const struct sense_event *event)
{
	const char *kind = event_text(event, SENSE_FIELD_FILE_KIND);
	const char *op = event_text(event, SENSE_FIELD_FILE_OP);
	if (op && !strcmp(op, "removed"))
		return;
	if (kind && !strncmp(kind, "model", 5))
		model_take(inventory, event);
	else
		plain_take(inventory, SENSE_SECTION_FILES, event);
}

static void mcp_take(sense_inventory *inventory, const struct sense_event *event)
{
	struct offer offer;
	plain_take(inventory, SENSE_SECTION_MCP, event);
	if (!event_text(event, SENSE_FIELD_SERVICE_ID))
		return;
	offer_event(&offer, SENSE_SECTION_SERVICES, event);
	if (offer.cells[2].type == SENSE_VALUE_NONE)
		offer_text(&offer, 2, event_text(event, SENSE_FIELD_MCP_CLIENT));
	row_take(inventory, &offer);
}

static enum sense_section section_of(const char *kind)
{
	static const struct {
		const char *kind;
		enum sense_section section;
	} kinds[] = {
	    {"extension", SENSE_SECTION_EXTENSIONS},
	    {"package", SENSE_SECTION_PACKAGES},
	    {"gpu", SENSE_SECTION_GPUS},
	};
	for (unsigned i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kind, kinds[i].kind))
			return kinds[i].section;
	return SENSE_SECTION_OTHERS;
}

/* Who has something of AI here; all the others are of no interest. */
static void user_take(sense_inventory *inventory, const struct sense_event *event)
{
	struct offer offer;
	bool told = event->kind == SENSE_EVENT_FILE || event->kind == SENSE_EVENT_MCP ||
	            event->kind == SENSE_EVENT_INVENTORY || event_text(event, SENSE_FIELD_TOOL);
	offer_event(&offer, SENSE_SECTION_USERS, event);
	if (told && offer.cells[0].type == SENSE_VALUE_STRING)
		row_take(inventory, &offer);
}

void sense_inventory_event(sense_inventory *inventory, enum sense_event_kind kind,
                           const struct sense_given *given, uint64_t ts_us)
{
	struct sense_event event = {.kind = kind, .ts_us = ts_us, .given = given};
	user_take(inventory, &event);
	switch (kind) {
	case SENSE_EVENT_PROCESS_START:
		process_take(inventory, &event);
		break;
	case SENSE_EVENT_LISTEN:
		listen_take(inventory, &event);
		break;
	case SENSE_EVENT_FILE:
		file_take(inventory, &event);
		break;
	case SENSE_EVENT_MCP:
		mcp_take(inventory, &event);
		break;
	case SENSE_EVENT_INVENTORY:
		plain_take(inventory, section_of(event_text(&event, SENSE_FIELD_INVENTORY_KIND)), &event);
		break;
	case SENSE_EVENT_GAP:
		plain_take(inventory, SENSE_SECTION_GAPS, &event);
		break;
	default:
		break;
	}
}

/* ---- findings -------------------------------------------------------------------------------------- */

/* Whole or not at all. */
static void finding_keep(sense_inventory *inventory, const struct sense_finding *finding)
{
	struct sense_buf *buf = &inventory->findings_json;
	size_t before = buf->len;
	if (inventory->findings - inventory->findings_beyond <= SENSE_INVENTORY_FINDINGS_MAX)
		sense_json_finding(buf, finding);
	if (buf->failed || buf->len == before) {
		buf->len = before;
		buf->failed = false;
		inventory->findings_beyond++;
		return;
	}
	buf->data[buf->len - 1] = ','; /* for the newline */
}

static void service_take(sense_inventory *inventory, const struct sense_finding *finding)
{
	struct offer offer;
	const char *texts[] = {finding->service,      finding->user,     finding->process,
	                       finding->service_name, finding->category, finding->host};
	offer_init(&offer, SENSE_SECTION_SERVICES);
	for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
		offer_text(&offer, i, texts[i]);
	row_take(inventory, &offer);
}

void sense_inventory_finding(sense_inventory *inventory, const struct sense_finding *finding)
{
	struct offer offer;
	int severity = finding->severity ? sense_severity_find(finding->severity) : -1;
	inventory->findings++;
	inventory->severities[severity < 0 ? SENSE_INFO : severity]++;
	finding_keep(inventory, finding);
	if (finding->service && finding->category) /* else it is but what something speaks */
		service_take(inventory, finding);
	if (severity < SENSE_MEDIUM)
		return;
	offer_init(&offer, SENSE_SECTION_RISKS);
	offer_text(&offer, 0, finding->rule);
	offer_text(&offer, 1, finding->summary ? finding->summary : finding->rule);
	struct sense_inventory_row *row = row_take(inventory, &offer);
	if (!row)
		return;
	row->count++;
	if (severity > row->rank)
		row->rank = severity;
}
