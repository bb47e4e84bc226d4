#include "lua/words.h"

#include <string.h>

struct sense_words {
	uint32_t columns; /* of the table; column 0 is for bytes that no word has */
	uint32_t nodes;   /* 0 is the root */
	uint16_t column[256];
	uint16_t cells[]; /* next[nodes][columns], then for each node: word that ends there, link, queue */
};

/* Numbers the bytes that the words have, from 1. Returns how many columns that makes. */
static uint32_t number_bytes(const struct sense_word *list, unsigned count, uint16_t column[256])
{
	uint32_t columns = 1;
	memset(column, 0, 256 * sizeof(*column));
	for (unsigned i = 0; i < count; i++) {
		for (size_t j = 0; j < list[i].len; j++) {
			uint16_t *of = &column[(uint8_t)list[i].text[j]];
			if (!*of)
				*of = (uint16_t)columns++;
		}
	}
	return columns;
}

/* The root, and at most one node a byte; 0: too many. */
static uint32_t count_nodes(const struct sense_word *list, unsigned count)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < count; i++) {
		if (list[i].len > SENSE_WORDS_BYTES_MAX - bytes)
			return 0;
		bytes += list[i].len;
	}
	return (uint32_t)bytes + 1;
}

size_t sense_words_size(const struct sense_word *list, unsigned count)
{
	uint16_t column[256];
	size_t nodes = count && count <= SENSE_WORDS_MAX ? count_nodes(list, count) : 0;
	if (!nodes)
		return 0;
	size_t columns = number_bytes(list, count, column);
	return sizeof(struct sense_words) + nodes * (columns + 3) * sizeof(uint16_t);
}

/* The tree of the words. No edge leads to the root, so 0 is none. */
static void plant(struct sense_words *words, uint16_t *ends, const struct sense_word *list, unsigned count)
{
	uint32_t used = 1;
	for (unsigned i = 0; i < count; i++) {
		uint32_t node = 0;
		for (size_t j = 0; j < list[i].len; j++) {
			uint32_t column = words->column[(uint8_t)list[i].text[j]];
			uint16_t *next = &words->cells[node * words->columns + column];
			if (!*next)
				*next = (uint16_t)used++;
			node = *next;
		}
		ends[node] = (uint16_t)(i + 1);
	}
}

/*
 * Breadth first, so that a node's link (the longest proper end of its word that is in the tree) is done
 * before it: missing edges become those of the link, and a node where no word ends has its link's.
 */
static void connect(struct sense_words *words, uint16_t *ends, uint16_t *link, uint16_t *queue)
{
	uint32_t columns = words->columns, tail = 1;
	for (uint32_t head = 0; head < tail; head++) {
		uint32_t node = queue[head];
		const uint16_t *fallback = &words->cells[link[node] * columns];
		uint16_t *next = &words->cells[node * columns];
		for (uint32_t c = 1; c < columns; c++) {
			uint16_t child = next[c];
			uint16_t other = node ? fallback[c] : 0;
			if (!child) {
				next[c] = other;
				continue;
			}
			link[child] = other;
			if (!ends[child])
				ends[child] = ends[other];
			queue[tail++] = child;
		}
	}
}

void sense_words_build(struct sense_words *out, const struct sense_word *list, unsigned count)
{
	memset(out, 0, sense_words_size(list, count));
	out->columns = number_bytes(list, count, out->column);
	out->nodes = count_nodes(list, count);
	uint16_t *ends = out->cells + (size_t)out->nodes * out->columns;
	plant(out, ends, list, count);
	connect(out, ends, ends + out->nodes, ends + 2 * out->nodes);
}

int32_t sense_words_find(const struct sense_words *words, const char *text, uint32_t len)
{
	const uint16_t *ends = words->cells + (size_t)words->nodes * words->columns;
	uint32_t node = 0;
	for (uint32_t i = 0; i < len; i++) {
		node = words->cells[node * words->columns + words->column[(uint8_t)text[i]]];
		if (ends[node])
			return ends[node];
	}
	return 0;
}
