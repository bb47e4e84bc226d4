/* Looks programs up: what they are called first, then what is said behind it, then where they lie. */
#include <string.h>

#include "core/catalogue/programs_internal.h"

enum { COMPONENTS_MAX = 24, FLAG_SPEAKS = 4 };
/* An exact name says more than a path that it lies in: what tools bring along is itself. */
enum {
	SCORE_TITLE = 500,
	SCORE_PREFIX = 500,
	SCORE_WORD = 1000,
	SCORE_PATH = 2000,
	SCORE_PHRASE = 3000,
	SCORE_NAME = 4000
};

/* Where a name comes from. */
enum source {
	FROM_PROGRAM, /* file of the executable or of an installed command */
	FROM_TITLE,   /* what it calls itself */
	FROM_CUT,     /* the same, at most 15 bytes of it */
	FROM_MODULE,
	FROM_PACKAGE,
	FROM_FILE,     /* script with an extension: anybody's file may be called so */
	FROM_DIRECTORY /* that holds it */
};

struct search {
	const sense_programs *programs;
	struct sense_launch launch;
	struct sense_word path; /* of the file or package that decides */
	const struct sense_program_row *best;
	unsigned score;
};

/* ---- words among the arguments ----------------------------------------------------------------- */

/* "--model" is "--model" and "--model=x"; "@scope" is "@scope/name"; "mcp-" is "mcp-x". */
static bool argument_is(struct sense_word word, struct sense_word wanted)
{
	if (word.len < wanted.len || memcmp(word.text, wanted.text, wanted.len))
		return false;
	if (word.len == wanted.len)
		return true;
	char next = word.text[wanted.len];
	return wanted.text[0] == '-' ? next == '='
	     : wanted.text[0] == '@' ? next == '/'
	                             : wanted.text[wanted.len - 1] == '-';
}

/* All words of the pattern behind its first, in order, from words[at] on. */
static bool phrase_said(const struct sense_launch *launch, unsigned at,
                        const struct sense_program_entry *entry)
{
	unsigned found = 1;
	for (; at < launch->count && found < entry->word_count; at++)
		found += argument_is(launch->words[at], entry->words[found]);
	return found == entry->word_count;
}

/* Is the option "--sandbox danger-full-access", in one argument or in two, that of words[at]? */
static bool flag_is(const struct sense_launch *launch, unsigned at, const char *flag)
{
	struct sense_word word = launch->words[at];
	size_t name = strcspn(flag, " ");
	if (word.len < name || memcmp(word.text, flag, name))
		return false;
	if (flag[name]) {
		const char *value = flag + name + 1;
		if (word.len == name)
			return at + 1 < launch->count && sense_word_is(launch->words[at + 1], value);
		return word.text[name] == '=' &&
		       sense_word_is((struct sense_word){word.text + name + 1, word.len - name - 1}, value);
	}
	if (word.len == name)
		return true;
	struct sense_word value = {word.text + name + 1, word.len - name - 1};
	return word.text[name] == '=' && !sense_word_is(value, "false") && !sense_word_is(value, "0") &&
	       !sense_word_is(value, "no");
}

static const char *flag_find(const struct sense_launch *launch, const struct sense_program_row *row)
{
	for (unsigned i = launch->at; row->flag_count && i < launch->count; i++) {
		if (sense_word_is(launch->words[i], "--"))
			break;
		const char *flag = row->flags;
		for (unsigned n = row->flag_count; n--; flag += strlen(flag) + 1)
			if (flag_is(launch, i, flag))
				return flag;
	}
	return NULL;
}

/* ---- paths -------------------------------------------------------------------------------------- */

/* Behind the directory of a user, whose name is nobody's evidence: /home/NAME, /Users/NAME, /root. */
static struct sense_word below_home(struct sense_word path)
{
	static const char *const homes[] = {"/home/", "/Users/", "/var/home/", "/export/home/", "/var/lib/"};
	if (path.len > 6 && !memcmp(path.text, "/root/", 6))
		return (struct sense_word){path.text + 5, path.len - 5};
	for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
		size_t n = strlen(homes[i]);
		if (path.len <= n || memcmp(path.text, homes[i], n))
			continue;
		const char *slash = memchr(path.text + n, '/', path.len - n);
		if (!slash)
			return (struct sense_word){"", 0};
		return (struct sense_word){slash, path.len - (size_t)(slash - path.text)};
	}
	return path;
}

