#include "core/cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/conf/units.h"
#include "core/rules/rule.h"
#include "core/show/text.h"

#define ROWS_MAX 8192u
#define LINKS_MAX (ROWS_MAX * 4)
#define SLOTS (LINKS_MAX * 2)
#define CELL_MAX 160 /* bytes of one text */

enum column { SERVICE, HOST, CLIENT, UP, DOWN, COUNT, RULE, SEVERITY, COLUMNS };

static const struct sense_grid_column columns[COLUMNS] = {
    [SERVICE] = {.title = "SERVICE", .least = 8},
    [HOST] = {.title = "HOST", .least = 14},
    [CLIENT] = {.title = "CLIENT", .least = 8},
    [UP] = {.title = "UP", .right = true},
    [DOWN] = {.title = "DOWN", .right = true},
    [COUNT] = {.title = "COUNT", .right = true},
    [RULE] = {.title = "RULE", .least = 10},
    [SEVERITY] = {.title = "SEVERITY"},
};

struct row {
	const char *service, *host, *client, *rule; /* clean, in the arena */
	const char *program; /* the client as its flows name it, when the findings did not; or NULL */
	bool nameless;       /* client is but an address */
	int severity;
	uint64_t count;
	uint64_t up, down;             /* as the findings said: the most of any */
	uint64_t flows_up, flows_down; /* of whole flows, when they are known */
};

/* Flows between a source and a port of a host belong to each row that had a finding about the two. */
struct link {
	const char *host, *source;
	uint32_t row;
	uint32_t next; /* link + 1 of the same host and source; 0: none */
};

struct sense_table {
	struct sense_arena arena;
	struct row *rows;
	struct link *links;
	uint32_t *row_slots;  /* row + 1 by service, host, client and rule */
	uint32_t *link_slots; /* link + 1 by host and source */
	unsigned row_count;
	unsigned link_count;
	uint64_t findings;
	uint64_t beyond; /* findings that got no row */
	uint64_t seed;
};

sense_table *sense_table_new(void)
{
	sense_table *table = calloc(1, sizeof *table);
	if (!table)
		return NULL;
	table->rows = calloc(ROWS_MAX, sizeof *table->rows);
	table->links = calloc(LINKS_MAX, sizeof *table->links);
	table->row_slots = calloc(SLOTS, sizeof *table->row_slots);
	table->link_slots = calloc(SLOTS, sizeof *table->link_slots);
	table->seed = sense_hash_seed();
	if (table->rows && table->links && table->row_slots && table->link_slots)
		return table;
	sense_table_free(table);
	return NULL;
}

void sense_table_free(sense_table *table)
{
	if (!table)
		return;
	sense_arena_fini(&table->arena);
	free(table->rows);
	free(table->links);
	free(table->row_slots);
	free(table->link_slots);
	free(table);
}

/* ---- gathering ------------------------------------------------------------------------------------- */

struct key {
	char service[CELL_MAX], host[CELL_MAX], client[CELL_MAX], rule[CELL_MAX], source[CELL_MAX];
};

static uint64_t mix(uint64_t hash, const char *text)
{
	return sense_hash(text, strlen(text), hash);
}

static bool row_is(const struct row *row, const struct key *key)
{
	return !strcmp(row->host, key->host) && !strcmp(row->client, key->client) &&
	       !strcmp(row->rule, key->rule) && !strcmp(row->service, key->service);
}

/* The slot that holds the key's row, or is free for it. There are more slots than rows. */
static uint32_t *row_slot(const sense_table *table, const struct key *key)
{
	uint64_t hash = mix(mix(mix(mix(table->seed, key->host), key->client), key->rule), key->service);
	for (uint64_t i = hash % SLOTS;; i = (i + 1) % SLOTS) {
		uint32_t *slot = &table->row_slots[i];
		if (!*slot || row_is(&table->rows[*slot - 1], key))
			return slot;
	}
}

static uint32_t *link_slot(const sense_table *table, const struct key *key)
{
	uint64_t hash = mix(mix(table->seed, key->host), key->source);
	for (uint64_t i = hash % SLOTS;; i = (i + 1) % SLOTS) {
		uint32_t *slot = &table->link_slots[i];
		const struct link *link = *slot ? &table->links[*slot - 1] : NULL;
		if (!link || (!strcmp(link->host, key->host) && !strcmp(link->source, key->source)))
			return slot;
	}
}

