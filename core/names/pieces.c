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

/* Marks a range whose bits nobody looked after while the stream came in order. */
static void mark(struct sense_pieces *pieces, uint32_t at, uint32_t end)
{
	for (; at < end && at % 64; at++)
		pieces->have[at / 64] |= UINT64_C(1) << at % 64;
	for (; end - at >= 64; at += 64)
		pieces->have[at / 64] = UINT64_MAX;
	for (; at < end; at++)
		pieces->have[at / 64] |= UINT64_C(1) << at % 64;
}

static void fill(struct sense_pieces *pieces, uint32_t at, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++, at++) {
		uint64_t bit = UINT64_C(1) << at % 64;
		if (pieces->have[at / 64] & bit)
			continue;
		pieces->have[at / 64] |= bit;
		pieces->data[at] = data[i];
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
