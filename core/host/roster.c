#include "core/host/roster.h"

#include <stdlib.h>
#include <string.h>


#define NONE UINT32_MAX
#define FIRST_SLOTS 1024u

/* An entry's texts lie in one block. */
struct entry {
	struct sense_roster_process process; /* pid 0: free */
	char *texts;
	uint32_t chain; /* of the bucket, or of free entries */
};

/* A process that ended; the entry may be another's by the time that it is looked at. */
struct ended {
	uint32_t pid;
	uint64_t start_us, exit_us;
};

struct sense_roster {
	struct entry *entries;
	uint32_t *buckets; /* as many as entries: a power of two */
	uint32_t size, used, count, free;
	struct ended *ended; /* a ring; it grows to SENSE_ROSTER_MAX */
	uint32_t ended_at, ended_count, ended_size; /* a power of two */
	uint64_t refused;
};

sense_roster *sense_roster_new(void)
{
	sense_roster *roster = calloc(1, sizeof *roster);
	if (roster)
		roster->free = NONE;
	return roster;
}

void sense_roster_free(sense_roster *roster)
{
	if (!roster)
		return;
	for (uint32_t i = 0; i < roster->used; i++)
		free(roster->entries[i].texts);
	free(roster->entries);
	free(roster->buckets);
	free(roster->ended);
	free(roster);
}

/* ---- places -------------------------------------------------------------------------------------- */

static uint32_t *bucket_of(const sense_roster *roster, uint32_t pid)
{
	return &roster->buckets[(pid * UINT32_C(2654435761)) & (roster->size - 1)]; /* Knuth, TAOCP 3, 6.4 */
}

static struct entry *entry_find(const sense_roster *roster, uint32_t pid)
{
	if (!roster->size || !pid)
		return NULL;
	for (uint32_t i = *bucket_of(roster, pid); i != NONE; i = roster->entries[i].chain)
		if (roster->entries[i].process.pid == pid)
			return &roster->entries[i];
	return NULL;
}

static bool grow(sense_roster *roster)
{
	uint32_t size = roster->size ? roster->size * 2 : FIRST_SLOTS;
	struct entry *entries = realloc(roster->entries, size * sizeof *entries);
	if (entries)
		roster->entries = entries;
	uint32_t *buckets = realloc(roster->buckets, size * sizeof *buckets);
	if (buckets)
		roster->buckets = buckets;
	if (!entries || !buckets)
		return false;
	roster->size = size;
	memset(buckets, 0xff, size * sizeof *buckets);
	for (uint32_t i = 0; i < roster->used; i++) {
		if (!entries[i].process.pid)
			continue;
		uint32_t *bucket = bucket_of(roster, entries[i].process.pid);
		entries[i].chain = *bucket;
		*bucket = i;
	}
	return true;
}

static void entry_drop(sense_roster *roster, struct entry *entry)
{
	uint32_t number = (uint32_t)(entry - roster->entries);
	uint32_t *at = bucket_of(roster, entry->process.pid);
	while (*at != number)
		at = &roster->entries[*at].chain;
	*at = entry->chain;
	free(entry->texts);
	*entry = (struct entry){.chain = roster->free};
	roster->free = number;
	roster->count--;
}

/* Drops the one that ended longest ago; false: its place is another's already. */
static bool first_drop(sense_roster *roster)
{
	const struct ended *ended = &roster->ended[roster->ended_at];
	struct entry *entry = entry_find(roster, ended->pid);
	bool same = entry && entry->process.exit_us && entry->process.start_us == ended->start_us;
	roster->ended_at = (roster->ended_at + 1) & (roster->ended_size - 1);
	roster->ended_count--;
	if (same)
		entry_drop(roster, entry);
	return same;
}

/* False: all that are there run. */
static bool oldest_drop(sense_roster *roster)
{
	while (roster->ended_count)
		if (first_drop(roster))
			return true;
	return false;
}

static struct entry *entry_new(sense_roster *roster, uint32_t pid)
{
	bool full = roster->count == SENSE_ROSTER_MAX;
	if (full && !oldest_drop(roster))
		return NULL;
	if (roster->free == NONE && roster->used == roster->size && !grow(roster))
		return NULL;
	uint32_t number = roster->free;
	if (number != NONE)
		roster->free = roster->entries[number].chain;
	else
		number = roster->used++;
	struct entry *entry = &roster->entries[number];
	uint32_t *bucket = bucket_of(roster, pid);
	*entry = (struct entry){.process.pid = pid, .chain = *bucket};
	*bucket = number;
	roster->count++;
	return entry;
}

/* ---- texts --------------------------------------------------------------------------------------- */

static const char *or_old(const char *fresh, const char *old)
{
	return fresh && *fresh ? fresh : old ? old : "";
}

