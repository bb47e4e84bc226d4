#include "server/net/places.h"

#include <stdlib.h>

bool sense_places_init(struct sense_places *places, uint32_t cap)
{
	*places = (struct sense_places){.places = calloc(cap ? cap : 1, sizeof *places->places), .cap = cap};
	for (uint32_t i = 0; places->places && i < cap; i++)
		places->places[i] = (struct sense_place){.generation = 1, .next = i + 1};
	return places->places != NULL;
}

void sense_places_fini(struct sense_places *places)
{
	free(places->places);
	*places = (struct sense_places){.cap = 0};
}

bool sense_places_take(struct sense_places *places, void *what, uint32_t *number, uint32_t *generation)
{
	if (places->first >= places->cap)
		return false;
	struct sense_place *place = &places->places[places->first];
	*number = places->first;
	*generation = place->generation;
	places->first = place->next;
	place->what = what;
	places->used++;
	return true;
}

void *sense_places_find(const struct sense_places *places, uint32_t number, uint32_t generation)
{
	if (number >= places->cap || places->places[number].generation != generation)
		return NULL;
	return places->places[number].what;
}

void sense_places_give(struct sense_places *places, uint32_t number)
{
	struct sense_place *place = &places->places[number];
	place->what = NULL;
	place->generation++;
	place->next = places->first;
	places->first = number;
	places->used--;
}
