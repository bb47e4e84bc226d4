#include "core/host/board.h"

#include <string.h>

#include "core/base/hash.h"

#define WAYS 4u
#define SETS (SENSE_BOARD_ENDPOINTS / WAYS)
#define TRIES 8u /* a reader that meets a writer looks again so many times */

#define load(field) atomic_load_explicit(&(field), memory_order_acquire)
#define store(field, value) atomic_store_explicit(&(field), (value), memory_order_release)

enum sense_status sense_board_new(struct sense_board *board, sense_error *err)
{
	*board = (struct sense_board){0};
	return sense_views_new(&board->views, sizeof(struct sense_board_page), "processes", err);
}

void sense_board_free(struct sense_board *board)
{
	sense_views_free(&board->views);
}

void sense_board_inherit(struct sense_board *board)
{
	sense_views_read_only(&board->views);
}

/* ---- the writer ---------------------------------------------------------------------------------- */

static void write_begin(_Atomic uint32_t *sequence)
{
	atomic_store_explicit(sequence, atomic_load_explicit(sequence, memory_order_relaxed) | 1u,
	                      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void write_end(_Atomic uint32_t *sequence)
{
	store(*sequence, atomic_load_explicit(sequence, memory_order_relaxed) + 1u);
}

void sense_board_clear(struct sense_board *board)
{
	struct sense_board_page *page = board->views.write;
	/* Nobody wrote yet: to look at pages would be to have them. */
	if (!load(page->beat))
		return;
	/* Numbers go on where the process before this one may have been. */
	for (unsigned i = 0; i < SENSE_BOARD_ACTORS; i++) {
		uint32_t number = load(page->number[i]);
		board->numbers = number > board->numbers ? number : board->numbers;
		if (!number)
			continue;
		store(page->number[i], 0);
		if (load(page->actors[i].sequence) & 1)
			write_end(&page->actors[i].sequence);
	}
	for (unsigned i = 0; i < SENSE_BOARD_ENDPOINTS; i++)
		if (load(page->endpoints[i].sequence) & 1)
			write_end(&page->endpoints[i].sequence);
}

struct sense_board_place sense_board_begin(struct sense_board *board)
{
	struct sense_board_place place = {.actor = board->next, .number = ++board->numbers};
	if (!place.number)
		place.number = board->numbers = 1;
	board->next = (board->next + 1) % SENSE_BOARD_ACTORS;
	struct sense_board_page *page = board->views.write;
	store(page->number[place.actor], place.number);
	return place;
}

bool sense_board_holds(const struct sense_board *board, const struct sense_board_place *place)
{
	return place->number && load(sense_board_page(board)->number[place->actor]) == place->number;
}

void sense_board_actor(struct sense_board *board, const struct sense_board_place *place,
                       const struct sense_host_message *message)
{
	struct sense_board_page *page = board->views.write;
	struct sense_board_actor *actor = &page->actors[place->actor];
	if (message->len > sizeof actor->data)
		return;
	write_begin(&actor->sequence);
	actor->len = (uint32_t)message->len;
	memcpy(actor->data, message->data, message->len);
	write_end(&actor->sequence);
}

/* The first of the places where an endpoint can stand. */
static size_t set_of(const struct sense_endpoint *key)
{
	return sense_hash(key, sizeof *key, sense_hash_seed()) % SETS * WAYS;
}

void sense_board_endpoint(struct sense_board *board, const struct sense_board_place *place,
                          const struct sense_endpoint *key)
{
	struct sense_board_page *page = board->views.write;
	struct sense_board_endpoint *set = &page->endpoints[set_of(key)], *entry = set;
	for (unsigned i = 0; i < WAYS; i++) {
		if (!memcmp(&set[i].key, key, sizeof *key)) {
			entry = &set[i];
			break;
		}
		if (board->writes - set[i].age > board->writes - entry->age)
			entry = &set[i];
	}
	write_begin(&entry->sequence);
	entry->key = *key;
	entry->actor = place->actor;
	entry->number = place->number;
	entry->age = ++board->writes;
	write_end(&entry->sequence);
}

void sense_board_locals(struct sense_board *board, const struct sense_addr *addrs, unsigned count)
{
	struct sense_board_page *page = board->views.write;
	count = count < SENSE_BOARD_LOCALS ? count : SENSE_BOARD_LOCALS;
	if (count == page->local_count && !memcmp(page->locals, addrs, count * sizeof *addrs))
		return;
	write_begin(&page->locals_sequence);
	memcpy(page->locals, addrs, count * sizeof *addrs);
	page->local_count = count;
	write_end(&page->locals_sequence);
}

void sense_board_beat(struct sense_board *board)
{
	struct sense_board_page *page = board->views.write;
	atomic_fetch_add_explicit(&page->beat, 1, memory_order_relaxed);
}

void sense_board_gauge(struct sense_board *board, const char *name, uint64_t value)
{
	struct sense_board_page *page = board->views.write;
	unsigned count = load(page->gauge_count), i = 0;
	while (i < count && strncmp(page->gauges[i].name, name, SENSE_BOARD_GAUGE_NAME - 1))
		i++;
	if (i == SENSE_BOARD_GAUGES)
		return;
	store(page->gauges[i].value, value);
	if (i < count)
		return;
	strncpy(page->gauges[i].name, name, SENSE_BOARD_GAUGE_NAME - 1);
	store(page->gauge_count, count + 1);
}

/* ---- readers ------------------------------------------------------------------------------------- */

static bool entry_is(const struct sense_board *board, const struct sense_board_endpoint *entry,
                     const struct sense_endpoint *key, struct sense_board_place *out)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t before = load(entry->sequence);
		if (before & 1)
			continue;
		bool same = !memcmp(&entry->key, key, sizeof *key);
		*out = (struct sense_board_place){entry->actor % SENSE_BOARD_ACTORS, entry->number};
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&entry->sequence, memory_order_relaxed) == before)
			return same && sense_board_holds(board, out);
	}
	return false;
}

