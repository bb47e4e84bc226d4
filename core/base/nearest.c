#include <limits.h>
#include <string.h>

#include "core/base/status.h"

#define WORD_MAX 64

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;
	return least < c ? least : c;
}

/* Levenshtein distance with one row; words longer than WORD_MAX are never near. */
static unsigned distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned row[WORD_MAX + 1];
	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return UINT_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned above = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

const char *sense_nearest(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	/* A third of the letters may differ, and at least one (two swapped letters count as two). */
	unsigned bound = (unsigned)strlen(word) / 3 + 2;
	for (; *candidates; candidates++) {
		unsigned d = distance(word, *candidates);
		if (d < bound) {
			bound = d;
			best = *candidates;
		}
	}
	return best;
}
