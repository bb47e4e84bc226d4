/* The inside of core/catalogue/programs.h, for its two files. Strings are the arena's. */
#ifndef SENSE_CATALOGUE_PROGRAMS_INTERNAL_H
#define SENSE_CATALOGUE_PROGRAMS_INTERNAL_H

#include "core/base/arena.h"
#include "core/catalogue/launch.h"
#include "core/catalogue/namemap.h"
#include "core/catalogue/programs.h"

#define SENSE_PROGRAM_PATTERN_WORDS 4u
#define SENSE_PROGRAM_KEY_MAX 96u
/* What the kernel keeps of a name (TASK_COMM_LEN without its NUL). */
#define SENSE_PROGRAM_CUT 15u

enum sense_program_kind {
	SENSE_PROGRAM_NAME,     /* of the executable, or of an installed command */
	SENSE_PROGRAM_CUT_NAME, /* the same, cut by the kernel */
	SENSE_PROGRAM_TITLE,    /* how a name begins: ray::, with the colons */
	SENSE_PROGRAM_PHRASE,   /* a name and words among its arguments */
	SENSE_PROGRAM_WORD,     /* a name, or how one begins, up to '-', '_' or '.' */
	SENSE_PROGRAM_PATH,     /* a part of a path, or of a package: keyed by its longest component */
	SENSE_PROGRAM_FILE_END  /* .llamafile */
};

struct sense_program_entry {
	const char *text; /* as the table has it, without "-m " */
	struct sense_word words[SENSE_PROGRAM_PATTERN_WORDS];
	uint8_t word_count;
	uint8_t kind;
	bool weak; /* short, or an ordinary word */
	uint16_t row;
	uint16_t next; /* entry + 1 under the same key; 0: none */
};

struct sense_program_row {
	struct sense_program program; /* first: what callers hold is this */
	const char *flags;            /* of the column, NUL between them */
	unsigned flag_count;
	const char *places; /* directories that are the program's own: ".kimi-code"; NUL between */
	unsigned place_count;
	bool npm; /* it comes as a package of npm */
};

struct sense_programs {
	struct sense_arena arena;
	struct sense_program_row *rows;
	unsigned row_count;
	struct sense_program_entry *entries;
	unsigned entry_count, entry_cap;
	struct sense_namemap keys;
	uint16_t *first; /* entry + 1, by number in keys */
	struct sense_namemap markers;
	const char **globs; /* of markers */
	unsigned glob_count;
};

/*
 * The key of a name: '_' as '-', and without case where the system's names have none. 0: it is too long
 * for any. key holds SENSE_PROGRAM_KEY_MAX bytes.
 */
size_t sense_program_key(struct sense_word word, char *key);

#endif
