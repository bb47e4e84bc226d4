/*
 * Numbered places with generations: who keeps a number and a generation finds what stood there then, or
 * nothing, and never what came after it. Bounded; one thread.
 */
#ifndef SENSE_SERVER_NET_PLACES_H
#define SENSE_SERVER_NET_PLACES_H

#include <stdbool.h>
#include <stdint.h>

struct sense_place {
	void *what; /* NULL: empty */
	uint32_t generation;
	uint32_t next; /* of an empty one: the next that is empty */
};

struct sense_places {
	struct sense_place *places;
	uint32_t cap, used, first; /* first: empty place; cap: none */
};

bool sense_places_init(struct sense_places *places, uint32_t cap); /* false: no memory */
void sense_places_fini(struct sense_places *places);
bool sense_places_take(struct sense_places *places, void *what, uint32_t *number, uint32_t *generation);
void *sense_places_find(const struct sense_places *places, uint32_t number,
                        uint32_t generation); /* NULL: gone */
void sense_places_give(struct sense_places *places, uint32_t number);

#endif
