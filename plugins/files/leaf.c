/* What is done with what a place led to; how it is told. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extensions.h"
#include "mcp.h"

#define FACTS_MAX 16u
#define READ_AGAIN 3u /* a file that changes while it is read */

/* ---- telling ------------------------------------------------------------------------------------------- */

struct facts {
	unsigned count;
	struct sense_fact at[FACTS_MAX];
};

static void add_text(struct facts *facts, const char *field, const char *text)
{
	if (text && *text && facts->count < FACTS_MAX)
		facts->at[facts->count++] =
		    (struct sense_fact){.field = field, .type = SENSE_FACT_TEXT, .text = text};
}

static void add_number(struct facts *facts, const char *field, double number)
{
	if (facts->count < FACTS_MAX)
		facts->at[facts->count++] =
		    (struct sense_fact){.field = field, .type = SENSE_FACT_NUMBER, .number = number};
}

static void tell(struct files *files, const char *event, const struct facts *facts)
{
	files->host->tell(event, 0, facts->at, facts->count);
}

/* A hash of all that is said: the same words are not said twice. */
static uint64_t value_of(struct files *files, const struct facts *facts)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < facts->count; i++) {
		const struct sense_fact *fact = &facts->at[i];
		value = known_hash(files, fact->field, strlen(fact->field), value);
		if (fact->type == SENSE_FACT_TEXT)
			value = known_hash(files, fact->text, strlen(fact->text), value);
		else if (fact->type == SENSE_FACT_NUMBER)
			value = known_hash(files, &fact->number, sizeof fact->number, value);
		else
			value = known_hash(files, &fact->boolean, sizeof fact->boolean, value);
	}
	return value;
}

static void tell_too_many(struct files *files, struct home *home)
{
	if (!home->full)
		tell_gap(files, home, home->path, "holds more than is remembered of one home", 1);
	home->full = true;
}

static void tell_news(struct files *files, struct home *home, enum known_kind kind, const char *path,
                      const char *name, const char *event, const struct facts *facts)
{
	enum known_news news = known_note(files, home, kind, path, name, value_of(files, facts));
	if (news == KNOWN_NEW || news == KNOWN_CHANGED)
		tell(files, event, facts);
	else if (news == KNOWN_FULL)
		tell_too_many(files, home);
}

void tell_gap(struct files *files, struct home *home, const char *where, const char *why, uint64_t count)
{
	struct facts facts = {0};
	enum known_news news = known_note(files, home, KNOWN_GAP, where, why, count);
	if (news == KNOWN_SAME || (news == KNOWN_FULL && home->full))
		return;
	add_text(&facts, "gap.what", "files");
	add_text(&facts, "gap.where", where);
	add_text(&facts, "gap.why", why);
	add_number(&facts, "gap.count", (double)count);
	tell(files, "gap", &facts);
}

void tell_file(struct files *files, const struct home *home, const char *kind, const char *op,
               const char *path, double size)
{
	struct facts facts = {0};
	add_text(&facts, "file.path", path);
	add_text(&facts, "file.kind", kind);
	add_text(&facts, "file.op", op);
	add_text(&facts, "user", home->user);
	if (size >= 0)
		add_number(&facts, "file.size", size);
	tell(files, "file", &facts);
}

/* A file that is of interest as such; stamp: what makes it another. */
static void take_file(struct files *files, struct home *home, enum known_kind kind, const char *word,
                      const struct found *found, uint64_t stamp)
{
	enum known_news news = known_note(files, home, kind, found->path, "", stamp);
	const char *first = home->swept ? "created" : "found";
	if (news == KNOWN_NEW || news == KNOWN_CHANGED)
		tell_file(files, home, word, news == KNOWN_NEW ? first : "changed", found->path,
		          (double)found->st->st_size);
	else if (news == KNOWN_FULL)
		tell_too_many(files, home);
}

