#include "core/names/pieces.h"

#include <stdlib.h>
#include <string.h>

#define CAP_MIN 2048u /* a usual ClientHello fits */

void sense_pieces_init(struct sense_pieces *pieces, uint32_t limit, bool floating)
{
	*pieces = (struct sense_pieces){.limit = limit, .floating = floating};
}

void sense_pieces_fini(struct sense_pieces *pieces)
{
	free(pieces->data);
	free(pieces->have);
	sense_pieces_init(pieces, pieces->limit, pieces->floating);
}

void sense_pieces_clear(struct sense_pieces *pieces)
{
	if (pieces->have)
		memset(pieces->have, 0, pieces->cap / 8);
	pieces->from = pieces->whole = pieces->end = 0;
}

static bool reserve(struct sense_pieces *pieces, uint32_t need)
{
	if (need <= pieces->cap)
		return true;
	uint32_t cap = pieces->cap ? pieces->cap : CAP_MIN;
	while (cap < need)
		cap *= 2;
	if (cap > pieces->limit)
		cap = (pieces->limit + 63) / 64 * 64;
	uint8_t *data = realloc(pieces->data, cap);
	if (!data)
		return false;
	pieces->data = data;
	uint64_t *have = realloc(pieces->have, cap / 8);
	if (!have)
		return false;
	pieces->have = have;
	memset(have + pieces->cap / 64, 0, (cap - pieces->cap) / 8);
	pieces->cap = cap;
	return true;
}

/* The bits of [at, end) that lie in the word of `at`; *next is where the following word begins. */
static uint64_t word_mask(uint32_t at, uint32_t end, uint32_t *next)
{
	uint32_t low = at % 64, stop = at - low + 64;
	*next = end < stop ? end : stop;
	uint32_t count = *next - at;
	return (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << low;
}

/* Marks a range whose bits nobody looked after while the stream came in order. */
static void mark(struct sense_pieces *pieces, uint32_t at, uint32_t end)
{
	for (uint32_t next; at < end; at = next) {
		uint64_t mask = word_mask(at, end, &next);
		pieces->have[at / 64] |= mask;
	}
}

/* Copies the bytes that are missing, 64 at a step where all of them are. */
static void fill(struct sense_pieces *pieces, uint32_t at, const uint8_t *data, uint32_t len)
{
	uint32_t end = at + len;
	for (uint32_t next; at < end; data += next - at, at = next) {
		uint64_t mask = word_mask(at, end, &next), *have = &pieces->have[at / 64], old = *have;
		*have |= mask;
		if (!(old & mask)) {
			memcpy(pieces->data + at, data, next - at);
			continue;
		}
		for (uint32_t i = at; i < next; i++)
			if (!(old >> i % 64 & 1))
				pieces->data[i] = data[i - at];
	}
}

/* Moves `whole` over all bytes that are there, 64 at a step. */
static void advance(struct sense_pieces *pieces)
{
	while (pieces->whole < pieces->end) {
		uint64_t missing = ~(pieces->have[pieces->whole / 64] >> pieces->whole % 64);
		uint32_t run = missing ? (uint32_t)__builtin_ctzll(missing) : 64;
		uint32_t step = 64 - pieces->whole % 64;
		if (run < step) {
			pieces->whole += run;
			return;
		}
		pieces->whole += step;
	}
	pieces->whole = pieces->end;
}

bool sense_pieces_add(struct sense_pieces *pieces, uint32_t at, const uint8_t *data, size_t len)
{
	if (at >= pieces->limit || !len)
		return true;
	uint32_t count = len < pieces->limit - at ? (uint32_t)len : pieces->limit - at;
	if (!reserve(pieces, at + count))
		return false;
	if (pieces->floating && !pieces->end)
		pieces->from = pieces->whole = pieces->end = at;
	if (at == pieces->end && at == pieces->whole) { /* in order: the usual case */
		memcpy(pieces->data + at, data, count);
		pieces->whole = pieces->end = at + count;
		return true;
	}
	mark(pieces, pieces->from, pieces->whole);
	fill(pieces, at, data, count);
	if (at + count > pieces->end)
		pieces->end = at + count;
	if (pieces->floating && at < pieces->from)
		pieces->from = pieces->whole = at;
	advance(pieces);
	return true;
}
