/* Compiles the catalogue's programs; programs_find.c looks them up. */
#include "core/catalogue/programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/catalogue/internal.h"
#include "core/catalogue/programs_internal.h"
#include "core/catalogue/tsv.h"

#define ARENA_MAX (32u << 20)
#define SHORT_NAME 4u
#define PLACES_MAX 16u

enum runtime_column { ID, NAME, CLASS, RISK, NAMES, PATTERNS, PORTS, CONFIGS, MODELS, FLAGS, GRADE };
static const char *const runtime_columns[] = {"id",
                                              "name",
                                              "class",
                                              "risk_tier",
                                              "process_names",
                                              "argv_patterns",
                                              "default_ports",
                                              "config_paths",
                                              "model_or_data_paths",
                                              "unattended_flags",
                                              "grade",
                                              "sources",
                                              NULL};
enum sdk_column { ECOSYSTEM, SDK_NAME };
static const char *const sdk_columns[] = {"ecosystem", "name", "class", "grade", "sources", NULL};

/* Names that other well-known programs have, too: pppd's chat, a tool for databases called goose, ... */
static const char *const ordinary[] = {"chat",  "chroma", "comet", "Comet",      "copilot",
                                       "goose", "hermes", "tabby", "interpreter"};

static bool is_weak(struct sense_word word)
{
	if (word.len <= SHORT_NAME)
		return true;
	for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++)
		if (sense_word_is(word, ordinary[i]))
			return true;
	return false;
}

size_t sense_program_key(struct sense_word word, char *key)
{
	if (word.len >= SENSE_PROGRAM_KEY_MAX)
		return 0;
	for (size_t i = 0; i < word.len; i++) {
		char c = word.text[i];
#if defined(_WIN32) || defined(__APPLE__)
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
#endif
		key[i] = c == '_' ? '-' : c;
	}
	return word.len;
}

static struct sense_word word_of(const char *text)
{
	return (struct sense_word){text, strlen(text)};
}

/* Enters the pattern under a key. False when memory or the table is at its end. */
static bool entry_add(sense_programs *programs, struct sense_word key,
                      const struct sense_program_entry *entry)
{
	char folded[SENSE_PROGRAM_KEY_MAX];
	size_t len = sense_program_key(key, folded);
	if (!len)
		return true; /* no name is that long */
	const char *kept = sense_arena_strndup(&programs->arena, folded, len);
	int number = kept && programs->entry_count < programs->entry_cap
	               ? sense_namemap_put(&programs->keys, kept, len)
	               : -1;
	if (number < 0)
		return false;
	struct sense_program_entry *to = &programs->entries[programs->entry_count++];
	*to = *entry;
	to->next = programs->first[number];
	programs->first[number] = (uint16_t)programs->entry_count;
	return true;
}

static bool name_add(sense_programs *programs, unsigned row, const char *text)
{
	struct sense_word word = sense_word_program(word_of(text));
	struct sense_program_entry entry = {
	    .text = text, .words = {word}, .word_count = 1, .row = (uint16_t)row, .weak = is_weak(word)};
	if (text[0] == '*' && text[1] == '.') {
		entry.kind = SENSE_PROGRAM_FILE_END;
		return entry_add(programs, word_of(text + 1), &entry);
	}
	if (word.len > 2 && !memcmp(word.text + word.len - 2, "::", 2)) {
		entry.kind = SENSE_PROGRAM_TITLE;
		return entry_add(programs, word, &entry);
	}
	entry.kind = SENSE_PROGRAM_NAME;
	if (!entry_add(programs, word, &entry))
		return false;
	if (word.len <= SENSE_PROGRAM_CUT)
		return true;
	entry.kind = SENSE_PROGRAM_CUT_NAME;
	entry.words[0].len = SENSE_PROGRAM_CUT;
	return entry_add(programs, entry.words[0], &entry);
}

/* The longest part of a path says most; those of a package's scope are in it. */
static struct sense_word longest_component(const char *path)
{
	struct sense_word best = {path, 0};
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n > best.len)
			best = (struct sense_word){path, n};
		path += n + (path[n] == '/');
	}
	return best;
}

static void pattern_words(struct sense_program_entry *entry)
{
	const char *at = entry->text;
	for (entry->word_count = 0; *at && entry->word_count < SENSE_PROGRAM_PATTERN_WORDS;) {
		size_t n = strcspn(at, " ");
		entry->words[entry->word_count++] = (struct sense_word){at, n};
		at += n + (at[n] == ' ');
	}
}

