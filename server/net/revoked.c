#include "server/net/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define FIRST_CAP 64u

struct serial {
	uint8_t len; /* 0: the place is empty; the number 0 itself has one byte */
	uint8_t bytes[SENSE_SERIAL_MAX];
};

/* Open addressing, at most three quarters full. */
struct sense_revoked {
	uint64_t seed;
	size_t count, cap;
	struct serial *places;
};

sense_revoked *sense_revoked_new(void)
{
	sense_revoked *set = calloc(1, sizeof *set);
	if (!set)
		return NULL;
	set->seed = sense_hash_seed();
	set->cap = FIRST_CAP;
	set->places = calloc(set->cap, sizeof *set->places);
	if (set->places)
		return set;
	free(set);
	return NULL;
}

void sense_revoked_free(sense_revoked *set)
{
	if (set)
		free(set->places);
	free(set);
}

static bool normal(const uint8_t *serial, size_t len, struct serial *out)
{
	while (len > 1 && !*serial) {
		serial++;
		len--;
	}
	if (!len || len > SENSE_SERIAL_MAX)
		return false;
	memset(out, 0, sizeof *out);
	out->len = (uint8_t)len;
	memcpy(out->bytes, serial, len);
	return true;
}

/* Its place, or the empty one where it belongs. */
static struct serial *find(const struct serial *places, size_t cap, uint64_t seed,
                           const struct serial *serial)
{
	size_t at = sense_hash(serial->bytes, serial->len, seed) & (cap - 1);
	while (places[at].len && memcmp(&places[at], serial, sizeof *serial))
		at = (at + 1) & (cap - 1);
	return (struct serial *)&places[at];
}

static bool grow(sense_revoked *set)
{
	size_t cap = set->cap * 2;
	struct serial *places = calloc(cap, sizeof *places);
	if (!places)
		return false;
	for (size_t i = 0; i < set->cap; i++)
		if (set->places[i].len)
			*find(places, cap, set->seed, &set->places[i]) = set->places[i];
	free(set->places);
	set->places = places;
	set->cap = cap;
	return true;
}

bool sense_revoked_add(sense_revoked *set, const uint8_t *serial, size_t len)
{
	struct serial wanted;
	if (!normal(serial, len, &wanted) || (set->count >= set->cap / 4 * 3 && !grow(set)))
		return false;
	struct serial *place = find(set->places, set->cap, set->seed, &wanted);
	set->count += !place->len;
	*place = wanted;
	return true;
}

bool sense_revoked_has(const sense_revoked *set, const uint8_t *serial, size_t len)
{
	struct serial wanted;
	if (!set || !set->count || !normal(serial, len, &wanted))
		return false;
	return find(set->places, set->cap, set->seed, &wanted)->len != 0;
}

void sense_revoked_clear(sense_revoked *set)
{
	memset(set->places, 0, set->cap * sizeof *set->places);
	set->count = 0;
}

size_t sense_revoked_count(const sense_revoked *set)
{
	return set->count;
}
