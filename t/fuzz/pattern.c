/*
 * What scripts search texts for: a pattern, or many words. The first byte is the length of the pattern, then
 * come the pattern and the text; the same pattern, split at its spaces, is the list of words.
 */
#include <stdlib.h>
#include <string.h>

#include "lua/pattern.h"
#include "lua/words.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a byte too far is seen. */
static char *copy(const uint8_t *data, size_t size)
{
	char *text = malloc(size + !size);
	if (!text)
		abort();
	memcpy(text, data, size);
	return text;
}

static void inside(const char *part, const char *text, size_t len)
{
	if (part < text || part > text + len)
		abort();
}

static void search(const char *p, size_t p_len, const char *text, size_t len, bool anchors)
{
	const char *end = NULL;
	struct sense_pattern pattern = {.text = text, .text_end = text + len};
	const char *found = sense_pattern_search(&pattern, p, p_len, text, anchors, &end);
	if (pattern.steps > SENSE_PATTERN_STEPS_MAX + 1)
		abort();
	if (!found)
		return;
	inside(found, text, len);
	inside(end, text, len);
	if (end < found || pattern.count > SENSE_PATTERN_CAPTURES_MAX)
		abort();
	for (unsigned i = 0; i < pattern.count; i++) {
		const struct sense_pattern_capture *capture = &pattern.captures[i];
		if (capture->len == SENSE_PATTERN_OPEN)
			continue; /* the caller refuses it */
		inside(capture->text, text, len);
		if (capture->len >= 0)
			inside(capture->text + capture->len, text, len);
	}
}

/* The word that is found is in the text, and where none is found none is. */
static void look_for(const char *list, size_t list_len, const char *text, size_t len)
{
	struct sense_word words[WORDS_MAX];
	unsigned count = 0;
	bool any = false;
	for (size_t i = 0, from = 0; i <= list_len && count < WORDS_MAX; i++) {
		if (i < list_len && list[i] != ' ')
			continue;
		if (i > from)
			words[count++] = (struct sense_word){list + from, i - from};
		from = i + 1;
	}
	if (!count)
		return;
	size_t size = sense_words_size(words, count);
	struct sense_words *automaton = size ? malloc(size) : NULL;
	if (!automaton)
		return;
	sense_words_build(automaton, words, count);
	int32_t found = sense_words_find(automaton, text, (uint32_t)len);
	for (unsigned i = 0; i < count; i++)
		any = any || memmem(text, len, words[i].text, words[i].len);
	if (found < 0 || found > (int32_t)count || any != (found > 0))
		abort();
	if (found && !memmem(text, len, words[found - 1].text, words[found - 1].len))
		abort();
	free(automaton);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	size_t len = data[0] % 129; /* env.lua lets no longer pattern pass */
	len = len < size - 1 ? len : size - 1;
	char *pattern = copy(data + 1, len), *text = copy(data + 1 + len, size - 1 - len);
	search(pattern, len, text, size - 1 - len, true);
	search(pattern, len, text, size - 1 - len, false);
	look_for(pattern, len, text, size - 1 - len);
	free(pattern);
	free(text);
	return 0;
}
