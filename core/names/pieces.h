/*
 * The beginning of a byte stream, put together from pieces in any order.
 *
 * A bit for each byte says whether it has come, so that neither the number nor the order of pieces
 * matters; memory is bounded by `limit` and grows with the highest byte that came. Where pieces
 * overlap, the bytes that came first are kept.
 *
 * `from` is where the stream begins: 0, or with `floating` the lowest byte seen so far. The bytes
 * [from, whole) are complete.
 */
#ifndef SENSE_NAMES_PIECES_H
#define SENSE_NAMES_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sense_pieces {
	uint8_t *data;
	uint64_t *have; /* bits; those below `whole` may be unset when the stream came in order */
	uint32_t cap;   /* bytes at data, a multiple of 64 */
	uint32_t limit;
	uint32_t from;
	uint32_t whole;
	uint32_t end; /* behind the highest byte that came */
	bool floating;
};

/* Nothing is allocated before the first piece. limit is at most 1 MiB. */
void sense_pieces_init(struct sense_pieces *pieces, uint32_t limit, bool floating);
void sense_pieces_fini(struct sense_pieces *pieces);
/* Forgets the contents and keeps the memory. */
void sense_pieces_clear(struct sense_pieces *pieces);
/* What lies behind `limit` is cut off. False when memory ran out; nothing has changed then. */
bool sense_pieces_add(struct sense_pieces *pieces, uint32_t at, const uint8_t *data, size_t len);

#endif
