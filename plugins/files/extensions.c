/* Names and versions of extensions and packages. */
#include "extensions.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "files.h"
#include "mcp.h"

#define ADDONS_MAX 1024u

static void copy(char *out, size_t room, const char *text)
{
	snprintf(out, room, "%s", text ? text : "");
}

static const char *text_at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* It becomes part of a path. */
static bool is_plain(const char *locale)
{
	for (const char *c = locale; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return *locale != '\0';
}

bool extension_manifest(const char *text, size_t len, struct extension *extension)
{
	const char *fault, *name, *locale;
	json_t *root = mcp_json(text, len, true, &fault);
	if (!root)
		return false;
	name = text_at(root, "name");
	locale = text_at(root, "default_locale");
	copy(extension->version, sizeof extension->version, text_at(root, "version"));
	size_t n = name ? strlen(name) : 0;
	if (n > 8 && n < sizeof extension->message && !strncmp(name, "__MSG_", 6) &&
	    !strcmp(name + n - 2, "__")) {
		snprintf(extension->message, sizeof extension->message, "%.*s", (int)(n - 8), name + 6);
		copy(extension->locale, sizeof extension->locale, locale && is_plain(locale) ? locale : "en");
	} else {
		copy(extension->name, sizeof extension->name, name);
	}
	json_decref(root);
	return true;
}

bool extension_message(const char *text, size_t len, struct extension *extension)
{
	const char *fault, *name;
	json_t *root = mcp_json(text, len, true, &fault), *value;
	json_object_foreach(root, name, value)
	{
		/* Names of messages do not tell cases apart. */
		if (!strcasecmp(name, extension->message)) {
			copy(extension->name, sizeof extension->name, text_at(value, "message"));
			break;
		}
	}
	json_decref(root);
	return extension->name[0] != '\0';
}

void extension_id(const char *path, char *id, size_t room)
{
	const char *at = strstr(path, "/Extensions/");
	id[0] = '\0';
	if (at)
		snprintf(id, room, "%.*s", (int)strcspn(at + 12, "/"), at + 12);
}

bool extension_addons(const char *text, size_t len,
                      void (*each)(void *self, const char *id, const struct extension *extension), void *self)
{
	const char *fault;
	json_t *root = mcp_json(text, len, false, &fault);
	const json_t *addons = json_object_get(root, "addons");
	for (size_t i = 0; i < json_array_size(addons) && i < ADDONS_MAX; i++) {
		const json_t *addon = json_array_get(addons, i);
		const char *id = text_at(addon, "id"), *type = text_at(addon, "type");
		struct extension extension = {0};
		if (!id || (type && strcmp(type, "extension")))
			continue;
		copy(extension.name, sizeof extension.name,
		     text_at(json_object_get(addon, "defaultLocale"), "name"));
		copy(extension.version, sizeof extension.version, text_at(addon, "version"));
		each(self, id, &extension);
	}
	bool good = root != NULL;
	json_decref(root);
	return good;
}

/* "publisher.name-1.2.3-linux-x64": the version begins at the first '-' before a digit that ends a name. */
bool split_editor(const char *directory, char *id, char *version, size_t room)
{
	const char *dash = directory;
	while ((dash = strchr(dash, '-')) && !isdigit((unsigned char)dash[1]))
		dash++;
	if (!dash || dash == directory || !memchr(directory, '.', (size_t)(dash - directory)))
		return false;
	/* "name-4-x-1.2.3": a version has a dot before the next dash. */
	for (const char *next; (next = strchr(dash + 1, '-')) && isdigit((unsigned char)next[1]) &&
	                       !memchr(dash, '.', (size_t)(next - dash));)
		dash = next;
	const char *end = strchr(dash + 1, '-');
	snprintf(id, room, "%.*s", (int)(dash - directory), directory);
	snprintf(version, room, "%.*s", end ? (int)(end - dash - 1) : (int)strlen(dash + 1), dash + 1);
	for (char *c = id; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return true;
}

/* name-version.dist-info, the name normalized (PEP 503). */
bool split_dist_info(const char *directory, char *name, char *version, size_t room)
{
	static const char tail[] = ".dist-info";
	size_t n = strlen(directory), used = 0;
	const char *dash = strchr(directory, '-');
	if (n <= sizeof tail || strcmp(directory + n - sizeof tail + 1, tail) || !dash || dash == directory)
		return false;
	for (const char *c = directory; c < dash && used + 1 < room; c++) {
		bool separates = *c == '_' || *c == '.' || *c == '-';
		if (!separates || (used && name[used - 1] != '-'))
			name[used++] = separates ? '-' : (char)tolower((unsigned char)*c);
	}
	name[used] = '\0';
	snprintf(version, room, "%.*s", (int)(directory + n - sizeof tail - dash), dash + 1);
	return true;
}
