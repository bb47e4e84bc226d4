/* The catalogue's paths as places, and the step from a directory to an entry of it. */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mcp.h"

#define TEXT_ROOM (256u << 10)
#define LISTED_MAX 1024u

/* Directories in which nobody keeps a project, and dependencies of one. */
static const char *const skipped[] = {"node_modules", "__pycache__", "venv",  "target", "build",
                                      "dist",         "vendor",      "cache", "Cache",  "snap",
                                      "miniconda3",   "anaconda3",   NULL};

bool glob_match(const char *pattern, const char *name, bool fold)
{
	const char *star = NULL, *again = NULL;
	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			again = name;
		} else if (*pattern == *name || (fold && !strncasecmp(pattern, name, 1))) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* ---- building ------------------------------------------------------------------------------------------ */

static const char *keep_text(struct places *places, const char *text, size_t len)
{
	if (places->text_used + len + 1 > places->text_room)
		return NULL;
	char *at = memcpy(places->text + places->text_used, text, len);
	at[len] = '\0';
	places->text_used += len + 1;
	return at;
}

static bool add_step(struct places *places, struct place *place, enum step_kind kind, const char *text,
                     size_t len)
{
	const char *kept = keep_text(places, text, len);
	if (!kept || place->count == STEPS_MAX)
		return false;
	place->steps[place->count++] = (struct step){(uint8_t)kind, kept};
	return true;
}

/* The parts of a path; "<profile>" is any text. */
static bool add_steps(struct places *places, struct place *place, const char *path)
{
	char part[256];
	size_t used = 0;
	for (;; path++) {
		if (*path && *path != '/') {
			const char *any = *path == '<' ? strchr(path, '>') : NULL;
			if (used < sizeof part - 1)
				part[used++] = any ? '*' : *path;
			path = any ? any : path;
			continue;
		}
		part[used] = '\0';
		enum step_kind kind = !strcmp(part, "**") ? STEP_DEEP
		                    : strchr(part, '*')   ? STEP_GLOB
		                                          : STEP_NAME;
		if (!strcmp(part, "@listed"))
			kind = STEP_LISTED;
		if (used && !add_step(places, place, kind, part, used))
			return false;
		used = 0;
		if (!*path)
			return place->count > 0;
	}
}

/* One path without alternatives: "~/a/b", "/etc/a", "<project>/a"; anything else is a project's. */
static void add_plain(struct places *places, struct place place, const char *path)
{
	if (places->count == PLACES_MAX)
		return;
	place.count = 0;
	if (!strncmp(path, "~/", 2)) {
		path += 2;
	} else if (*path == '/') {
		place.system = true;
		path++;
	} else {
		if (!strncmp(path, "<project>/", 10))
			path += 10;
		else if (!strncmp(path, "<repo>/", 7))
			path += 7;
		else if (*path == '<')
			return;
		if (!add_step(places, &place, STEP_PROJECT, "", 0))
			return;
	}
	if (add_steps(places, &place, path))
		places->at[places->count++] = place;
}

/* "x.{a,b}" and "x[c]" are several paths: at most two such marks a path. */
static void add_expanded(struct places *places, const struct place *place, const char *path, unsigned round)
{
	char plain[512];
	const char *open = strpbrk(path, "{[");
	const char *close = open ? strchr(open, *open == '{' ? '}' : ']') : NULL;
	if (!close || round == 2) {
		add_plain(places, *place, path);
		return;
	}
	int before = (int)(open - path);
	if (*open == '[') {
		snprintf(plain, sizeof plain, "%.*s%s", before, path, close + 1);
		add_expanded(places, place, plain, round + 1);
	}
	for (const char *at = open + 1; at < close;) {
		size_t n = strcspn(at, ",}]");
		snprintf(plain, sizeof plain, "%.*s%.*s%s", before, path, (int)n, at, close + 1);
		add_expanded(places, place, plain, round + 1);
		at += n + 1;
	}
}

static void add_place(struct places *places, enum leaf_kind leaf, const char *app, const char *path)
{
	struct place place = {.leaf = (uint8_t)leaf, .app = app};
	add_expanded(places, &place, path, 0);
}