/* The pattern stands in the path from one boundary to another; an image has its tag or a suffix behind it. */
static bool path_holds(struct sense_word path, const char *pattern, bool image)
{
	size_t n = strlen(pattern);
	const char *end = path.text + path.len;
	for (const char *at = path.text; (at = memmem(at, (size_t)(end - at), pattern, n)); at++) {
		bool begins = *pattern == '/' || at == path.text || at[-1] == '/';
		char next = at + n < end ? at[n] : '/';
		char after = at + n + 1 < end ? at[n + 1] : '0';
		bool ends = pattern[n - 1] == '/' || next == '/' || next == '@' ||
		            (image && (next == ':' || next == '-')) ||
		            (next == '-' && after >= '0' && after <= '9');
		if (begins && ends)
			return true;
	}
	return false;
}

static bool place_of(const struct sense_program_row *row, struct sense_word component)
{
	const char *place = row->places;
	if (sense_word_is(component, row->program.id))
		return true;
	for (unsigned n = row->place_count; n--; place += strlen(place) + 1)
		if (sense_word_is(component, place))
			return true;
	return false;
}

/* A name that others have, too: does anything else speak for this program? */
static bool spoken_for(const struct search *search, const struct sense_program_row *row, enum source source)
{
	const char *flag = flag_find(&search->launch, row);
	if (source == FROM_PACKAGE || (flag && strlen(flag) >= FLAG_SPEAKS))
		return true;
	if (source == FROM_PROGRAM && row->npm && search->launch.javascript)
		return true;
	struct sense_word path = below_home(search->path);
	unsigned count = 0;
	while (path.len && count++ < COMPONENTS_MAX) {
		const char *slash = memchr(path.text, '/', path.len);
		if (!slash)
			return false; /* the last one is the name itself */
		struct sense_word component = {path.text, (size_t)(slash - path.text)};
		if (component.len && place_of(row, component))
			return true;
		path.len -= component.len + 1;
		path.text = slash + 1;
	}
	return false;
}

/* ---- names -------------------------------------------------------------------------------------- */

static const struct sense_program_entry *entries_of(const sense_programs *programs, struct sense_word word)
{
	char key[SENSE_PROGRAM_KEY_MAX];
	size_t len = sense_program_key(word, key);
	int number = len ? sense_namemap_find(&programs->keys, key, len) : -1;
	return number >= 0 && programs->first[number] ? &programs->entries[programs->first[number] - 1]
	                                              : NULL;
}

static const struct sense_program_entry *entry_next(const sense_programs *programs,
                                                    const struct sense_program_entry *entry)
{
	return entry->next ? &programs->entries[entry->next - 1] : NULL;
}

/* How well the entry's name fits a whole name that comes from there; 0: not. */
static unsigned name_score(const struct search *search, const struct sense_program_entry *entry,
                           enum source source)
{
	const struct sense_program_row *row = &search->programs->rows[entry->row];
	switch ((enum sense_program_kind)entry->kind) {
	case SENSE_PROGRAM_NAME:
		if (source == FROM_FILE || source == FROM_DIRECTORY)
			return 0;
		return !entry->weak || spoken_for(search, row, source) ? SCORE_NAME : 0;
	case SENSE_PROGRAM_CUT_NAME:
		return source == FROM_CUT && !entry->weak ? SCORE_NAME : 0;
	case SENSE_PROGRAM_PHRASE:
		return source != FROM_DIRECTORY && phrase_said(&search->launch, search->launch.at, entry)
		         ? SCORE_PHRASE
		         : 0;
	case SENSE_PROGRAM_WORD:
		if (source == FROM_FILE)
			return strchr(entry->text, '.') ? SCORE_WORD : 0;
		return !entry->weak || source == FROM_PACKAGE ? SCORE_WORD : 0;
	default:
		return 0;
	}
}