static const char *keep(sense_table *table, const char *text)
{
	return sense_arena_strndup(&table->arena, text, strlen(text));
}

static struct row *row_of(sense_table *table, const struct key *key)
{
	uint32_t *slot = row_slot(table, key);
	if (*slot)
		return &table->rows[*slot - 1];
	if (table->row_count == ROWS_MAX)
		return NULL;
	struct row *row = &table->rows[table->row_count];
	*row = (struct row){
	    .service = keep(table, key->service),
	    .host = keep(table, key->host),
	    .client = keep(table, key->client),
	    .rule = keep(table, key->rule),
	};
	if (!row->service || !row->host || !row->client || !row->rule)
		return NULL;
	*slot = ++table->row_count;
	return row;
}

/* Beyond the bound a row shows the bytes that its findings knew of. */
static void link_add(sense_table *table, const struct key *key, uint32_t row)
{
	uint32_t *slot = link_slot(table, key);
	for (uint32_t n = *slot; n; n = table->links[n - 1].next)
		if (table->links[n - 1].row == row)
			return;
	if (table->link_count == LINKS_MAX)
		return;
	struct link *link = &table->links[table->link_count];
	const struct link *first = *slot ? &table->links[*slot - 1] : NULL;
	*link = (struct link){.row = row, .next = *slot};
	link->host = first ? first->host : table->rows[row].host;
	link->source = first ? first->source : keep(table, key->source);
	if (link->source)
		*slot = ++table->link_count;
}

static const struct sense_detail *detail_of(const struct sense_finding *finding, const char *key)
{
	for (unsigned i = 0; i < finding->detail_count; i++)
		if (!strcmp(finding->details[i].key, key))
			return &finding->details[i];
	return NULL;
}

static uint64_t number_of(const struct sense_finding *finding, const char *key)
{
	const struct sense_detail *detail = detail_of(finding, key);
	bool sound = detail && detail->type == SENSE_DETAIL_NUMBER && detail->number >= 0 &&
	             detail->number <= 9007199254740992.0;
	return sound ? (uint64_t)detail->number : 0;
}

static const char *string_of(const struct sense_finding *finding, const char *key)
{
	const struct sense_detail *detail = detail_of(finding, key);
	return detail && detail->type == SENSE_DETAIL_STRING && *detail->string ? detail->string : NULL;
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c ? c : "-";
}

static void host_name(char *out, const char *host, const char *ip, unsigned port)
{
	char text[CELL_MAX];
	/* At a bare address the port tells one service from another. */
	if (host && ip && !strcmp(host, ip))
		host = NULL;
	if (!host && ip && strchr(ip, ':'))
		snprintf(text, sizeof text, "[%s]:%u", ip, port);
	else if (!host && ip)
		snprintf(text, sizeof text, "%s:%u", ip, port);
	sense_text_clean(host ? host : ip ? text : "-", out, CELL_MAX);
}

/* With the port of the other end: a look-up of a name is not the traffic with the host of that name. */
static void source_name(char *out, const char *ip, unsigned dest_port)
{
	char text[CELL_MAX];
	snprintf(text, sizeof text, "%s>%u", ip ? ip : "-", dest_port);
	sense_text_clean(text, out, CELL_MAX);
}

void sense_table_finding(sense_table *table, const struct sense_finding *f)
{
	struct key key;
	const char *agent = string_of(f, "user_agent");
	uint64_t up = number_of(f, "bytes_up"), down = number_of(f, "bytes_down");
	sense_text_clean(first_of(f->service_name, f->service, NULL), key.service, CELL_MAX);
	host_name(key.host, f->host, f->dest_ip, f->dest_port);
	sense_text_clean(first_of(agent, f->process, f->source_ip), key.client, CELL_MAX);
	sense_text_clean(first_of(f->rule, NULL, NULL), key.rule, CELL_MAX);
	source_name(key.source, f->source_ip, f->dest_port);
	table->findings++;
	struct row *row = row_of(table, &key);
	if (!row) {
		table->beyond++;
		return;
	}
	link_add(table, &key, (uint32_t)(row - table->rows));
	int severity = f->severity ? sense_severity_find(f->severity) : 0;
	row->nameless = !agent && !f->process;
	row->count++;
	if (severity > row->severity)
		row->severity = severity;
	if (up > row->up)
		row->up = up;
	if (down > row->down)
		row->down = down;
}