static bool exact_find(const struct sense_board *board, const struct sense_endpoint *key,
                       struct sense_board_place *out)
{
	const struct sense_board_endpoint *set = &sense_board_page(board)->endpoints[set_of(key)];
	for (unsigned i = 0; i < WAYS; i++)
		if (entry_is(board, &set[i], key, out))
			return true;
	return false;
}

bool sense_board_find(const struct sense_board *board, const struct sense_endpoint *key, bool wide,
                      struct sense_board_place *out)
{
	struct sense_endpoint end = *key;
	if (exact_find(board, &end, out))
		return true;
	if (!wide)
		return false;
	memset(&end.remote, 0, sizeof end.remote);
	end.remote_port = 0;
	if (exact_find(board, &end, out))
		return true;
	memset(&end.local, 0, sizeof end.local);
	return exact_find(board, &end, out);
}

/* A list that is being written holds nobody up: it is as good as empty for this once. */
bool sense_board_is_local(const struct sense_board *board, const struct sense_addr *addr)
{
	const struct sense_board_page *page = sense_board_page(board);
	if (!strcmp(sense_addr_scope(addr), "loopback"))
		return true;
	uint32_t before = load(page->locals_sequence), count = page->local_count;
	bool found = false;
	for (unsigned i = 0; i < count && i < SENSE_BOARD_LOCALS && !found; i++)
		found = !memcmp(&page->locals[i], addr, sizeof *addr);
	atomic_thread_fence(memory_order_acquire);
	return found && !(before & 1) &&
	       atomic_load_explicit(&page->locals_sequence, memory_order_relaxed) == before;
}

bool sense_board_read(const struct sense_board *board, const struct sense_board_place *place,
                      uint8_t data[SENSE_BOARD_ACTOR_BYTES], size_t *len, uint32_t *version)
{
	const struct sense_board_actor *actor =
	    &sense_board_page(board)->actors[place->actor % SENSE_BOARD_ACTORS];
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t before = load(actor->sequence);
		if (before & 1)
			continue;
		size_t used = actor->len;
		if (used > SENSE_BOARD_ACTOR_BYTES)
			return false;
		memcpy(data, actor->data, used);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&actor->sequence, memory_order_relaxed) != before)
			continue;
		*len = used;
		*version = before;
		return used && sense_board_holds(board, place);
	}
	return false;
}
