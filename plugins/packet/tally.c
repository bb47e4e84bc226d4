#include "tally.h"

#include <string.h>
#include <unistd.h>

#include "socket.h"

void tally_init(struct tally *tally, const struct sense_host *host)
{
	*tally = (struct tally){.host = host};
}

void tally_fini(struct tally *tally)
{
	for (unsigned i = 0; i < SHARE_INTERFACES_MAX; i++)
		if (tally->entries[i].index)
			close(tally->entries[i].fd);
	tally_init(tally, tally->host);
}

const struct tally_entry *tally_find(const struct tally *tally, const char *name)
{
	for (unsigned i = 0; i < SHARE_INTERFACES_MAX; i++)
		if (tally->entries[i].index && !strcmp(tally->entries[i].name, name))
			return &tally->entries[i];
	return NULL;
}

/* What all readers read of the interface in this place. */
static uint64_t frames_of(struct share_row *const *rows, unsigned workers, unsigned place)
{
	uint64_t frames = 0;
	for (unsigned i = 0; i < workers; i++)
		frames += atomic_load(&rows[i]->share->frames_of[place]);
	return frames;
}

static void place_tell(struct share_row *const *rows, unsigned workers, unsigned place, unsigned index)
{
	for (unsigned i = 0; i < workers; i++)
		atomic_store(&rows[i]->share->interfaces[place], index);
}

/* ---- which --------------------------------------------------------------------------------------- */

static bool is_wanted(const struct tally_entry *entry, const struct tally_interface *want, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (entry->index == want[i].index && !strcmp(entry->name, want[i].name))
			return true;
	return false;
}

static void drop(struct tally *tally, struct tally_entry *entry)
{
	close(entry->fd);
	tally->gone += entry->dropped;
	*entry = (struct tally_entry){0};
}

static void add(struct tally *tally, const struct tally_interface *want, struct share_row *const *rows,
                unsigned workers, const struct tally_filter *filter)
{
	unsigned place = 0;
	while (place < SHARE_INTERFACES_MAX && tally->entries[place].index)
		place++;
	if (place == SHARE_INTERFACES_MAX || !want->index)
		return;
	struct tally_entry *entry = &tally->entries[place];
	int fd = packet_socket_tally(tally->host, want->index, filter->code, filter->length);
	if (fd < 0)
		return; /* it went away again, say */
	*entry = (struct tally_entry){
	    .index = want->index, .fd = fd, .read_before = frames_of(rows, workers, place)};
	strncpy(entry->name, want->name, sizeof entry->name - 1);
	place_tell(rows, workers, place, want->index);
}

void tally_set(struct tally *tally, const struct tally_interface *want, unsigned want_count,
               struct share_row *const *rows, unsigned workers, const struct tally_filter *filter)
{
	for (unsigned i = 0; i < SHARE_INTERFACES_MAX; i++) {
		struct tally_entry *entry = &tally->entries[i];
		if (!entry->index)
			continue;
		if (is_wanted(entry, want, want_count) &&
		    (!filter->is_new ||
		     !packet_socket_filter(tally->host, entry->fd, filter->code, filter->length, NULL)))
			continue;
		place_tell(rows, workers, i, 0);
		drop(tally, entry);
	}
	for (unsigned i = 0; i < want_count; i++) {
		if (!tally_find(tally, want[i].name))
			add(tally, &want[i], rows, workers, filter);
	}
}

/* ---- how many ------------------------------------------------------------------------------------ */

/* Came and was not read. */
static uint64_t missing(const struct tally_entry *entry, uint64_t read)
{
	return entry->offered > read ? entry->offered - read : 0;
}

/* `dropped` is shared out by what is missing; what rounding leaves goes to the one that misses most. */
static void share_out(struct tally *tally, const uint64_t *missing_of, uint64_t dropped)
{
	uint64_t all = 0, given = 0;
	unsigned most = 0;
	for (unsigned i = 0; i < SHARE_INTERFACES_MAX; i++) {
		all += missing_of[i];
		most = missing_of[i] > missing_of[most] ? i : most;
	}
	if (!all)
		return;
	for (unsigned i = 0; i < SHARE_INTERFACES_MAX; i++) {
		uint64_t part = (uint64_t)((double)dropped * ((double)missing_of[i] / (double)all));
		part = part < missing_of[i] ? part : missing_of[i];
		tally->entries[i].dropped = part;
		given += part;
	}
	if (given < dropped)
		tally->entries[most].dropped += dropped - given;
}

void tally_look(struct tally *tally, struct share_row *const *rows, unsigned workers, uint64_t dropped)
{
	uint64_t missing_of[SHARE_INTERFACES_MAX] = {0};
	for (unsigned i = 0; i < SHARE_INTERFACES_MAX; i++) {
		struct tally_entry *entry = &tally->entries[i];
		struct sense_live_stats stats = {0};
		if (!entry->index)
			continue;
		place_tell(rows, workers, i, entry->index);
		packet_socket_count(tally->host, entry->fd, &stats, NULL);
		entry->offered += stats.received;
		uint64_t read = frames_of(rows, workers, i);
		/* What it read of before it was counted. */
		if (read - entry->read_before > entry->offered)
			entry->read_before = read - entry->offered;
		missing_of[i] = missing(entry, read - entry->read_before);
	}
	share_out(tally, missing_of, dropped > tally->gone ? dropped - tally->gone : 0);
}