static bool texts_copy(struct entry *entry, const struct sense_roster_process *from)
{
	size_t need = 0;
#define MEASURE(member, max) need += strnlen(or_old(from->member, entry->process.member), max) + 1;
	SENSE_ROSTER_TEXTS(MEASURE)
#undef MEASURE
	char *block = malloc(need), *at = block;
	if (!block)
		return false;
#define COPY(member, max)                                                                          \
	do {                                                                                       \
		const char *text = or_old(from->member, entry->process.member);                    \
		size_t len = strnlen(text, max);                                                   \
		memcpy(at, text, len);                                                             \
		at[len] = '\0';                                                                    \
		entry->process.member = at;                                                        \
		at += len + 1;                                                                     \
	} while (0);
	SENSE_ROSTER_TEXTS(COPY)
#undef COPY
	free(entry->texts);
	entry->texts = block;
	return true;
}

/* Programs above it, the nearest first, and the first of them that is an AI tool. */
static void ancestry(sense_roster *roster, const struct sense_roster_process *process,
                     struct sense_roster_process *out, char *text, size_t cap)
{
	size_t used = 0;
	uint32_t pid = process->parent;
	*text = '\0';
	for (unsigned i = 0; i < SENSE_ROSTER_DEPTH && pid && pid != process->pid; i++) {
		const struct entry *entry = entry_find(roster, pid);
		if (!entry || entry->process.start_us > process->start_us + 1000000)
			break; /* the pid is another's by now */
		const struct sense_roster_process *up = &entry->process;
		size_t len = strlen(up->name);
		if (len && used + len + 3 < cap) {
			memcpy(text + used, ", ", 2);
			used += used ? 2 : 0;
			memcpy(text + used, up->name, len + 1);
			used += len;
		}
		if (!*out->agent)
			out->agent = *up->tool ? up->tool : up->agent;
		if (pid == up->parent)
			break;
		pid = up->parent;
	}
	out->ancestors = text;
}

/* ---- what others call ---------------------------------------------------------------------------- */

/* What was said of the program before this one. */
static void program_forget(struct sense_roster_process *process)
{
	process->path = process->command = process->cwd = process->hash = "";
	process->tool = process->unattended = process->markers = "";
}

struct sense_roster_process *sense_roster_put(sense_roster *roster, const struct sense_roster_process *process,
                                              bool executes)
{
	char above[192];
	struct entry *entry = entry_find(roster, process->pid);
	struct sense_roster_process with = *process;
	if (!process->pid)
		return NULL;
	/* One that was known by its socket alone has no start yet. */
	if (entry && entry->process.start_us && entry->process.start_us != process->start_us) {
		entry_drop(roster, entry);
		entry = NULL;
	}
	if (!entry)
		entry = entry_new(roster, process->pid);
	if (!entry) {
		roster->refused++;
		return NULL;
	}
	if (executes)
		program_forget(&entry->process);
	with.agent = "";
	ancestry(roster, process, &with, above, sizeof above);
	if (!texts_copy(entry, &with)) {
		entry_drop(roster, entry);
		roster->refused++;
		return NULL;
	}
	entry->process.parent = process->parent ? process->parent : entry->process.parent;
	entry->process.uid = process->uid;
	entry->process.start_us = process->start_us;
	return &entry->process;
}

struct sense_roster_process *sense_roster_find(sense_roster *roster, uint32_t pid)
{
	struct entry *entry = entry_find(roster, pid);
	return entry ? &entry->process : NULL;
}

/* Makes room for one more that ended. False: no memory; then it stays until its pid comes again. */
static bool ended_room(sense_roster *roster)
{
	if (roster->ended_count < roster->ended_size)
		return true;
	uint32_t size = roster->ended_size ? roster->ended_size * 2 : FIRST_SLOTS;
	struct ended *ring = size <= SENSE_ROSTER_MAX ? malloc(size * sizeof *ring) : NULL;
	if (!ring)
		return roster->ended_count && (first_drop(roster), true);
	for (uint32_t i = 0; i < roster->ended_count; i++)
		ring[i] = roster->ended[(roster->ended_at + i) & (roster->ended_size - 1)];
	free(roster->ended);
	roster->ended = ring;
	roster->ended_at = 0;
	roster->ended_size = size;
	return true;
}

void sense_roster_end(sense_roster *roster, uint32_t pid, uint64_t ts_us)
{
	struct entry *entry = entry_find(roster, pid);
	if (!entry || entry->process.exit_us)
		return;
	entry->process.exit_us = ts_us ? ts_us : 1;
	if (!ended_room(roster))
		return;
	uint32_t at = (roster->ended_at + roster->ended_count++) & (roster->ended_size - 1);
	roster->ended[at] = (struct ended){pid, entry->process.start_us, entry->process.exit_us};
}

void sense_roster_expire(sense_roster *roster, uint64_t now_us)
{
	while (roster->ended_count &&
	       roster->ended[roster->ended_at].exit_us + SENSE_ROSTER_KEEP_US < now_us)
		first_drop(roster);
}

struct sense_roster_process *sense_roster_next(sense_roster *roster, uint32_t *cursor)
{
	while (*cursor < roster->used) {
		struct sense_roster_process *process = &roster->entries[(*cursor)++].process;
		if (process->pid && !process->exit_us)
			return process;
	}
	return NULL;
}

uint32_t sense_roster_count(const sense_roster *roster)
{
	return roster->count;
}

uint64_t sense_roster_refused(const sense_roster *roster)
{
	return roster->refused;
}
