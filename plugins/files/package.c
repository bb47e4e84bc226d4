/*
 * What the command of an MCP server fetches and runs: npx, bunx, pnpm dlx, yarn dlx, uvx, pipx run, docker
 * run, deno run and what stands around them. A version is pinned when it can only ever be one: x.y.z of
 * npm, ==x.y or @x.y.z of Python tools, a digest of an image, a whole commit of a repository.
 */
#include "mcp.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum kind { NPM, PYTHON, IMAGE, DENO };

/* A runner: its program and, where it has one, the word that makes it fetch. */
static const struct runner {
	const char *program, *verb, *verb2;
	enum kind kind;
	const char *named_by; /* options whose value is the package, each between blanks */
	const char *valued;   /* options that take the next word */
} runners[] = {
    {"npx", NULL, NULL, NPM, " -p --package ", " -c --call -w --workspace --registry --userconfig --cache "},
    {"pnpx", NULL, NULL, NPM, " --package ", " -C --dir "},
    {"bunx", NULL, NULL, NPM, " -p --package ", ""},
    {"npm", "exec", NULL, NPM, " --package ", " -c --call -w --workspace --registry "},
    {"npm", "x", NULL, NPM, " --package ", " -c --call -w --workspace --registry "},
    {"bun", "x", NULL, NPM, " -p --package ", ""},
    {"pnpm", "dlx", NULL, NPM, " --package ", " -C --dir "},
    {"yarn", "dlx", NULL, NPM, " -p --package ", ""},
    {"deno", "run", NULL, DENO, "", " -c --config --import-map --lock --cert --location --seed --env-file "},
    {"uvx", NULL, NULL, PYTHON, " --from ",
     " -p --python --with --with-editable --with-requirements --index-url -i --extra-index-url --index "
     "--default-index --directory --project --cache-dir --config-file --env-file --refresh-package "},
    {"uv", "tool", "run", PYTHON, " --from ", " -p --python --with --index-url -i --index --directory "},
    {"uv", "run", NULL, PYTHON, " --with ", " -p --python --directory --project --index --extra --group "},
    {"pipx", "run", NULL, PYTHON, " --spec ", " --python --index-url -i --pip-args "},
    {"docker", "run", NULL, IMAGE, "", NULL},
    {"docker", "container", "run", IMAGE, "", NULL},
    {"podman", "run", NULL, IMAGE, "", NULL},
    {"nerdctl", "run", NULL, IMAGE, "", NULL},
};
static const char image_valued[] =
    " -e --env -v --volume -p --publish --name --network --net -u --user -w --workdir --mount --entrypoint "
    "--env-file -l --label --add-host -m --memory --cpus --platform --pull --gpus --restart -h --hostname "
    "--log-driver --log-opt --device --cap-add --cap-drop --security-opt --tmpfs --ulimit --shm-size --pid "
    "--ipc --runtime --dns --volumes-from --userns --cgroupns --pids-limit --cidfile --stop-signal --ip -a "
    "--attach --annotation --expose --group-add --health-cmd --init-path --link --mac-address --sysctl ";

static bool listed(const char *list, const char *word)
{
	char needle[64];
	if (strlen(word) > sizeof needle - 3)
		return false;
	snprintf(needle, sizeof needle, " %s ", word);
	return strstr(list, needle) != NULL;
}

/* The program's name as it is known: without folders and the ends that Windows adds. */
static void base_name(const char *path, char *name, size_t room)
{
	const char *base = path;
	for (const char *c = path; *c; c++)
		if (*c == '/' || *c == '\\')
			base = c + 1;
	snprintf(name, room, "%.*s", (int)(room - 1), base);
	char *dot = strrchr(name, '.');
	if (dot && (!strcasecmp(dot, ".exe") || !strcasecmp(dot, ".cmd") || !strcasecmp(dot, ".bat")))
		*dot = '\0';
}

unsigned mcp_words(char *line, const char **words, unsigned max)
{
	unsigned count = 0;
	char *in = line;
	while (count < max) {
		while (*in && isspace((unsigned char)*in))
			in++;
		if (!*in)
			break;
		char *out = in, quote = '\0';
		words[count++] = in;
		for (; *in && (quote || !isspace((unsigned char)*in)); in++) {
			if (quote ? *in == quote : (*in == '"' || *in == '\''))
				quote = quote ? '\0' : *in;
			else
				*out++ = *in;
		}
		in += *in != '\0';
		*out = '\0';
	}
	return count;
}