static void take(struct search *search, const struct sense_program_entry *entry, unsigned score)
{
	if (!score)
		return;
	score += (unsigned)strnlen(entry->text, 400);
	/* Of two that are equal the earlier row; chains run backwards. */
	if (score < search->score ||
	    (score == search->score && search->best < &search->programs->rows[entry->row]))
		return;
	search->score = score;
	search->best = &search->programs->rows[entry->row];
}

static void name_try(struct search *search, struct sense_word name, enum source source)
{
	const sense_programs *programs = search->programs;
	const struct sense_program_entry *entry = name.len ? entries_of(programs, name) : NULL;
	for (; entry; entry = entry_next(programs, entry))
		take(search, entry, name_score(search, entry, source));
}

/* What a name begins with, up to each separator: mcp-server-git, langchain_cli, vllm.entrypoints. */
static void prefixes_try(struct search *search, struct sense_word name, enum source source)
{
	for (size_t n = name.len; n-- > 1;) {
		char c = name.text[n];
		if (c != '-' && c != '_' && c != '.' && c != ':')
			continue;
		bool title = c == ':' && name.text[n - 1] == ':';
		const struct sense_program_entry *entry =
		    entries_of(search->programs, (struct sense_word){name.text, n + title});
		for (; entry; entry = entry_next(search->programs, entry)) {
			bool word = entry->kind == SENSE_PROGRAM_WORD && !entry->weak && source != FROM_FILE;
			bool module = entry->kind == SENSE_PROGRAM_NAME && !entry->weak &&
			              source == FROM_MODULE && c == '.';
			if (title && entry->kind == SENSE_PROGRAM_TITLE)
				take(search, entry, SCORE_TITLE);
			else if (module)
				take(search, entry, SCORE_NAME);
			else if (word)
				take(search, entry, SCORE_PREFIX);
		}
	}
}

static void file_end_try(struct search *search, struct sense_word name)
{
	const char *dot = name.len ? memrchr(name.text, '.', name.len) : NULL;
	if (!dot || dot == name.text)
		return;
	struct sense_word end = {dot, name.len - (size_t)(dot - name.text)};
	const struct sense_program_entry *entry = entries_of(search->programs, end);
	for (; entry; entry = entry_next(search->programs, entry))
		if (entry->kind == SENSE_PROGRAM_FILE_END)
			take(search, entry, SCORE_WORD);
}

static void whole_try(struct search *search, struct sense_word name, enum source source)
{
	name_try(search, name, source);
	prefixes_try(search, name, source);
}

/* ---- directories -------------------------------------------------------------------------------- */

/* github.copilot of the directory github.copilot-1.250.0 */
static struct sense_word without_version(struct sense_word word)
{
	for (size_t n = 1; n + 1 < word.len; n++)
		if (word.text[n] == '-' && word.text[n + 1] >= '0' && word.text[n + 1] <= '9')
			return (struct sense_word){word.text, n};
	return word;
}

/* `near`: its name is the program's, as that of a package is, or of what holds the script. */
static void component_try(struct search *search, struct sense_word component, bool near)
{
	bool image = search->launch.kind == SENSE_LAUNCH_IMAGE;
	struct sense_word plain = without_version(component);
	const struct sense_program_entry *entry = entries_of(search->programs, plain);
	if (!entry && plain.len != component.len)
		entry = entries_of(search->programs, component);
	for (; entry; entry = entry_next(search->programs, entry)) {
		bool word = entry->kind == SENSE_PROGRAM_WORD && !entry->weak;
		if (entry->kind == SENSE_PROGRAM_PATH && path_holds(search->path, entry->text, image))
			take(search, entry, SCORE_PATH);
		else if (word && (near || strchr(entry->text, '.')))
			take(search, entry, SCORE_WORD);
	}
}

static bool holds_packages(struct sense_word component)
{
	return sense_word_is(component, "node_modules") || sense_word_is(component, "site-packages") ||
	       sense_word_is(component, "dist-packages");
}