/* ---- the catalogue ------------------------------------------------------------------------------------- */

static const char *column(const struct sense_row *row, const char *name)
{
	for (unsigned i = 0; row->columns[i]; i++)
		if (!strcmp(row->columns[i], name))
			return row->fields[i];
	return "";
}

static uint8_t formats(const char *text)
{
	static const struct {
		const char *name;
		uint8_t format;
	} known[] = {{"jsonc", MCP_JSONC},
	             {"json", MCP_JSON},
	             {"toml", MCP_TOML},
	             {"yaml", MCP_YAML},
	             {"yaml/json", MCP_YAML | MCP_JSON}};
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i].name, text))
			return known[i].format;
	return 0;
}

static void add_skills(struct places *places, const char *path)
{
	char below[512];
	snprintf(below, sizeof below, "%s/SKILL.md", path);
	add_place(places, LEAF_INSTRUCTIONS, "", below);
	snprintf(below, sizeof below, "%s/*/SKILL.md", path);
	add_place(places, LEAF_INSTRUCTIONS, "", below);
}

static bool config_row(void *self, const struct sense_row *row)
{
	struct places *places = self;
	const char *client = column(row, "client"), *os = column(row, "os"), *path = column(row, "path");
	char keys[128], one[512];
	struct place place = {.leaf = LEAF_MCP, .format = formats(column(row, "format"))};
	if (strcmp(os, "linux") && strcmp(os, "all"))
		return true;
	if (!strcmp(client, "skills")) {
		add_skills(places, path);
		return true;
	}
	if (!strcmp(client, "instructions"))
		place.leaf = LEAF_INSTRUCTIONS;
	else if (!place.format || !mcp_keys(column(row, "key"), keys, sizeof keys))
		return true;
	else if (!(place.keys = keep_text(places, keys, strlen(keys))) ||
	         !(place.app = keep_text(places, client, strlen(client))))
		return false;
	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "|");
		snprintf(one, sizeof one, "%.*s", (int)(n && at[n] && at[n - 1] == ' ' ? n - 1 : n), at);
		add_expanded(places, &place, one, 0);
		at += n;
		at += strspn(at, "| ");
	}
	return true;
}

/* Programs that keep models; other rows' paths hold logs and sessions, which are nobody's business. */
static bool runtime_row(void *self, const struct sense_row *row)
{
	struct places *places = self;
	const char *class = column(row, "class"), *at = column(row, "model_or_data_paths");
	char path[512];
	if (strncmp(class, "local-", 6) && strcmp(class, "model-serving") && strcmp(class, "chat-ui"))
		return true;
	while (*at) {
		size_t n = strcspn(at, ";");
		/* "*.gguf" is what the walk through the home finds by its first bytes. */
		if (n && *at != '*') {
			snprintf(path, sizeof path, "%.*s/**/*", (int)n, at);
			add_place(places, LEAF_MODEL, "", path);
		}
		at += n;
		at += *at == ';';
	}
	return true;
}

static bool sdk_row(void *self, const struct sense_row *row)
{
	static const struct {
		const char *ecosystem;
		enum leaf_kind leaf;
	} kinds[] = {{"chrome-ext", LEAF_CHROME}, {"firefox-ext", LEAF_FIREFOX},
	             {"vscode-ext", LEAF_EDITOR}, {"jetbrains-plugin", LEAF_JETBRAINS},
	             {"pypi", LEAF_PYTHON},       {"npm", LEAF_NPM}};
	struct places *places = self;
	const char *ecosystem = column(row, "ecosystem"), *name = column(row, "name");
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(kinds[i].ecosystem, ecosystem))
			continue;
		const char *kept = keep_text(places, name, strlen(name));
		if (!kept || places->listed_count == LISTED_MAX)
			return false;
		places->listed[places->listed_count++] = (struct listed){(uint8_t)kinds[i].leaf, kept};
		places->firefox |= kinds[i].leaf == LEAF_FIREFOX;
	}
	return true;
}

static bool wire_row(void *self, const struct sense_row *row)
{
	if (!strcmp(column(row, "kind"), "file_magic"))
		models_magic(column(row, "pattern"), column(row, "match"), self);
	return true;
}

