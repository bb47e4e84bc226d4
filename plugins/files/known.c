/*
 * What was told already. An entry is a hash of what it is about and one of what was said, so that the
 * second sweep is silent about what stayed as it was; `seen` is the pass that met it last. Bounded in all
 * and for each home, so that one home cannot take the room of others.
 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* FNV-1a, seeded, with a last mix: who makes names cannot choose where they land. */
uint64_t known_hash(struct files *files, const void *bytes, size_t len, uint64_t seed)
{
	const unsigned char *at = bytes;
	if (!files->known.seed && getrandom(&files->known.seed, sizeof files->known.seed, 0) < 0)
		files->known.seed = 1;
	uint64_t h = files->known.seed ^ seed ^ UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		h = (h ^ at[i]) * UINT64_C(0x100000001b3);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return (h ^ h >> 32) | 1;
}

static uint64_t hash_text(struct files *files, const char *text, uint64_t seed)
{
	return known_hash(files, text, strlen(text), seed);
}

static const char *file_kind(enum known_kind kind)
{
	switch (kind) {
	case KNOWN_CONFIG:
		return "mcp_config";
	case KNOWN_INSTRUCTIONS:
		return "instructions";
	case KNOWN_MODEL:
		return "model";
	default:
		return NULL;
	}
}

static unsigned slot_of(const struct known *known, uint64_t key)
{
	unsigned at = (unsigned)key & (known->room - 1);
	while (known->table[at] && known->table[at]->key != key)
		at = (at + 1) & (known->room - 1);
	return at;
}

static bool grow(struct known *known)
{
	struct known_entry **old = known->table;
	unsigned old_room = known->room;
	if (known->count * 2 < known->room)
		return true;
	unsigned room = old_room ? old_room * 2 : 256;
	struct known_entry **table = calloc(room, sizeof *table);
	if (!table)
		return false;
	known->table = table;
	known->room = room;
	for (unsigned i = 0; i < old_room; i++)
		if (old[i])
			table[slot_of(known, old[i]->key)] = old[i];
	free(old);
	return true;
}

enum known_news known_note(struct files *files, struct home *home, enum known_kind kind, const char *path,
                           const char *name, uint64_t value)
{
	struct known *known = &files->known;
	uint64_t path_hash = hash_text(files, path, 0);
	uint64_t key = hash_text(files, name, path_hash + (uint64_t)kind);
	struct known_entry *entry = known->room ? known->table[slot_of(known, key)] : NULL;
	if (entry) {
		bool same = entry->value == value;
		entry->seen = known->now;
		entry->value = value;
		return same ? KNOWN_SAME : KNOWN_CHANGED;
	}
	if (known->count == KNOWN_MAX || home->known == KNOWN_HOME_MAX || !grow(known))
		return KNOWN_FULL;
	entry = malloc(sizeof *entry);
	char *copy = entry ? strdup(path) : NULL;
	if (!copy) {
		free(entry);
		return KNOWN_FULL;
	}
	*entry = (struct known_entry){.key = key,
	                              .path_hash = path_hash,
	                              .value = value,
	                              .seen = known->now,
	                              .home = home,
	                              .kind = (uint8_t)kind,
	                              .path = copy};
	known->table[slot_of(known, key)] = entry;
	known->count++;
	home->known++;
	return KNOWN_NEW;
}

bool known_model(struct files *files, const char *path)
{
	const struct known *known = &files->known;
	uint64_t key = hash_text(files, "", hash_text(files, path, 0) + KNOWN_MODEL);
	return known->room && known->table[slot_of(known, key)];
}

static void forget(struct files *files, struct known_entry *entry)
{
	const char *kind = file_kind(entry->kind);
	if (kind)
		tell_file(files, entry->home, kind, "removed", entry->path, -1);
	entry->home->known--;
	files->known.count--;
	free(entry->path);
	free(entry);
}

/* Takes out those for which `gone` holds. What stays is placed anew: holes would end a search early. */
static void expire(struct files *files, bool (*gone)(const struct known_entry *entry, const void *with),
                   const void *with)
{
	struct known *known = &files->known;
	unsigned found = 0;
	for (unsigned i = 0; i < known->room; i++) {
		struct known_entry *entry = known->table[i];
		if (!entry || !gone(entry, with))
			continue;
		known->table[i] = NULL;
		forget(files, entry);
		found++;
	}
	if (!found)
		return;
	struct known_entry **old = known->table;
	known->table = calloc(known->room, sizeof *old);
	if (!known->table) {
		/* Without memory all is forgotten but not told as gone; it is told again. */
		for (unsigned i = 0; i < known->room; i++)
			if (old[i]) {
				old[i]->home->known--;
				free(old[i]->path);
				free(old[i]);
			}
		known->room = known->count = 0;
	}
	for (unsigned i = 0; i < known->room; i++)
		if (old[i])
			known->table[slot_of(known, old[i]->key)] = old[i];
	free(old);
}

struct which {
	const struct home *home;
	const char *path;
	size_t len;
	uint64_t path_hash;
	uint32_t since;
};

static bool of_path(const struct known_entry *entry, const void *with)
{
	const struct which *which = with;
	return entry->path_hash == which->path_hash && entry->seen < which->since && entry->kind != KNOWN_GAP;
}

static bool below(const struct known_entry *entry, const void *with)
{
	const struct which *which = with;
	return entry->seen < which->since && !strncmp(entry->path, which->path, which->len) &&
	       (!entry->path[which->len] || entry->path[which->len] == '/');
}

static bool of_home(const struct known_entry *entry, const void *with)
{
	const struct which *which = with;
	return entry->home == which->home && entry->seen < which->since;
}

void known_expire_path(struct files *files, const char *path, uint32_t since)
{
	struct which which = {.path_hash = hash_text(files, path, 0), .since = since};
	expire(files, of_path, &which);
}

void known_keep_path(struct files *files, const char *path)
{
	uint64_t path_hash = hash_text(files, path, 0);
	for (unsigned i = 0; i < files->known.room; i++)
		if (files->known.table[i] && files->known.table[i]->path_hash == path_hash)
			files->known.table[i]->seen = files->known.now;
}

void known_expire_below(struct files *files, const char *path, uint32_t since)
{
	struct which which = {.path = path, .len = strlen(path), .since = since};
	expire(files, below, &which);
}

void known_expire_home(struct files *files, struct home *home, uint32_t since)
{
	struct which which = {.home = home, .since = since};
	expire(files, of_home, &which);
}

void known_free(struct known *known)
{
	for (unsigned i = 0; i < known->room; i++)
		if (known->table[i]) {
			free(known->table[i]->path);
			free(known->table[i]);
		}
	free(known->table);
}