/* Each component but the last; an executable's directories count by patterns of paths alone. */
static void path_try(struct search *search, bool script)
{
	struct sense_word component[COMPONENTS_MAX];
	unsigned count = 0;
	struct sense_word path = below_home(search->path);
	for (const char *at = path.text, *end = at + path.len; at < end;) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		size_t n = slash ? (size_t)(slash - at) : (size_t)(end - at);
		if (count == COMPONENTS_MAX) /* the deepest say most */
			memmove(component, component + 1, --count * sizeof *component);
		if (n)
			component[count++] = (struct sense_word){at, n};
		at += n + 1;
	}
	for (unsigned i = 0; i < count; i++) {
		bool package =
		    i && (holds_packages(component[i - 1]) ||
		          (component[i - 1].text[0] == '@' && i > 1 && holds_packages(component[i - 2])));
		bool holds = i + 1 < count && i + 3 >= count;
		component_try(search, component[i], script && (package || holds));
	}
}

/* ---- the parts together ------------------------------------------------------------------------- */

static void script_try(struct search *search)
{
	struct sense_word base = sense_word_base(search->path);
	const char *dot = base.len ? memrchr(base.text, '.', base.len) : NULL;
	whole_try(search, base, dot ? FROM_FILE : FROM_PROGRAM);
	struct sense_word end = {dot, dot ? base.len - (size_t)(dot - base.text) : 0};
	if (sense_word_is(end, ".jar") || sense_word_is(end, ".pyz"))
		whole_try(search, (struct sense_word){base.text, (size_t)(dot - base.text)}, FROM_PROGRAM);
	file_end_try(search, base);
	path_try(search, true);
}

/* @scope/name@1.2, name==1.2, name[extra]: without what stands behind the name. */
static struct sense_word package_name(struct sense_word word)
{
	for (size_t n = 1; n < word.len; n++)
		if (memchr("@=<>~![;:", word.text[n], 9))
			return (struct sense_word){word.text, n};
	return word;
}

static void package_try(struct search *search, struct sense_word name)
{
	search->path = name;
	whole_try(search, search->path.text[0] == '@' ? search->path : sense_word_base(search->path),
	          FROM_PACKAGE);
	path_try(search, true);
}

/* registry:5000/owner/name:tag, name@sha256:... */
static struct sense_word image_name(struct sense_word word)
{
	struct sense_word base = sense_word_base(word);
	for (size_t n = 0; n < base.len; n++)
		if (base.text[n] == ':' || base.text[n] == '@')
			return (struct sense_word){word.text, word.len - base.len + n};
	return word;
}

/* Images are told from values of options by their '/', and by what stands before them. */
static void image_try(struct search *search)
{
	static const char *const alone[] = {"-d",   "-i",     "-t",           "-it",     "-ti",
	                                    "--rm", "--init", "--privileged", "--detach"};
	const struct sense_launch *launch = &search->launch;
	for (unsigned i = launch->at; i < launch->count; i++) {
		struct sense_word word = launch->words[i], before = launch->words[i - 1];
		bool value = before.len > 1 && before.text[0] == '-' && !memchr(before.text, '=', before.len);
		for (size_t k = 0; value && k < sizeof alone / sizeof *alone; k++)
			value = !sense_word_is(before, alone[k]);
		if (value || !word.len || !memchr(word.text, '/', word.len) || memchr("-/.", word.text[0], 3))
			continue;
		package_try(search, image_name(word));
		return;
	}
}

static void subject_try(struct search *search)
{
	struct sense_launch *launch = &search->launch;
	search->path = launch->subject;
	switch (launch->kind) {
	case SENSE_LAUNCH_PROGRAM: {
		struct sense_word base = sense_word_base(search->path);
		whole_try(search, base, FROM_PROGRAM);
		file_end_try(search, base);
		path_try(search, false);
		break;
	}
	case SENSE_LAUNCH_SCRIPT:
		if (launch->subject.len > 4 &&
		    !memcmp(launch->subject.text, "npm:", 4)) /* as Deno names packages */
			package_try(search, package_name((struct sense_word){launch->subject.text + 4,
			                                                     launch->subject.len - 4}));
		else
			script_try(search);
		break;
	case SENSE_LAUNCH_MODULE:
		whole_try(search, package_name(launch->subject), FROM_MODULE);
		break;
	case SENSE_LAUNCH_PACKAGE:
		package_try(search, package_name(launch->subject));
		break;
	case SENSE_LAUNCH_IMAGE:
		image_try(search);
		break;
	case SENSE_LAUNCH_NOTHING:
		search->path = (struct sense_word){"", 0};
		break;
	}
}

