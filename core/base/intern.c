/* Interned strings: linear probing over pointers, backward shift on removal, so no tombstones. */
#include "core/base/intern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define SLOTS_MIN 64u
#define SLOTS_MAX (1u << 30)

struct sense_intern {
	struct sense_str **slots;
	uint32_t mask; /* slots - 1, a power of two minus one */
	uint32_t used;
	size_t limit; /* 0: none */
	size_t held;
	uint64_t seed;
};

static size_t str_size(size_t len)
{
	return sizeof(struct sense_str) + len + 1;
}

static bool fits(const sense_intern *table, size_t more)
{
	return !table->limit || (table->held <= table->limit && more <= table->limit - table->held);
}

sense_intern *sense_intern_new(size_t limit)
{
	sense_intern *table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->slots = calloc(SLOTS_MIN, sizeof(*table->slots));
	if (!table->slots) {
		free(table);
		return NULL;
	}
	table->mask = SLOTS_MIN - 1;
	table->limit = limit;
	table->seed = sense_hash_seed();
	return table;
}

void sense_intern_free(sense_intern *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i <= table->mask; i++)
		free(table->slots[i]);
	free(table->slots);
	free(table);
}

/* The slot that holds the text, or the free one where it belongs. */
static uint32_t slot_of(const sense_intern *table, const char *text, size_t len, uint32_t hash)
{
	uint32_t i = hash & table->mask;
	for (; table->slots[i]; i = (i + 1) & table->mask) {
		const struct sense_str *str = table->slots[i];
		if (str->hash == hash && str->len == len && !memcmp(str->text, text, len))
			break;
	}
	return i;
}

static bool grow(sense_intern *table)
{
	uint32_t old = table->mask + 1;
	size_t more = (size_t)old * sizeof(*table->slots);
	if (old >= SLOTS_MAX || !fits(table, more))
		return false;
	struct sense_str **slots = calloc((size_t)old * 2, sizeof(*slots));
	if (!slots)
		return false;
	uint32_t mask = old * 2 - 1;
	for (uint32_t i = 0; i < old; i++) {
		struct sense_str *str = table->slots[i];
		if (!str)
			continue;
		uint32_t at = str->hash & mask;
		while (slots[at])
			at = (at + 1) & mask;
		slots[at] = str;
	}
	free(table->slots);
	table->slots = slots;
	table->mask = mask;
	table->held += more;
	return true;
}

const struct sense_str *sense_intern_get(sense_intern *table, const char *text, size_t len)
{
	if (len > UINT32_MAX - sizeof(struct sense_str) - 1)
		return NULL;
	if (!len)
		text = ""; /* memcmp and memcpy may not be given NULL */
	uint32_t hash = (uint32_t)sense_hash(text, len, table->seed);
	uint32_t at = slot_of(table, text, len, hash);
	if (table->slots[at])
		return sense_intern_ref(table->slots[at]);
	if (!fits(table, str_size(len)))
		return NULL;
	/* Three quarters full: probes get long beyond. One slot always stays free. */
	if (table->used >= table->mask - table->mask / 4) {
		if (!grow(table))
			return NULL;
		at = slot_of(table, text, len, hash);
		if (!fits(table, str_size(len)))
			return NULL;
	}
	struct sense_str *str = malloc(str_size(len));
	if (!str)
		return NULL;
	*str = (struct sense_str){ .refs = 1, .hash = hash, .len = (uint32_t)len };
	memcpy(str->text, text, len);
	str->text[len] = '\0';
	table->slots[at] = str;
	table->used++;
	table->held += str_size(len);
	return str;
}

/* Only this file made the object, writable; const is a promise to everyone else. */
static struct sense_str *writable(const struct sense_str *str)
{
	return (struct sense_str *)(uintptr_t)str;
}

/* A count that reached the top stays there: the text then lives as long as the table. */
const struct sense_str *sense_intern_ref(const struct sense_str *str)
{
	if (str && str->refs != UINT32_MAX)
		writable(str)->refs++;
	return str;
}

static void remove_slot(sense_intern *table, uint32_t hole)
{
	uint32_t i = hole;
	for (;;) {
		i = (i + 1) & table->mask;
		struct sense_str *str = table->slots[i];
		if (!str)
			break;
		/* It may fill the hole unless its own place lies behind the hole. */
		if (((i - str->hash) & table->mask) >= ((i - hole) & table->mask)) {
			table->slots[hole] = str;
			hole = i;
		}
	}
	table->slots[hole] = NULL;
}

void sense_intern_unref(sense_intern *table, const struct sense_str *str)
{
	if (!str || str->refs == UINT32_MAX || --writable(str)->refs)
		return;
	uint32_t at = str->hash & table->mask;
	while (table->slots[at] && table->slots[at] != str)
		at = (at + 1) & table->mask;
	if (!table->slots[at])
		return; /* of another table: leaking it is safer than freeing what that table holds */
	remove_slot(table, at);
	table->used--;
	table->held -= str_size(str->len);
	free(writable(str));
}

size_t sense_intern_held(const sense_intern *table)
{
	return table->held;
}