/* Where programs keep extensions and packages; which of them are told, the catalogue says. */
static void add_own_places(struct places *places)
{
	static const struct {
		enum leaf_kind leaf;
		const char *app, *path;
	} own[] = {
	    {LEAF_CHROME, "chrome", "~/.config/google-chrome"},
	    {LEAF_CHROME, "chrome", "~/.config/google-chrome-beta"},
	    {LEAF_CHROME, "chrome", "~/.config/google-chrome-unstable"},
	    {LEAF_CHROME, "chrome", "~/.var/app/com.google.Chrome/config/google-chrome"},
	    {LEAF_CHROME, "chromium", "~/.config/chromium"},
	    {LEAF_CHROME, "chromium", "~/snap/chromium/common/chromium"},
	    {LEAF_CHROME, "chromium", "~/.var/app/org.chromium.Chromium/config/chromium"},
	    {LEAF_CHROME, "brave", "~/.config/BraveSoftware/Brave-Browser"},
	    {LEAF_CHROME, "brave", "~/.var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser"},
	    {LEAF_CHROME, "edge", "~/.config/microsoft-edge"},
	    {LEAF_CHROME, "vivaldi", "~/.config/vivaldi"},
	    {LEAF_FIREFOX, "firefox", "~/.mozilla/firefox/*/extensions.json"},
	    {LEAF_FIREFOX, "firefox", "~/snap/firefox/common/.mozilla/firefox/*/extensions.json"},
	    {LEAF_FIREFOX, "firefox", "~/.var/app/org.mozilla.firefox/.mozilla/firefox/*/extensions.json"},
	    {LEAF_EDITOR, "vscode", "~/.vscode/extensions/*"},
	    {LEAF_EDITOR, "vscode", "~/.vscode-server/extensions/*"},
	    {LEAF_EDITOR, "vscode-insiders", "~/.vscode-insiders/extensions/*"},
	    {LEAF_EDITOR, "vscode-insiders", "~/.vscode-server-insiders/extensions/*"},
	    {LEAF_EDITOR, "vscodium", "~/.vscode-oss/extensions/*"},
	    {LEAF_EDITOR, "cursor", "~/.cursor/extensions/*"},
	    {LEAF_EDITOR, "cursor", "~/.cursor-server/extensions/*"},
	    {LEAF_EDITOR, "windsurf", "~/.windsurf/extensions/*"},
	    {LEAF_EDITOR, "windsurf", "~/.windsurf-server/extensions/*"},
	    {LEAF_EDITOR, "antigravity", "~/.antigravity/extensions/*"},
	    {LEAF_EDITOR, "trae", "~/.trae/extensions/*"},
	    {LEAF_EDITOR, "kiro", "~/.kiro/extensions/*"},
	    {LEAF_JETBRAINS, "jetbrains", "~/.local/share/JetBrains/*/*"},
	    {LEAF_PYTHON, "python", "~/.local/lib/*/site-packages/*"},
	    {LEAF_NPM, "node", "~/.npm-global/lib/node_modules/*"},
	    {LEAF_NPM, "node", "~/.npm-global/lib/node_modules/@*/*"},
	    {LEAF_NPM, "node", "/usr/local/lib/node_modules/*"},
	    {LEAF_NPM, "node", "/usr/local/lib/node_modules/@*/*"},
	    {LEAF_NPM, "node", "/usr/lib/node_modules/*"},
	    {LEAF_NPM, "node", "/usr/lib/node_modules/@*/*"},
	    {LEAF_MODEL, "", "<project>/*"},
	};
	char path[256];
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++) {
		bool chrome = own[i].leaf == LEAF_CHROME;
		snprintf(path, sizeof path, "%s%s", own[i].path,
		         chrome ? "/*/Extensions/@listed/*/manifest.json" : "");
		if (own[i].leaf != LEAF_FIREFOX || places->firefox)
			add_place(places, own[i].leaf, own[i].app, path);
	}
}