/* ---- one exact version ------------------------------------------------------------------------------ */

/* digits '.' digits ..., least so many numbers; what follows must be an npm or PEP 440 tail. */
static bool exact_version(const char *text, unsigned least)
{
	unsigned numbers = 0;
	text += *text == '=' || *text == 'v';
	while (isdigit((unsigned char)*text)) {
		while (isdigit((unsigned char)*text))
			text++;
		numbers++;
		if (*text != '.' || !isdigit((unsigned char)text[1]))
			break;
		text++;
	}
	if (numbers < least || (*text && !strchr("-+abrcdp.!", *text)))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-+._!", *text))
			return false;
	return !*text && text[-1] != '.';
}

static bool whole_commit(const char *spec)
{
	const char *at = strrchr(spec, '#');
	if (!at)
		at = strrchr(spec, '@');
	return at && strspn(at + 1, "0123456789abcdefABCDEF") == 40 &&
	       (!at[41] || at[41] == '#' || at[41] == '&');
}

static bool is_pinned(enum kind kind, const char *spec)
{
	const char *at;
	if (kind == IMAGE) {
		at = strstr(spec, "@sha256:");
		return at && strspn(at + 8, "0123456789abcdef") == 64 && !at[72];
	}
	if (strstr(spec, "://") || !strncmp(spec, "git+", 4) || !strncmp(spec, "github:", 7))
		return whole_commit(spec);
	if (kind == PYTHON && (at = strstr(spec, "==")))
		return exact_version(at + 2 + (at[2] == '='), 2);
	at = *spec ? strchr(spec + 1, '@') : NULL;
	return at && exact_version(at + 1, kind == PYTHON ? 2 : 3);
}

/* ---- the package ------------------------------------------------------------------------------------ */

static bool is_local(const char *spec)
{
	return spec[0] == '/' || spec[0] == '.' || spec[0] == '~' || !strncmp(spec, "file:", 5) ||
	       strchr(spec, '\\') || (isalpha((unsigned char)spec[0]) && spec[1] == ':' && spec[2] == '/');
}

static const char *option_value(const char *options, const char *word, const char *next)
{
	char name[64];
	size_t n = strcspn(word, "=");
	if (n >= sizeof name)
		return NULL;
	snprintf(name, sizeof name, "%.*s", (int)n, word);
	return !listed(options, name) ? NULL : word[n] ? word + n + 1 : next;
}

/*
 * The word that names the package, behind the runner's own words. `uv run` starts what is there: with it only
 * an option names something that is fetched.
 */
static const char *find_spec(const struct runner *runner, const char *const *argv, unsigned count,
                             unsigned at)
{
	const char *valued = runner->kind == IMAGE ? image_valued : runner->valued, *named;
	bool options_only = !strcmp(runner->program, "uv") && !runner->verb2;
	for (; at < count; at++) {
		const char *word = argv[at], *next = at + 1 < count ? argv[at + 1] : NULL;
		if (word[0] != '-')
			return options_only ? NULL : word;
		if ((named = option_value(runner->named_by, word, next)))
			return named;
		if (!strcmp(word, "--"))
			return next;
		at += listed(valued, word);
	}
	return NULL;
}

/* As written, but for user and password of a URL and its query. */
static void copy_spec(const char *spec, char *package, size_t room)
{
	const char *begin = strstr(spec, "://"), *query = strchr(spec, '?');
	size_t scheme = begin ? (size_t)(begin + 3 - spec) : 0, name = scheme;
	if (begin)
		for (size_t i = scheme; spec[i] && !strchr("/?#", spec[i]); i++)
			name = spec[i] == '@' ? i + 1 : name;
	size_t end = begin && query ? (size_t)(query - spec) : strlen(spec);
	char clean[2048] = MCP_REDACTED;
	if (end >= name)
		snprintf(clean, sizeof clean, "%.*s%.*s", (int)scheme, spec, (int)(end - name), spec + name);
	snprintf(package, room, "%s", mcp_holds_secret(clean) ? MCP_REDACTED : clean);
	explicit_bzero(clean, sizeof clean);
}