static uint64_t stamp_of(struct files *files, const struct stat *st)
{
	int64_t parts[] = {(int64_t)st->st_size, (int64_t)st->st_mtim.tv_sec, (int64_t)st->st_mtim.tv_nsec};
	return known_hash(files, parts, sizeof parts, 0);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static char *read_once(int fd, size_t max, size_t *len)
{
	char *text = malloc(max + 1);
	*len = 0;
	while (text && *len <= max) {
		ssize_t got = pread(fd, text + *len, max + 1 - *len, (off_t)*len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return NULL;
		}
		if (!got)
			break;
		*len += (size_t)got;
	}
	return text;
}

/* The whole file; NULL and a gap when that cannot be had. The caller frees it, and wipes it before. */
static char *read_file(struct files *files, struct home *home, const struct found *found, size_t max,
                       size_t *len)
{
	const char *why = "changes while it is read";
	for (unsigned i = 0; i < READ_AGAIN; i++) {
		struct stat before, after;
		if (fstat(found->fd, &before) || before.st_size > (off_t)max) {
			why = "is larger than is read of such a file";
			break;
		}
		char *text = read_once(found->fd, max, len);
		files->work += 3 + (unsigned)(*len >> 14);
		if (!text) {
			why = strerror(errno);
			break;
		}
		if (!fstat(found->fd, &after) && after.st_size == (off_t)*len &&
		    before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
		    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec)
			return text;
		explicit_bzero(text, *len);
		free(text);
	}
	tell_gap(files, home, found->path, why, 1);
	known_keep_path(files, found->path);
	return NULL;
}

static void wipe(char *text, size_t len)
{
	explicit_bzero(text, len);
	free(text);
}

/* ---- MCP configurations -------------------------------------------------------------------------------- */

struct config {
	struct files *files;
	struct home *home;
	const struct place *place;
	const struct found *found;
	uint64_t servers; /* what is declared: programs write these files for other reasons all day */
};

static void take_server(void *self, const struct mcp_server *server)
{
	struct config *config = self;
	struct facts facts = {0};
	add_text(&facts, "mcp.server", server->name);
	add_text(&facts, "mcp.client", config->place->app);
	add_text(&facts, "mcp.transport", server->transport);
	add_text(&facts, "mcp.command", server->command);
	add_text(&facts, "mcp.url", server->url);
	add_text(&facts, "host", server->host);
	add_text(&facts, "mcp.package", server->package);
	if (server->package[0])
		facts.at[facts.count++] = (struct sense_fact){
		    .field = "mcp.pinned", .type = SENSE_FACT_BOOL, .boolean = server->pinned};
	add_text(&facts, "mcp.secrets", server->secrets);
	add_text(&facts, "mcp.config", config->found->path);
	add_text(&facts, "user", config->home->user);
	uint64_t value = value_of(config->files, &facts);
	config->servers = known_hash(config->files, &value, sizeof value, config->servers);
	tell_news(config->files, config->home, KNOWN_SERVER, config->found->path, server->name, "mcp",
	          &facts);
}

static enum mcp_format format_of(const struct place *place, const char *name)
{
	const char *dot = strrchr(name, '.');
	if ((place->format & MCP_YAML) && (place->format & MCP_JSON))
		return dot && !strcmp(dot, ".json") ? MCP_JSON : MCP_YAML;
	return place->format;
}

static void take_config(struct files *files, struct home *home, const struct place *place,
                        const struct found *found)
{
	struct config config = {files, home, place, found, 0};
	enum mcp_format format = format_of(place, found->name);
	struct mcp_result result = {0};
	size_t len;
	char *text = read_file(files, home, found, format == MCP_YAML ? YAML_MAX : CONFIG_MAX, &len);
	if (!text)
		return;
	uint32_t since = ++files->known.now;
	text[len] = '\0';
	if (strspn(text, " \t\r\n") < len)
		mcp_read(text, len, format, place->keys, take_server, &config, &result);
	wipe(text, len);
	files->work += 1 + (unsigned)(len >> 12);
	if (result.fault) {
		tell_gap(files, home, found->path, result.fault, 1);
		known_keep_path(files, found->path);
		return;
	}
	if (result.dropped)
		tell_gap(files, home, found->path, "declares more MCP servers than are looked at",
		         result.dropped);
	if (result.servers)
		take_file(files, home, KNOWN_CONFIG, "mcp_config", found, config.servers);
	known_expire_path(files, found->path, since);
}

/* ---- models, extensions, packages ---------------------------------------------------------------------- */

static void take_model(struct files *files, struct home *home, const struct found *found)
{
	uint8_t head[128];
	ssize_t got = found->fd < 0 ? -1 : pread(found->fd, head, sizeof head, 0);
	uint64_t size = (uint64_t)found->st->st_size;
	if (got <= 0 || !models_match(&files->places, head, (size_t)got, size, found->name))
		return;
	/* A model is written for minutes: it is the same one while it grows. */
	take_file(files, home, KNOWN_MODEL, "model", found, 1);
}

static void take_inventory(struct files *files, struct home *home, const struct place *place,
                           const char *kind, const char *name, const char *version, const char *path)
{
	struct facts facts = {0};
	add_text(&facts, "inventory.kind", kind);
	add_text(&facts, "inventory.app", place->app);
	add_text(&facts, "inventory.name", name);
	add_text(&facts, "inventory.version", version);
	add_text(&facts, "inventory.path", path);
	add_text(&facts, "user", home->user);
	tell_news(files, home, KNOWN_INVENTORY, path, name, "inventory", &facts);
}

/* The text of a file below the directory that something was found in; NULL: there is none. */
static char *read_beneath(struct files *files, struct home *home, const struct found *found, const char *rel,
                          size_t *len)
{
	struct stat st;
	int fd = open_beneath(found->parent, rel, O_NOFOLLOW);
	char *text = NULL;
	files->work += 4;
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		text = read_file(files, home, &(struct found){fd, found->parent, rel, found->path, &st},
		                 MANIFEST_MAX, len);
	if (fd >= 0)
		close(fd);
	return text;
}

static void take_chrome(struct files *files, struct home *home, const struct place *place,
                        const struct found *found)
{
	struct extension extension = {0};
	char messages[128];
	size_t len;
	char *text = read_file(files, home, found, MANIFEST_MAX, &len);
	if (text && extension_manifest(text, len, &extension) && extension.message[0]) {
		free(text);
		snprintf(messages, sizeof messages, "_locales/%s/messages.json", extension.locale);
		text = read_beneath(files, home, found, messages, &len);
		if (text)
			extension_message(text, len, &extension);
	}
	free(text);
	if (!extension.name[0])
		extension_id(found->path, extension.name, sizeof extension.name);
	take_inventory(files, home, place, "extension", extension.name, extension.version, found->path);
}

struct addons {
	struct files *files;
	struct home *home;
	const struct place *place;
	const struct found *found;
};

static void take_addon(void *self, const char *id, const struct extension *extension)
{
	const struct addons *addons = self;
	if (place_listed(&addons->files->places, LEAF_FIREFOX, id))
		take_inventory(addons->files, addons->home, addons->place, "extension",
		               extension->name[0] ? extension->name : id, extension->version,
		               addons->found->path);
}

static void take_firefox(struct files *files, struct home *home, const struct place *place,
                         const struct found *found)
{
	struct addons addons = {files, home, place, found};
	size_t len;
	uint32_t since = ++files->known.now;
	char *text = read_file(files, home, found, CONFIG_MAX, &len);
	if (!text)
		return;
	if (extension_addons(text, len, take_addon, &addons))
		known_expire_path(files, found->path, since);
	free(text);
}

/* What its name says: editors' extensions and Python's packages. */
static void take_named(struct files *files, struct home *home, const struct place *place,
                       const struct found *found,
                       bool (*split)(const char *directory, char *name, char *version, size_t room),
                       const char *kind)
{
	char name[256], version[256];
	if (split(found->name, name, version, sizeof name) && place_listed(&files->places, place->leaf, name))
		take_inventory(files, home, place, kind, name, version, found->path);
}

static void take_jetbrains(struct files *files, struct home *home, const struct place *place,
                           const struct found *found)
{
	char id[256], version[256];
	if (jetbrains_plugin(files, found, id, version, sizeof id) &&
	    place_listed(&files->places, LEAF_JETBRAINS, id))
		take_inventory(files, home, place, "extension", id, version, found->path);
}

static void take_npm(struct files *files, struct home *home, const struct place *place,
                     const struct found *found)
{
	char name[512], rel[300];
	const char *scope = found->path + strlen(found->path) - strlen(found->name);
	struct extension package = {0};
	size_t len;
	if (scope - found->path > 1)
		for (scope--; scope > found->path && scope[-1] != '/'; scope--)
			;
	snprintf(name, sizeof name, "%s", *scope == '@' ? scope : found->name);
	if (found->name[0] == '@' || !place_listed(&files->places, LEAF_NPM, name))
		return;
	snprintf(rel, sizeof rel, "%s/package.json", found->name);
	char *text = read_beneath(files, home, found, rel, &len);
	if (text)
		extension_manifest(text, len, &package);
	free(text);
	take_inventory(files, home, place, "package", name, package.version, found->path);
}

void leaf_take(struct files *files, struct home *home, const struct place *place, const struct found *found)
{
	switch (place->leaf) {
	case LEAF_MCP:
		take_config(files, home, place, found);
		break;
	case LEAF_INSTRUCTIONS:
		take_file(files, home, KNOWN_INSTRUCTIONS, "instructions", found, stamp_of(files, found->st));
		break;
	case LEAF_MODEL:
		take_model(files, home, found);
		break;
	case LEAF_CHROME:
		take_chrome(files, home, place, found);
		break;
	case LEAF_FIREFOX:
		take_firefox(files, home, place, found);
		break;
	case LEAF_EDITOR:
		take_named(files, home, place, found, split_editor, "extension");
		break;
	case LEAF_JETBRAINS:
		take_jetbrains(files, home, place, found);
		break;
	case LEAF_PYTHON:
		take_named(files, home, place, found, split_dist_info, "package");
		break;
	case LEAF_NPM:
		take_npm(files, home, place, found);
		break;
	}
}
