#include "known.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 512 }; /* a power of two, as every later one */

void known_fini(struct known *known)
{
	free(known->slots);
	*known = (struct known){0};
}

/* Its slot, or the free one where it would be; at most three quarters are in use. */
static struct known_socket *slot_of(const struct known *known, uint64_t cookie)
{
	size_t at = (size_t)(cookie * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (known->room - 1);
	while (known->slots[at].cookie && known->slots[at].cookie != cookie)
		at = (at + 1) & (known->room - 1);
	return &known->slots[at];
}

struct known_socket *known_find(const struct known *known, uint64_t cookie)
{
	if (!known->room || !cookie)
		return NULL;
	struct known_socket *slot = slot_of(known, cookie);
	return slot->cookie ? slot : NULL;
}

/* Moves what `keeps` says into a table of this room. */
static bool rebuild(struct known *known, size_t room,
                    bool (*keeps)(const struct known_socket *, const void *), const void *context)
{
	struct known made = {.room = room, .slots = calloc(room, sizeof *made.slots)};
	if (!made.slots)
		return false;
	for (size_t i = 0; i < known->room; i++) {
		const struct known_socket *socket = &known->slots[i];
		if (!socket->cookie || (keeps && !keeps(socket, context)))
			continue;
		*slot_of(&made, socket->cookie) = *socket;
		made.count++;
	}
	free(known->slots);
	*known = made;
	return true;
}

struct known_socket *known_add(struct known *known, uint64_t cookie)
{
	struct known_socket *found = known_find(known, cookie);
	if (found)
		return found;
	if (!cookie || known->count == KNOWN_MAX)
		return NULL;
	if (known->count * 4 >= known->room * 3 &&
	    !rebuild(known, known->room ? 2 * known->room : ROOM_FIRST, NULL, NULL))
		return NULL;
	known->count++;
	found = slot_of(known, cookie);
	*found = (struct known_socket){.cookie = cookie};
	return found;
}

struct purge {
	uint8_t classes;
	uint16_t generation;
};

static bool keeps(const struct known_socket *socket, const void *context)
{
	const struct purge *purge = context;
	return !(socket->class & purge->classes) || socket->generation == purge->generation;
}

void known_purge(struct known *known, uint8_t classes, uint16_t generation)
{
	struct purge purge = {classes, generation};
	size_t stay = 0, room = ROOM_FIRST;
	for (size_t i = 0; i < known->room; i++)
		stay += known->slots[i].cookie && keeps(&known->slots[i], &purge);
	if (stay == known->count)
		return;
	while (stay * 2 > room)
		room *= 2;
	/* Without memory they stay until the next time. */
	(void)rebuild(known, room, keeps, &purge);
}