static bool pattern_add(sense_programs *programs, unsigned row, const char *text)
{
	struct sense_program_entry entry = {.row = (uint16_t)row};
	entry.text = !strncmp(text, "-m ", 3) ? text + 3 : text;
	pattern_words(&entry);
	struct sense_word first = entry.words[0];
	if (entry.text[0] == '-')
		return true; /* an option alone is everybody's */
	entry.weak = is_weak(first);
	if (entry.word_count > 1) {
		entry.kind = SENSE_PROGRAM_PHRASE;
		return entry_add(programs, first, &entry);
	}
	if (entry.text[0] == '.') {
		entry.kind = SENSE_PROGRAM_FILE_END;
		return entry_add(programs, first, &entry);
	}
	if (entry.text[0] == '@' || strchr(entry.text, '/')) {
		programs->rows[row].npm |= entry.text[0] == '@';
		entry.kind = SENSE_PROGRAM_PATH;
		return entry_add(programs, longest_component(entry.text), &entry);
	}
	entry.kind = SENSE_PROGRAM_WORD;
	if (first.len > 1 && first.text[first.len - 1] == '-')
		first.len--; /* "mcp-server-": names are looked up to each hyphen anyway */
	return entry_add(programs, first, &entry);
}

/* Cuts a list at its ';' in place. Returns how many there are; they lie behind each other. */
static unsigned list_cut(char *text)
{
	unsigned count = 0;
	if (!*text)
		return 0;
	for (count = 1; (text = strchr(text, ';')); count++)
		*text++ = '\0';
	return count;
}

/* ".kimi-code" of "~/.kimi-code/config.toml", "goose" of "~/.config/goose/config.yaml". */
static void places_add(struct sense_program_row *row, const char *list, unsigned count)
{
	char *out = (char *)row->places;
	char *end = out;
	for (unsigned i = 0; i < row->place_count; i++)
		end += strlen(end) + 1;
	for (; count--; list += strlen(list) + 1) {
		const char *at = list;
		if (strncmp(at, "~/", 2) || at[2] != '.' || row->place_count == PLACES_MAX)
			continue;
		at += 2;
		static const char *const shared[] = {".config/", ".local/share/", ".cache/", ".aws/"};
		for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
			if (!strncmp(at, shared[i], strlen(shared[i])))
				at += strlen(shared[i]);
		size_t n = strcspn(at, "/");
		memcpy(end, at, n);
		end[n] = '\0';
		end += n + 1;
		row->place_count++;
	}
}

static enum sense_status row_add(sense_programs *programs, struct sense_tsv *tsv, sense_error *err)
{
	unsigned number = programs->row_count;
	struct sense_program_row *row = &programs->rows[programs->row_count++];
	char **field = tsv->field;
	unsigned grade;
	if (!*field[ID])
		return sense_tsv_fail(tsv, err, "id is empty");
	if (sense_tsv_word(tsv, "grade", field[GRADE], sense_grades, &grade, err))
		return SENSE_E_FORMAT;
	row->program = (struct sense_program){.id = field[ID],
	                                      .name = field[NAME],
	                                      .class = field[CLASS],
	                                      .risk = field[RISK],
	                                      .grade = sense_grades[grade]};
	size_t places = strlen(field[CONFIGS]) + strlen(field[MODELS]) + 4;
	row->places = sense_arena_alloc(&programs->arena, places);
	bool good = row->places != NULL;
	const char *at = field[NAMES];
	for (unsigned n = list_cut(field[NAMES]); good && n--; at += strlen(at) + 1)
		good = name_add(programs, number, at);
	at = field[PATTERNS];
	for (unsigned n = list_cut(field[PATTERNS]); good && n--; at += strlen(at) + 1)
		good = !*at || pattern_add(programs, number, at);
	row->flags = field[FLAGS];
	row->flag_count = list_cut(field[FLAGS]);
	if (good) {
		places_add(row, field[CONFIGS], list_cut(field[CONFIGS]));
		places_add(row, field[MODELS], list_cut(field[MODELS]));
	}
	return good ? SENSE_OK
	            : sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", tsv->name);
}

static unsigned count_of(const char *text, size_t len, char what)
{
	unsigned n = 1;
	for (const char *p = text; (p = memchr(p, what, len - (size_t)(p - text))); p++)
		n++;
	return n;
}

