/*
 * Many words looked for in a text at once: an automaton after Aho and Corasick (1975), whose cost is one
 * step a byte however many words there are. Bytes that no word has share one column of its table.
 */
#ifndef SENSE_LUA_WORDS_H
#define SENSE_LUA_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_WORDS_MAX 4096
#define SENSE_WORDS_BYTES_MAX 65535 /* of all words together */

struct sense_words;

struct sense_word {
	const char *text;
	size_t len; /* not 0 */
};

/* How much memory sense_words_build fills; 0: too many words or bytes. */
size_t sense_words_size(const struct sense_word *list, unsigned count);
/* out has so much room, aligned as malloc does. The words are not needed afterwards. */
void sense_words_build(struct sense_words *out, const struct sense_word *list, unsigned count);
/*
 * The number from 1 of the word that ends first in the text, the longest of several that end there; 0: none
 * occurs. Of a word that is listed twice the last number is given.
 */
int32_t sense_words_find(const struct sense_words *words, const char *text, uint32_t len);

#endif
