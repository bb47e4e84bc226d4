#include "table.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 1024 };

/* Pids are handed out in order: neighbours shall not be neighbours here (Knuth, multiplicative hashing). */
static uint32_t home_of(const struct table *table, uint32_t pid)
{
	return (pid * 2654435769u >> 8) & table->mask;
}

bool table_init(struct table *table)
{
	*table = (struct table){.slots = calloc(SLOTS_FIRST, sizeof *table->slots), .mask = SLOTS_FIRST - 1};
	return table->slots != NULL;
}

void table_fini(struct table *table)
{
	free(table->slots);
	table->slots = NULL;
}

static uint32_t slot_of(const struct table *table, uint32_t pid)
{
	uint32_t slot = home_of(table, pid);
	while (table->slots[slot].pid && table->slots[slot].pid != pid)
		slot = (slot + 1) & table->mask;
	return slot;
}

struct known *table_find(const struct table *table, uint32_t pid)
{
	struct known *known = &table->slots[slot_of(table, pid)];
	return pid && known->pid == pid ? known : NULL;
}

static bool grow(struct table *table)
{
	struct table larger = {.mask = table->mask * 2 + 1, .count = table->count};
	larger.slots = calloc((size_t)larger.mask + 1, sizeof *larger.slots);
	if (!larger.slots)
		return false;
	for (uint32_t i = 0; i <= table->mask; i++)
		if (table->slots[i].pid)
			larger.slots[slot_of(&larger, table->slots[i].pid)] = table->slots[i];
	free(table->slots);
	*table = larger;
	return true;
}

struct known *table_put(struct table *table, uint32_t pid)
{
	struct known *known = table_find(table, pid);
	if (known || !pid)
		return known;
	if (table->count >= KNOWN_MAX || (table->count >= table->mask / 4 * 3 && !grow(table)))
		return NULL;
	known = &table->slots[slot_of(table, pid)];
	*known = (struct known){.pid = pid};
	table->count++;
	return known;
}

void table_remove(struct table *table, struct known *known)
{
	uint32_t hole = (uint32_t)(known - table->slots), at = hole;
	table->count--;
	for (;;) {
		table->slots[hole].pid = 0;
		do {
			at = (at + 1) & table->mask;
			if (!table->slots[at].pid)
				return;
			/* It stays when its home lies behind the hole. */
		} while (((at - home_of(table, table->slots[at].pid)) & table->mask) <
		         ((at - hole) & table->mask));
		table->slots[hole] = table->slots[at];
		hole = at;
	}
}