static void program_learn(sense_table *table, struct row *row, const struct sense_flowrecord *r)
{
	char program[CELL_MAX];
	if (!row->nameless || row->program || (!r->user_agent && !r->process))
		return;
	sense_text_clean(first_of(r->user_agent, r->process, NULL), program, CELL_MAX);
	row->program = keep(table, program);
}

void sense_table_flow(sense_table *table, const struct sense_flowrecord *r)
{
	struct key key;
	host_name(key.host, r->host, r->dst_ip, r->dst_port);
	source_name(key.source, r->src_ip, r->dst_port);
	for (uint32_t n = *link_slot(table, &key); n; n = table->links[n - 1].next) {
		struct row *row = &table->rows[table->links[n - 1].row];
		program_learn(table, row, r);
		row->flows_up += r->bytes_up;
		row->flows_down += r->bytes_down;
	}
}

/* ---- printing -------------------------------------------------------------------------------------- */

static uint64_t row_up(const struct row *row)
{
	return row->flows_up > row->up ? row->flows_up : row->up;
}

static uint64_t row_down(const struct row *row)
{
	return row->flows_down > row->down ? row->flows_down : row->down;
}

static int by_gravity(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	uint64_t x_bytes = row_up(x) + row_down(x), y_bytes = row_up(y) + row_down(y);
	int order = (y->severity > x->severity) - (y->severity < x->severity);
	if (!order)
		order = (y_bytes > x_bytes) - (y_bytes < x_bytes);
	if (!order)
		order = (y->count > x->count) - (y->count < x->count);
	if (!order)
		order = strcmp(x->service, y->service);
	if (!order)
		order = strcmp(x->host, y->host);
	if (!order)
		order = strcmp(x->client, y->client);
	return order ? order : strcmp(x->rule, y->rule);
}

static const char *cell(const void *self, unsigned index, unsigned column, char *scratch)
{
	const struct row *row = ((const struct row *const *)self)[index];
	switch ((enum column)column) {
	case SERVICE:
		return row->service;
	case HOST:
		return row->host;
	case CLIENT:
		return row->program ? row->program : row->client;
	case UP:
		sense_bytes_format((double)row_up(row), scratch, 32);
		return scratch;
	case DOWN:
		sense_bytes_format((double)row_down(row), scratch, 32);
		return scratch;
	case COUNT:
		snprintf(scratch, 32, "%llu", (unsigned long long)row->count);
		return scratch;
	case RULE:
		return row->rule;
	default:
		return sense_severity_name((enum sense_severity)row->severity);
	}
}

static const char *cell_color(const void *self, unsigned index, unsigned column)
{
	return column == SEVERITY ? sense_severity_paint(((const struct row *const *)self)[index]->severity) : "";
}

static void amount(struct sense_buf *out, uint64_t number, const char *what, const char *after)
{
	sense_buf_printf(out, "%llu %s%s%s", (unsigned long long)number, what, number == 1 ? "" : "s", after);
}

void sense_table_print(sense_table *table, const struct sense_table_style *style,
                       const struct sense_table_totals *totals, struct sense_buf *out)
{
	const struct row **order = calloc(table->row_count + 1u, sizeof *order);
	if (order && table->row_count) {
		for (unsigned i = 0; i < table->row_count; i++)
			order[i] = &table->rows[i];
		qsort(order, table->row_count, sizeof *order, by_gravity);
		struct sense_grid grid = {columns, COLUMNS, table->row_count, order, cell, cell_color};
		sense_grid_print(&grid, style, out);
		if (table->beyond)
			sense_buf_printf(out, "(%llu further findings: see --json)\n",
			                 (unsigned long long)table->beyond);
		sense_buf_addc(out, '\n');
	}
	amount(out, table->findings, "finding", totals ? " in " : "\n");
	free(order);
	if (!totals)
		return;
	amount(out, totals->flows, "flow", ", ");
	amount(out, totals->packets, "packet", ", from ");
	amount(out, totals->files, "file", "\n");
	if (!table->findings && totals->observed) /* who brings a policy in must not take it for dead */
		amount(out, totals->observed, "hit", " of rules that only observe: --observed shows them\n");
}