static bool fetched_by(const struct runner *runner, const char *const *argv, unsigned count, char *package,
                       size_t room, bool *pinned)
{
	unsigned at = 1;
	while (runner->verb && at < count && argv[at][0] == '-')
		at++;
	if (runner->verb && (at >= count || strcmp(argv[at++], runner->verb)))
		return false;
	if (runner->verb2 && (at >= count || strcmp(argv[at++], runner->verb2)))
		return false;
	const char *spec = find_spec(runner, argv, count, at);
	if (!spec || !*spec || is_local(spec) || strchr(spec, ' '))
		return false;
	if (runner->kind == DENO) {
		if (!strncmp(spec, "npm:", 4) || !strncmp(spec, "jsr:", 4))
			spec += 4 + (spec[4] == '/');
		else if (strncmp(spec, "https://", 8) && strncmp(spec, "http://", 7))
			return false;
		if (!*spec)
			return false;
	}
	*pinned = is_pinned(runner->kind, spec);
	copy_spec(spec, package, room);
	return true;
}

/* Words that stand before the command proper: env A=b, sudo, cmd /c. Returns how many. */
static unsigned prefix_words(const char *const *argv, unsigned count)
{
	char name[64];
	unsigned at = 0;
	for (unsigned round = 0; round < 4 && at < count; round++) {
		base_name(argv[at], name, sizeof name);
		if (!strcmp(name, "cmd") && at + 1 < count && !strcasecmp(argv[at + 1], "/c"))
			at += 2;
		else if (!strcmp(name, "env") || !strcmp(name, "sudo") || !strcmp(name, "nohup") ||
		         !strcmp(name, "exec") || !strcmp(name, "wsl") || !strcmp(name, "dotenvx"))
			at++;
		else
			break;
		while (at < count &&
		       (argv[at][0] == '-' || (strchr(argv[at], '=') && !strchr(argv[at], '/'))))
			at++;
	}
	return at;
}

static bool is_shell(const char *const *argv, unsigned count)
{
	char name[64];
	if (count < 3 || argv[1][0] != '-' || !strchr(argv[1], 'c'))
		return false;
	base_name(argv[0], name, sizeof name);
	return listed(" sh bash zsh dash fish ", name);
}

static bool package_of(const char *const *argv, unsigned count, char *package, size_t room, bool *pinned)
{
	char name[64];
	unsigned skip = prefix_words(argv, count);
	if (skip >= count)
		return false;
	base_name(argv[skip], name, sizeof name);
	for (unsigned i = 0; i < sizeof runners / sizeof *runners; i++)
		if (!strcmp(runners[i].program, name) &&
		    fetched_by(&runners[i], argv + skip, count - skip, package, room, pinned))
			return true;
	return false;
}

bool mcp_package(const char *const *argv, unsigned count, char *package, size_t room, bool *pinned)
{
	char line[2048];
	const char *words[MCP_ARGS_MAX];
	unsigned skip = prefix_words(argv, count), n;
	*pinned = false;
	package[0] = '\0';
	bool shell = skip < count && is_shell(argv + skip, count - skip);
	if (!shell && (count != 1 || !strchr(argv[0], ' ')))
		return package_of(argv, count, package, room, pinned);
	snprintf(line, sizeof line, "%s", shell ? argv[skip + 2] : argv[0]);
	n = mcp_words(line, words, MCP_ARGS_MAX);
	bool found = package_of(words, n, package, room, pinned);
	explicit_bzero(line, sizeof line);
	return found;
}

const char *mcp_bridged(const char *package, const char *const *argv, unsigned count)
{
	static const char *const bridges[] = {"mcp-remote", "supergateway", "mcp-proxy", NULL};
	bool bridge = false;
	for (unsigned i = 0; bridges[i]; i++)
		bridge |= strstr(package, bridges[i]) != NULL;
	for (unsigned i = 1; bridge && i < count; i++)
		if (!strncmp(argv[i], "https://", 8) || !strncmp(argv[i], "http://", 7))
			return argv[i];
	return NULL;
}
