/*
 * From a tree to MCP servers: where clients keep them, and what each calls command, arguments, environment,
 * headers and URL. A member of another type than expected is passed over.
 */
#include "mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct walk {
	mcp_sink *sink;
	void *self;
	struct mcp_result *result;
	const char *list[MCP_ARGS_MAX + 1];
	struct mcp_server server;
};

/* What objects of servers are called; the last part of a path in the catalogue. */
static bool names_servers(const char *word)
{
	static const char *const names[] = {"mcpServers", "servers",         "mcp",
	                                    "extensions", "context_servers", "mcp_servers"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(names[i], word))
			return true;
	return false;
}

bool mcp_keys(const char *column, char *keys, size_t room)
{
	char copy[256], *save = NULL;
	bool any = false;
	snprintf(copy, sizeof copy, "%s", column);
	keys[0] = '\0';
	if (strstr(copy, "one server per file")) {
		snprintf(keys, room, "mcpServers;");
		return true;
	}
	bool flat = strstr(copy, "flat map") != NULL;
	for (char *part = strtok_r(copy, "; ", &save); part; part = strtok_r(NULL, "; ", &save)) {
		const char *last = strrchr(part, '.');
		if (!names_servers(last ? last + 1 : part))
			continue;
		size_t used = strlen(keys);
		snprintf(keys + used, room - used, "%s%s", any ? ";" : "", part);
		any = true;
	}
	if (flat) {
		size_t used = strlen(keys);
		snprintf(keys + used, room - used, "%s.", any ? ";" : "");
	}
	return any || flat;
}

/* ---- one server ------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *const *names)
{
	for (; *names; names++) {
		const char *text = json_string_value(json_object_get(object, *names));
		if (text && *text)
			return text;
	}
	return NULL;
}

#define TEXT(object, ...) text_of(object, (const char *const[]){__VA_ARGS__, NULL})

static unsigned take_list(struct walk *walk, const json_t *array, unsigned count)
{
	for (size_t i = 0; i < json_array_size(array) && count < MCP_ARGS_MAX; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		if (text)
			walk->list[count++] = text;
	}
	return count;
}

/* Command and arguments into walk->list: a text, a list, or an object with `path` and `args`. */
static unsigned take_command(struct walk *walk, const json_t *server)
{
	const json_t *command = json_object_get(server, "command"), *at = server;
	const char *text = TEXT(server, "command", "cmd");
	unsigned count = 0;
	if (json_is_object(command)) {
		at = command;
		text = TEXT(command, "path", "command");
	}
	if (text)
		walk->list[count++] = text;
	count = take_list(walk, json_is_array(command) ? command : NULL, count);
	return count ? take_list(walk, json_object_get(at, "args"), count) : 0;
}

static void take_secrets(struct walk *walk, const json_t *server, const char *member)
{
	const json_t *map = json_object_get(server, member);
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)map, name, value)
	{
		const char *text = json_string_value(value);
		if (text && mcp_is_secret(name, text))
			mcp_add_name(walk->server.secrets, sizeof walk->server.secrets, name);
	}
	/* Some write them as a list: "NAME=value", or objects with name and value. */
	for (size_t i = 0; i < json_array_size(map); i++) {
		const json_t *entry = json_array_get(map, i);
		const char *text = json_string_value(entry), *named = TEXT(entry, "name", "key");
		char key[128];
		if (text && strchr(text, '=')) {
			snprintf(key, sizeof key, "%.*s", (int)strcspn(text, "="), text);
			named = key;
			text = strchr(text, '=') + 1;
		} else {
			text = TEXT(entry, "value");
		}
		if (named && text && mcp_is_secret(named, text))
			mcp_add_name(walk->server.secrets, sizeof walk->server.secrets, named);
	}
}

/* Members of the server itself that some clients have for a key. */
static void take_own_secrets(struct walk *walk, const json_t *server)
{
	static const char *const members[] = {"apiKey",       "api_key",   "token",
	                                      "bearer_token", "authToken", "authorization_token",
	                                      "password",     NULL};
	for (unsigned i = 0; members[i]; i++) {
		const char *text = json_string_value(json_object_get(server, members[i]));
		if (text && mcp_is_secret(members[i], text))
			mcp_add_name(walk->server.secrets, sizeof walk->server.secrets, members[i]);
	}
}

static const char *transport_of(const struct walk *walk, const char *said)
{
	const char *url = walk->server.url;
	size_t n = strlen(url);
	if (said && !strcasecmp(said, "sse"))
		return "sse";
	if (said && (strcasestr(said, "http") || !strcasecmp(said, "remote")))
		return "http";
	if (walk->server.command[0])
		return "stdio";
	return n >= 4 && !strcmp(url + n - 4, "/sse") ? "sse" : "http";
}

