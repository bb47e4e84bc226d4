/*
 * What a command line runs. Interpreters (node, python, java, a shell) and launchers (npx, uv run, docker)
 * say nothing about the program that a person would name: the script, the module, the package or the image
 * that they are given does. Options are passed over as each of them takes them.
 *
 * Works on the arguments as the system hands them over, each ended by NUL; words are borrowed from there.
 * Looks at the first SENSE_LAUNCH_WORDS arguments and through at most SENSE_LAUNCH_DEPTH launchers; its cost
 * is that of the arguments' length.
 */
#ifndef SENSE_CATALOGUE_LAUNCH_H
#define SENSE_CATALOGUE_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

#define SENSE_LAUNCH_WORDS 64u
#define SENSE_LAUNCH_DEPTH 4u

/* Not terminated. */
struct sense_word {
	const char *text;
	size_t len;
};

enum sense_launch_kind {
	SENSE_LAUNCH_PROGRAM, /* the executable itself */
	SENSE_LAUNCH_SCRIPT,  /* a file */
	SENSE_LAUNCH_MODULE,  /* of a language: vllm.entrypoints.api_server */
	SENSE_LAUNCH_PACKAGE, /* of a registry: @scope/name@1.2 */
	SENSE_LAUNCH_IMAGE,   /* one of the arguments from `at` on names an image */
	SENSE_LAUNCH_NOTHING  /* code on the command line, or a prompt */
};

struct sense_launch {
	struct sense_word words[SENSE_LAUNCH_WORDS]; /* the arguments, [0] is how the program was called */
	unsigned count;
	enum sense_launch_kind kind;
	struct sense_word subject;
	struct sense_word title;  /* words[0], whole, where it was taken apart */
	struct sense_word runner; /* file name of the innermost interpreter; len 0: none */
	bool javascript;          /* it runs JavaScript */
	unsigned at;              /* its own arguments are those from words[at] on */
};

/* path and name may be NULL. */
void sense_launch_of(const char *path, const char *name, const char *argv, size_t argv_len,
                     struct sense_launch *out);

/* Behind the last '/'. */
struct sense_word sense_word_base(struct sense_word word);
bool sense_word_is(struct sense_word word, const char *text);
/* Without ".exe", and without what the kernel adds when a running file was removed: " (deleted)". */
struct sense_word sense_word_program(struct sense_word word);

#endif
