/*
 * Which AI program a process is, by the catalogue's runtimes.tsv, and which AI variables its environment
 * names, by the env-var rows of sdk.tsv.
 *
 * What decides is the program itself: the file name of the executable, or behind an interpreter or launcher
 * the script, module, package or image (core/catalogue/launch.h). What other arguments or directories of
 * users say is nobody's evidence: an editor that opens ollama.txt is an editor, and all that a user called
 * ollama runs is what it is. Names that are short or ordinary words count only with a path, an option or a
 * word that speaks for them. Names compare as the system compares them (on Linux by case), without ".exe";
 * one that the kernel has cut to 15 bytes is known by these when there is nothing else.
 *
 * Compiled once; a process costs a few look-ups by hash. Every returned pointer lives as long as the
 * programs.
 */
#ifndef SENSE_CATALOGUE_PROGRAMS_H
#define SENSE_CATALOGUE_PROGRAMS_H

#include "core/base/status.h"

typedef struct sense_programs sense_programs;

struct sense_program {
	const char *id;    /* "claude-code" */
	const char *name;  /* "Claude Code" */
	const char *class; /* "coding-agent", "local-llm", ... */
	const char *risk;  /* "low", "medium", "high": a suggestion */
	const char *grade; /* "A" to "D", "U" (policies/catalogue/README.md) */
};

/* What is known about a process; NULL and 0 where it is not. Borrowed for the call. */
struct sense_program_facts {
	const char *name; /* as the system's lists call it */
	const char *path; /* of the executable */
	const char *argv; /* arguments, each ended by NUL */
	size_t argv_len;
	const char *environment; /* names of variables, each ended by NUL */
	size_t environment_len;
};

/* dir holds runtimes.tsv and sdk.tsv. */
sense_programs *sense_programs_load(const char *dir, sense_error *err);
/* The texts of the two tables, which are copied. */
sense_programs *sense_programs_from(const char *runtimes, size_t runtimes_len, const char *sdk,
                                    size_t sdk_len, sense_error *err);
void sense_programs_free(sense_programs *programs); /* NULL is fine */

/* NULL: none that is known. */
const struct sense_program *sense_programs_find(const sense_programs *programs,
                                                const struct sense_program_facts *facts);
const struct sense_program *sense_programs_by_id(const sense_programs *programs, const char *id); /* or NULL */
/*
 * The option, as the table has it, by which the program acts without asking; NULL: there is none among its
 * own arguments. Those of a launcher before it do not count, nor those behind "--".
 */
const char *sense_programs_unattended(const sense_programs *programs, const struct sense_program *program,
                                      const struct sense_program_facts *facts);
/*
 * Writes the names of AI variables, comma-separated, those that fit whole into cap with a NUL. Returns how
 * many there are.
 */
size_t sense_programs_markers(const sense_programs *programs, const char *environment, size_t len, char *out,
                              size_t cap);

#endif