/* False: the object is no server. */
static bool take_server(struct walk *walk, const char *name, const json_t *object)
{
	struct mcp_server *server = &walk->server;
	static const char *const maps[] = {"env",          "environment", "envs",           "headers",
	                                   "http_headers", "httpHeaders", "requestOptions", NULL};
	*server = (struct mcp_server){0};
	unsigned count = take_command(walk, object);
	const char *url = TEXT(object, "url", "serverUrl", "httpUrl", "uri", "endpoint");
	if (!count && !url)
		return false;
	snprintf(server->name, sizeof server->name, "%s", name);
	if (count) {
		mcp_command_line(walk->list, count, server->command, sizeof server->command, server->secrets,
		                 sizeof server->secrets);
		mcp_package(walk->list, count, server->package, sizeof server->package, &server->pinned);
		const char *bridged = mcp_bridged(server->package, walk->list, count);
		url = url ? url : bridged;
	}
	if (url)
		mcp_clean_url(url, server->url, sizeof server->url, server->host, sizeof server->host,
		              server->secrets, sizeof server->secrets);
	const json_t *inner = json_object_get(object, "command");
	for (unsigned i = 0; maps[i]; i++) {
		take_secrets(walk, object, maps[i]);
		if (json_is_object(inner))
			take_secrets(walk, inner, maps[i]);
	}
	take_secrets(walk, json_object_get(object, "requestOptions"), "headers");
	take_own_secrets(walk, object);
	server->transport = transport_of(walk, TEXT(object, "type", "transport", "transportType"));
	return true;
}

static void tell(struct walk *walk, const char *name, const json_t *object)
{
	if (!json_is_object(object) || !take_server(walk, name, object))
		return;
	if (walk->result->servers == MCP_SERVERS_MAX) {
		walk->result->dropped++;
		return;
	}
	walk->result->servers++;
	walk->sink(walk->self, &walk->server);
}

/* ---- where servers stand ---------------------------------------------------------------------------- */

static void take_map(struct walk *walk, json_t *map)
{
	const char *name;
	json_t *value;
	json_object_foreach(map, name, value)
	{
		/* vscode keeps `servers` below `mcp`; a map of servers has no such server. */
		if (strcmp(name, "servers") || !json_is_object(value) || json_object_get(value, "command"))
			tell(walk, name, value);
	}
	for (size_t i = 0; i < json_array_size(map); i++) {
		const json_t *entry = json_array_get(map, i);
		const char *named = TEXT(entry, "name", "id");
		tell(walk, named ? named : "", entry);
	}
}

/* Follows a path "projects.*.mcpServers" from node; '*' at most once a path. */
static void take_path(struct walk *walk, json_t *node, const char *path)
{
	char part[64];
	for (;;) {
		size_t n = strcspn(path, ".;");
		snprintf(part, sizeof part, "%.*s", (int)n, path);
		if (!strcmp(part, "*"))
			break;
		node = json_object_get(node, part);
		if (path[n] != '.') {
			take_map(walk, node);
			return;
		}
		path += n + 1;
	}
	const char *name;
	json_t *value;
	snprintf(part, sizeof part, "%.*s", (int)strcspn(path + 2, ".;"), path[1] ? path + 2 : "");
	json_object_foreach(node, name, value)
	{
		take_map(walk, json_object_get(value, part));
	}
}

static void take_keys(struct walk *walk, json_t *root, const char *keys)
{
	for (const char *at = keys;; at++) {
		size_t n = strcspn(at, ";");
		const char *name = TEXT(root, "name");
		if (!n && !walk->result->servers)
			tell(walk, name ? name : "", root);
		else if (n == 1 && *at == '.' && !walk->result->servers)
			take_map(walk, root);
		else if (n && *at != '.')
			take_path(walk, root, at);
		/* Settings of editors keep "mcp.servers" under that very name, too. */
		if (n == 11 && !strncmp(at, "mcp.servers", n))
			take_map(walk, json_object_get(root, "mcp.servers"));
		at += n;
		if (!*at)
			return;
	}
}

void mcp_read(const char *text, size_t len, enum mcp_format format, const char *keys, mcp_sink *sink,
              void *self, struct mcp_result *result)
{
	struct walk *walk = calloc(1, sizeof *walk);
	json_t *root = NULL;
	*result = (struct mcp_result){.fault = walk ? NULL : "there is no memory to read it"};
	if (!walk)
		return;
	if (format & (MCP_JSON | MCP_JSONC))
		root = mcp_json(text, len, (format & MCP_JSONC) != 0, &result->fault);
	else if (format & MCP_TOML)
		root = mcp_toml(text, len, &result->fault);
	else
		root = mcp_yaml(text, len, &result->fault);
	walk->sink = sink;
	walk->self = self;
	walk->result = result;
	if (root)
		take_keys(walk, root, keys);
	json_decref(root);
	free(walk);
}
