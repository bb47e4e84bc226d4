#include "core/catalogue/launch.h"

#include <string.h>

/*
 * Options are lists with a blank in front of each and behind the last. `values`: the next argument belongs
 * to it. `modules`: the next argument is the module or package. `scripts`: it is the file. `ends`: code
 * follows, and no file. `skips`: words in front of what is run.
 */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): as a row is read, of which there are few */
struct runner {
	const char *names;
	enum sense_launch_kind kind;
	bool javascript;
	const char *values, *modules, *scripts, *ends, *skips;
	bool needs_skip; /* without one of those it does something else */
};

#define NODE_VALUES " -r --require --import --loader --experimental-loader -C --conditions --title "
#define UV_VALUES                                                                                       \
	" --with --with-editable --with-requirements -p --python --project --directory --from --extra " \
	"--group"                                                                                       \
	" --env-file --index --index-url --default-index --extra-index-url --cache-dir -w "

static const struct runner runners[] = {
    {" node nodejs electron ", SENSE_LAUNCH_SCRIPT, true, NODE_VALUES, "", "",
     " -e --eval -p --print -pe -i --interactive ", "", false},
    {" bun ", SENSE_LAUNCH_SCRIPT, true, " -r --preload --cwd --env-file -c --config ", "", "", " -e --eval ",
     " run ", false},
    {" deno ", SENSE_LAUNCH_SCRIPT, true, " -c --config --import-map -L --log-level --cert ", "", "",
     " eval repl ", " run serve ", true},
    {" python pypy pythonw ", SENSE_LAUNCH_SCRIPT, false, " -W -X -Q --check-hash-based-pycs ", " -m ", "",
     " -c ", "", false},
    {" ruby ", SENSE_LAUNCH_SCRIPT, false, " -I -r -C ", "", "", " -e ", "", false},
    {" perl ", SENSE_LAUNCH_SCRIPT, false, " -I ", "", "", " -e -E ", "", false},
    {" java javaw ", SENSE_LAUNCH_MODULE, false,
     " -cp -classpath --class-path -p --module-path --add-modules --add-opens --add-exports ",
     " -m --module ", " -jar ", "", "", false},
    {" sh bash dash zsh ksh fish ", SENSE_LAUNCH_SCRIPT, false, " -o +o -O +O --rcfile --init-file ", "", "",
     " -c ", "", false},
    {" npx npx-cli ", SENSE_LAUNCH_PACKAGE, true, " -w --workspace --registry --cache ", " -p --package ", "",
     " -c --call ", "", false},
    {" bunx ", SENSE_LAUNCH_PACKAGE, true, "", " -p --package ", "", "", "", false},
    {" npm npm-cli pnpm yarn ", SENSE_LAUNCH_PACKAGE, true, " -w --workspace --prefix -C ", "", "", "",
     " exec x dlx ", true},
    {" uvx ", SENSE_LAUNCH_PACKAGE, false, UV_VALUES, "", "", "", "", false},
    {" pipx ", SENSE_LAUNCH_PACKAGE, false, " --spec --python --index-url --pip-args ", "", "", "", " run ",
     true},
    {" uv ", SENSE_LAUNCH_PROGRAM, false, UV_VALUES, " -m --module ", " -s --script ", "", " run tool ",
     true},
    {" poetry pdm rye pipenv hatch ", SENSE_LAUNCH_PROGRAM, false, " -C --directory -P --project ", "", "",
     "", " run ", true},
    {" uvicorn gunicorn hypercorn ", SENSE_LAUNCH_MODULE, false,
     " --host --port -b --bind -w --workers -k --worker-class -c --config --log-level --app-dir ", "", "", "",
     "", false},
    {" flatpak snap ", SENSE_LAUNCH_PACKAGE, false, "", "", "", "", " run ", true},
    {" docker podman nerdctl ", SENSE_LAUNCH_IMAGE, false, " -H --host -c --context -l --log-level --config ",
     "", "", "", " run create container ", true},
};

bool sense_word_is(struct sense_word word, const char *text)
{
	return strlen(text) == word.len && !memcmp(text, word.text, word.len);
}

struct sense_word sense_word_base(struct sense_word word)
{
	const char *slash = word.len ? memrchr(word.text, '/', word.len) : NULL;
	if (slash)
		return (struct sense_word){slash + 1, word.len - (size_t)(slash + 1 - word.text)};
	return word;
}

static struct sense_word without_end(struct sense_word word, const char *end)
{
	size_t n = strlen(end);
	if (word.len > n && !memcmp(word.text + word.len - n, end, n))
		word.len -= n;
	return word;
}

struct sense_word sense_word_program(struct sense_word word)
{
	return without_end(without_end(word, " (deleted)"), ".exe");
}

static bool listed(const char *list, struct sense_word word)
{
	if (!*list || !word.len || memchr(word.text, ' ', word.len))
		return false;
	for (const char *at = list; (at = memmem(at, strlen(at), word.text, word.len)); at++)
		if (at[-1] == ' ' && at[word.len] == ' ')
			return true;
	return false;
}

