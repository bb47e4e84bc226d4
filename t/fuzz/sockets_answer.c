/*
 * Answers to probes of programs that listen. First byte: which question, and how much comes first. What is
 * said of the beginning of an answer must be said of all of it, and of all that came something must be.
 */
#include <stdint.h>
#include <stdlib.h>

#include "plugins/sockets/answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a block of its exact size, so that a sanitizer sees a read past it. */
static enum answer read_exact(enum question question, const uint8_t *data, size_t len, bool ended)
{
	char *exact = malloc(len ? len : 1);
	if (!exact)
		abort();
	memcpy(exact, data, len);
	enum answer answer = answer_read(question, exact, len, ended);
	free(exact);
	return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > ANSWER_MAX)
		return 0;
	enum question question = data[0] % QUESTION_COUNT;
	size_t len = size - 1, first = len * (data[0] / QUESTION_COUNT) / 85;
	enum answer early = read_exact(question, data + 1, first < len ? first : len, false);
	enum answer whole = read_exact(question, data + 1, len, true);
	if (whole == ANSWER_MORE || (early != ANSWER_MORE && early != whole))
		abort();
	return 0;
}