static enum sense_status runtimes_add(sense_programs *programs, const char *name, char *text, size_t len,
                                      sense_error *err)
{
	struct sense_arena *arena = &programs->arena;
	struct sense_tsv tsv;
	bool more = true;
	unsigned rows = sense_catalogue_line_count(text, len);
	/* A row has one name and one pattern more than separators; a long name is entered twice. */
	unsigned entries = (rows * 2 + count_of(text, len, ';')) * 2;
	programs->entry_cap = entries < UINT16_MAX ? entries : UINT16_MAX - 1;
	programs->rows = sense_arena_alloc(arena, rows * sizeof *programs->rows);
	programs->entries = sense_arena_alloc(arena, programs->entry_cap * sizeof *programs->entries);
	programs->first = sense_arena_alloc(arena, (programs->entry_cap + 1) * sizeof *programs->first);
	if (!programs->rows || !programs->entries || !programs->first ||
	    sense_namemap_init(&programs->keys, arena, programs->entry_cap))
		return sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", name);
	enum sense_status status = sense_tsv_open(&tsv, name, text, len, runtime_columns, err);
	while (!status && !(status = sense_tsv_next(&tsv, &more, err)) && more)
		status = row_add(programs, &tsv, err);
	return status;
}

static enum sense_status sdk_add(sense_programs *programs, const char *name, char *text, size_t len,
                                 sense_error *err)
{
	struct sense_tsv tsv;
	bool more = true;
	unsigned rows = sense_catalogue_line_count(text, len);
	programs->globs = sense_arena_alloc(&programs->arena, rows * sizeof *programs->globs);
	if (!programs->globs || sense_namemap_init(&programs->markers, &programs->arena, rows))
		return sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", name);
	enum sense_status status = sense_tsv_open(&tsv, name, text, len, sdk_columns, err);
	while (!status && !(status = sense_tsv_next(&tsv, &more, err)) && more) {
		const char *variable = tsv.field[SDK_NAME];
		if (strcmp(tsv.field[ECOSYSTEM], "env-var"))
			continue;
		if (!*variable)
			status = sense_tsv_fail(&tsv, err, "name is empty");
		else if (strchr(variable, '*'))
			programs->globs[programs->glob_count++] = variable;
		else
			sense_namemap_put(&programs->markers, variable, strlen(variable));
	}
	return status;
}

static sense_programs *programs_new(sense_error *err)
{
	sense_programs *programs = calloc(1, sizeof *programs);
	if (programs)
		sense_arena_init(&programs->arena, ARENA_MAX);
	else
		sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory");
	return programs;
}

sense_programs *sense_programs_from(const char *runtimes, size_t runtimes_len, const char *sdk,
                                    size_t sdk_len, sense_error *err)
{
	sense_programs *programs = programs_new(err);
	if (!programs)
		return NULL;
	char *first = sense_arena_strndup(&programs->arena, runtimes, runtimes_len);
	char *second = sense_arena_strndup(&programs->arena, sdk, sdk_len);
	enum sense_status status = SENSE_OK;
	if (!first || !second)
		status = sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory");
	if (!status)
		status = runtimes_add(programs, "runtimes.tsv", first, runtimes_len, err);
	if (!status)
		status = sdk_add(programs, "sdk.tsv", second, sdk_len, err);
	if (!status)
		return programs;
	sense_programs_free(programs);
	return NULL;
}

sense_programs *sense_programs_load(const char *dir, sense_error *err)
{
	static const struct {
		const char *file;
		enum sense_status (*add)(sense_programs *, const char *, char *, size_t, sense_error *);
	} parts[] = {{"runtimes.tsv", runtimes_add}, {"sdk.tsv", sdk_add}};
	enum sense_status status = SENSE_OK;
	sense_programs *programs = programs_new(err);
	if (!programs)
		return NULL;
	for (unsigned i = 0; !status && i < sizeof parts / sizeof *parts; i++) {
		char path[4096];
		char *text = NULL;
		size_t len = 0;
		int n = snprintf(path, sizeof path, "%s/%s", dir, parts[i].file);
		if (n < 0 || (size_t)n >= sizeof path)
			status = sense_fail(err, SENSE_E_IO, "catalogue", "path too long: %s", dir);
		else
			status = sense_catalogue_file(&programs->arena, path, &text, &len, err);
		if (!status && text)
			status = parts[i].add(programs, path, text, len, err);
	}
	if (!status)
		return programs;
	sense_programs_free(programs);
	return NULL;
}

void sense_programs_free(sense_programs *programs)
{
	if (!programs)
		return;
	sense_arena_fini(&programs->arena);
	free(programs);
}