/* By file name, without extension and version: python3.11, npx-cli.js. */
static const struct runner *runner_of(struct sense_word word)
{
	struct sense_word base =
	    without_end(without_end(sense_word_program(sense_word_base(word)), ".js"), ".cjs");
	while (base.len > 1 && (base.text[base.len - 1] == '.' ||
	                        (base.text[base.len - 1] >= '0' && base.text[base.len - 1] <= '9')))
		base.len--;
	if (base.len < 2 || base.len > 10)
		return NULL;
	for (size_t i = 0; i < sizeof runners / sizeof *runners; i++) {
		/* By its first letter nearly every program is none of them. */
		const char *at = runners[i].names;
		while (at[1] && at[1] != base.text[0])
			at = strchr(at + 1, ' ');
		if (at[1] && listed(at, base))
			return &runners[i];
	}
	return NULL;
}

static void words_add(struct sense_launch *out, const char *text, size_t len)
{
	if (out->count < SENSE_LAUNCH_WORDS)
		out->words[out->count++] = (struct sense_word){text, len};
}

static void words_split(struct sense_launch *out, const char *argv, size_t len)
{
	for (size_t at = 0; at < len && out->count < SENSE_LAUNCH_WORDS;) {
		size_t n = strnlen(argv + at, len - at);
		words_add(out, argv + at, n);
		at += n + 1;
	}
	/* npm writes all of its arguments over the first one. What is behind it is empty then. */
	while (out->count > 1 && !out->words[out->count - 1].len)
		out->count--;
	out->title = out->count ? out->words[0] : (struct sense_word){"", 0};
	const char *blank = out->count == 1 ? memchr(out->title.text, ' ', out->title.len) : NULL;
	if (!blank || !runner_of((struct sense_word){out->title.text, (size_t)(blank - out->title.text)}))
		return;
	out->count = 0;
	for (const char *at = out->title.text, *end = at + out->title.len; at < end;) {
		blank = memchr(at, ' ', (size_t)(end - at));
		size_t n = blank ? (size_t)(blank - at) : (size_t)(end - at);
		if (n)
			words_add(out, at, n);
		at += n + 1;
	}
}

static void choose(struct sense_launch *out, enum sense_launch_kind kind, unsigned at)
{
	out->kind = at < out->count ? kind : SENSE_LAUNCH_NOTHING;
	out->at = at < out->count ? at + 1 : out->count;
	if (at < out->count)
		out->subject = out->words[at];
}

/* Goes over the runner's own options from words[i] on and finds what it runs. */
static void see_through(struct sense_launch *out, const struct runner *runner, unsigned i)
{
	bool skipped = false;
	enum sense_launch_kind kind = runner->kind;
	for (; i < out->count; i++) {
		struct sense_word word = out->words[i];
		bool option = word.len > 1 && (word.text[0] == '-' || word.text[0] == '+');
		if (listed(runner->ends, word))
			break;
		if (listed(runner->modules, word)) {
			choose(out, runner->javascript ? SENSE_LAUNCH_PACKAGE : SENSE_LAUNCH_MODULE, i + 1);
			return;
		}
		if (listed(runner->scripts, word)) {
			choose(out, SENSE_LAUNCH_SCRIPT, i + 1);
			return;
		}
		if (sense_word_is(word, "--"))
			continue;
		if (option && runner->modules[0] && word.len > 2 && !memcmp(word.text, "-m", 2) &&
		    kind != SENSE_LAUNCH_PACKAGE) {
			choose(out, SENSE_LAUNCH_MODULE, i); /* python -mvllm */
			out->subject.text += 2, out->subject.len -= 2;
			return;
		}
		if (option) {
			i += listed(runner->values, word);
			continue;
		}
		if (listed(runner->skips, word)) {
			kind = sense_word_is(word, "tool") || sense_word_is(word, "x") ? SENSE_LAUNCH_PACKAGE
			                                                               : kind;
			skipped = true;
			continue;
		}
		if (runner->needs_skip && !skipped)
			break;
		choose(out, kind, i);
		out->at -= kind == SENSE_LAUNCH_IMAGE; /* its options have not been told from the image */
		return;
	}
	out->kind = SENSE_LAUNCH_NOTHING;
	out->at = out->count;
}

void sense_launch_of(const char *path, const char *name, const char *argv, size_t argv_len,
                     struct sense_launch *out)
{
	out->count = 0;
	words_split(out, argv, argv ? argv_len : 0);
	out->kind = SENSE_LAUNCH_PROGRAM;
	out->runner = (struct sense_word){"", 0};
	out->javascript = false;
	out->at = out->count ? 1 : 0;
	bool apart = out->count && out->words[0].len != out->title.len;
	out->subject = apart         ? out->words[0]
	             : path && *path ? (struct sense_word){path, strlen(path)}
	             : out->count    ? out->words[0]
	             : name && *name ? (struct sense_word){name, strlen(name)}
	                             : (struct sense_word){"", 0};
	out->subject = sense_word_program(out->subject);
	for (unsigned depth = 0; depth < SENSE_LAUNCH_DEPTH && out->kind <= SENSE_LAUNCH_MODULE; depth++) {
		const struct runner *runner = runner_of(out->subject);
		if (!runner)
			return;
		out->runner = sense_word_base(out->subject);
		out->javascript = runner->javascript;
		see_through(out, runner, out->at);
	}
}