/* What the launcher itself says with its arguments: "docker model run", "npx -y @scope". */
static void runner_try(struct search *search)
{
	unsigned at = search->launch.at;
	search->launch.at = search->launch.count ? 1 : 0;
	const struct sense_program_entry *entry = entries_of(search->programs, search->launch.runner);
	for (; entry; entry = entry_next(search->programs, entry))
		if (entry->kind == SENSE_PROGRAM_PHRASE)
			take(search, entry, name_score(search, entry, FROM_PROGRAM));
	search->launch.at = at;
}

const struct sense_program *sense_programs_find(const sense_programs *programs,
                                                const struct sense_program_facts *facts)
{
	struct search search;
	search.programs = programs;
	search.best = NULL;
	search.score = 0;
	sense_launch_of(facts->path, facts->name, facts->argv, facts->argv_len, &search.launch);
	subject_try(&search);
	if (search.launch.runner.len)
		runner_try(&search);
	/* Programs also call themselves something: by setproctitle, or as scripts that have an interpreter.
	 */
	struct sense_word title = sense_word_program(sense_word_base(search.launch.title));
	if (search.launch.count && title.len && title.text[0] == '-')
		title.text++, title.len--;
	if (search.launch.count && !search.best)
		whole_try(&search, title, FROM_TITLE);
	if (facts->name && *facts->name && !search.best) {
		size_t len = strlen(facts->name);
		bool cut = len == SENSE_PROGRAM_CUT && (!facts->path || search.launch.runner.len);
		whole_try(&search, sense_word_program((struct sense_word){facts->name, len}),
		          cut ? FROM_CUT : FROM_TITLE);
	}
	return search.best ? &search.best->program : NULL;
}

const char *sense_programs_unattended(const sense_programs *programs, const struct sense_program *program,
                                      const struct sense_program_facts *facts)
{
	struct sense_launch launch;
	const struct sense_program_row *row = (const struct sense_program_row *)program;
	(void)programs;
	if (!row->flag_count)
		return NULL;
	sense_launch_of(facts->path, facts->name, facts->argv, facts->argv_len, &launch);
	return flag_find(&launch, row);
}

/* ---- names of variables ------------------------------------------------------------------------- */

static bool glob_matches(const char *glob, const char *text, size_t len)
{
	const char *star = NULL, *retry = NULL, *at = text, *end = text + len;
	while (at < end) {
		if (*glob == '*') {
			star = ++glob;
			retry = at;
		} else if (*glob == *at) {
			glob++, at++;
		} else if (star) {
			glob = star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

static bool is_marker(const sense_programs *programs, const char *name, size_t len)
{
	if (sense_namemap_find(&programs->markers, name, len) >= 0)
		return true;
	for (unsigned i = 0; i < programs->glob_count; i++)
		if (glob_matches(programs->globs[i], name, len))
			return true;
	return false;
}

size_t sense_programs_markers(const sense_programs *programs, const char *environment, size_t len, char *out,
                              size_t cap)
{
	size_t count = 0, used = 0;
	if (cap)
		*out = '\0';
	for (size_t at = 0, n; environment && at < len; at += n + 1) {
		n = strnlen(environment + at, len - at);
		if (!n || n >= SENSE_PROGRAM_KEY_MAX || !is_marker(programs, environment + at, n))
			continue;
		size_t comma = used ? 1 : 0;
		count++;
		if (used + comma + n + 1 > cap)
			continue;
		if (comma)
			out[used++] = ',';
		memcpy(out + used, environment + at, n);
		used += n;
		out[used] = '\0';
	}
	return count;
}

const struct sense_program *sense_programs_by_id(const sense_programs *programs, const char *id)
{
	for (unsigned i = 0; i < programs->row_count; i++)
		if (!strcmp(programs->rows[i].program.id, id))
			return &programs->rows[i].program;
	return NULL;
}
