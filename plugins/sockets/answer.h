/*
 * What a program that listens is asked, and whether its answer proves what it speaks. HTTP/1.1 (RFC 9112),
 * JSON (RFC 8259), server-sent events as MCP's Streamable HTTP uses them.
 *
 * Strict: what is not exactly such an answer proves nothing. Nothing of it is kept but the verdict.
 */
#ifndef SOCKETS_ANSWER_H
#define SOCKETS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum question { QUESTION_OLLAMA, QUESTION_OPENAI, QUESTION_MCP, QUESTION_COUNT };

enum { ANSWER_MAX = 16384, QUESTION_TEXT_MAX = 768 };

enum answer {
	ANSWER_MORE, /* not to be said yet */
	ANSWER_NO,
	ANSWER_YES
};

/* The request; its length, below cap of at least QUESTION_TEXT_MAX. */
size_t question_write(enum question question, bool ip6, unsigned port, char *out, size_t cap);

/* "Ollama", "OpenAI-compatible", "MCP" */
const char *question_proves(enum question question);

/* All that came so far; `ended`: nothing more will. Never ANSWER_MORE then. */
enum answer answer_read(enum question question, const char *data, size_t len, bool ended);

#endif