enum sense_status places_load(struct places *places, const struct sense_host *host, sense_error *err)
{
	static const struct {
		const char *table;
		bool (*row)(void *self, const struct sense_row *row);
	} tables[] = {
	    {"mcp_configs", config_row}, {"runtimes", runtime_row}, {"sdk", sdk_row}, {"wire", wire_row}};
	places->at = calloc(PLACES_MAX, sizeof *places->at);
	places->listed = calloc(LISTED_MAX, sizeof *places->listed);
	places->text = malloc(TEXT_ROOM);
	places->text_room = TEXT_ROOM;
	if (!places->at || !places->listed || !places->text)
		return host->fail(err, SENSE_E_MEMORY, "files", "no memory for the catalogue's places");
	for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++) {
		enum sense_status status = host->catalogue(tables[i].table, tables[i].row, places, err);
		if (status)
			return status;
	}
	add_own_places(places);
	if (places->count == PLACES_MAX || places->listed_count == LISTED_MAX ||
	    places->text_used + 4096 > places->text_room)
		return host->fail(err, SENSE_E_LIMIT, "files",
		                  "the catalogue has more places than there is room for");
	return SENSE_OK;
}

void places_free(struct places *places)
{
	free(places->at);
	free(places->listed);
	free(places->text);
}

/* ---- stepping ------------------------------------------------------------------------------------------ */

static bool folds(enum leaf_kind leaf)
{
	return leaf == LEAF_EDITOR || leaf == LEAF_PYTHON;
}

bool place_listed(const struct places *places, enum leaf_kind leaf, const char *name)
{
	for (unsigned i = 0; i < places->listed_count; i++)
		if (places->listed[i].leaf == leaf && glob_match(places->listed[i].name, name, folds(leaf)))
			return true;
	return false;
}

static void add_state(struct states *states, struct state state)
{
	for (unsigned i = 0; i < states->count; i++)
		if (!memcmp(&states->at[i], &state, sizeof state))
			return;
	if (states->count < STATES_MAX)
		states->at[states->count++] = state;
}

void places_begin(const struct places *places, bool system, struct states *out)
{
	out->count = 0;
	for (unsigned i = 0; i < places->count; i++)
		if (places->at[i].system == system)
			add_state(out, (struct state){(uint16_t)i, 0, 0});
}

static bool is_deep(const struct places *places, struct state state)
{
	uint8_t kind = places->at[state.place].steps[state.step].kind;
	return kind == STEP_DEEP || kind == STEP_PROJECT;
}

void places_settle(const struct places *places, struct states *states)
{
	for (unsigned i = 0; i < states->count; i++)
		if (is_deep(places, states->at[i]))
			add_state(states,
			          (struct state){states->at[i].place, (uint8_t)(states->at[i].step + 1), 0});
}

static bool may_descend(enum step_kind kind, const char *name, unsigned deep)
{
	if (!strcmp(name, ".git") || !strcmp(name, "node_modules"))
		return false;
	if (kind == STEP_DEEP)
		return deep < DEEP_DEPTH;
	if (name[0] == '.' || deep >= PROJECT_DEPTH)
		return false;
	for (unsigned i = 0; skipped[i]; i++)
		if (!strcmp(skipped[i], name))
			return false;
	return true;
}

static bool step_matches(const struct places *places, const struct step *step, const char *name)
{
	switch (step->kind) {
	case STEP_NAME:
		return !strcmp(step->text, name);
	case STEP_GLOB:
		return glob_match(step->text, name, false);
	case STEP_LISTED:
		return place_listed(places, LEAF_CHROME, name);
	default:
		return false;
	}
}

void places_step(const struct places *places, const struct state *from, unsigned count, const char *name,
                 bool directory, struct states *next, struct states *leaves)
{
	next->count = leaves->count = 0;
	for (unsigned i = 0; i < count; i++) {
		struct state state = from[i];
		const struct place *place = &places->at[state.place];
		const struct step *step = &place->steps[state.step];
		if (is_deep(places, state)) {
			state.deep++;
			if (directory && may_descend(step->kind, name, from[i].deep))
				add_state(next, state);
			continue;
		}
		if (!step_matches(places, step, name))
			continue;
		state.step++;
		if (state.step == place->count)
			add_state(leaves, state);
		else if (directory)
			add_state(next, state);
	}
}
