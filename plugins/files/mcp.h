/*
 * mcp.h - MCP servers as configuration files declare them. Bytes in, structs out, no I/O.
 *
 * Each format becomes one tree (jansson), and the servers are read from that, since clients differ more
 * from each other than formats do. What stands for a secret is looked at in secrets.c and goes no
 * further: a struct mcp_server holds names, never values.
 *
 * Bounds: 256 servers a file, 20,000 values and 64 levels a file, 64 arguments a server; texts are cut.
 * Formats: JSON (RFC 8259) with the comments and trailing commas of JSONC, TOML 1.0 without dates as such,
 * YAML 1.1 as libyaml reads it, without what anchors stand for.
 */
#ifndef SENSE_PLUGIN_FILES_MCP_H
#define SENSE_PLUGIN_FILES_MCP_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define MCP_SERVERS_MAX 256u
#define MCP_VALUES_MAX 20000u
#define MCP_DEPTH_MAX 64u
#define MCP_ARGS_MAX 64u
#define MCP_REDACTED "~redacted~"

/* Several by '|': what a file of that name can hold. */
enum mcp_format { MCP_JSON = 1, MCP_JSONC = 2, MCP_TOML = 4, MCP_YAML = 8 };

struct mcp_server {
	char name[128];
	const char *transport; /* stdio, http, sse */
	char command[1024];    /* with its arguments; "": none */
	char url[512];         /* without user, password, query */
	char host[256];        /* of url, in lower case */
	char package[256];     /* "": none is fetched */
	bool pinned;           /* of package */
	char secrets[256];     /* names, comma-separated */
};

struct mcp_result {
	unsigned servers;
	unsigned dropped;  /* beyond MCP_SERVERS_MAX */
	const char *fault; /* why the file could not be read, or NULL; nothing was found then */
};

typedef void mcp_sink(void *self, const struct mcp_server *server);

/*
 * Readers: a new tree, which the caller gives back with json_decref; NULL with *fault, a text that
 * lives for ever.
 */
json_t *mcp_json(const char *text, size_t len, bool comments, const char **fault);
json_t *mcp_toml(const char *text, size_t len, const char **fault);
json_t *mcp_yaml(const char *text, size_t len, const char **fault);

/*
 * The servers of a file. keys: where they stand, as the catalogue says ("mcpServers;
 * projects.*.mcpServers"): names of objects, separated by ';', with '*' for any name; "." the whole file
 * is the map, "" the file is one server.
 */
void mcp_read(const char *text, size_t len, enum mcp_format format, const char *keys, mcp_sink *sink,
              void *self, struct mcp_result *result);
/* keys from the column of the catalogue, which is for people too; false: no place of MCP servers. */
bool mcp_keys(const char *column, char *keys, size_t room);

/* ---- package.c: what a command fetches and runs --------------------------------------------------- */

/* argv[0] is the program. False: nothing is fetched by it. */
bool mcp_package(const char *const *argv, unsigned count, char *package, size_t room, bool *pinned);
/* The URL that a bridge such as mcp-remote is told to call, or NULL. */
const char *mcp_bridged(const char *package, const char *const *argv, unsigned count);
/* Splits a line at blanks outside quotes, in place; returns how many words there are, max at most. */
unsigned mcp_words(char *line, const char **words, unsigned max);

/* ---- secrets.c: what must not leave ---------------------------------------------------------------- */

/* A secret stands in the file under this name: not a reference to one, nothing empty, no placeholder. */
bool mcp_is_secret(const char *name, const char *value);
/* The text has the shape of a well-known kind of key. */
bool mcp_looks_secret(const char *text);
/* The same of anything in it that stands at the beginning or behind what no name has within: '=', '@', '/'. */
bool mcp_holds_secret(const char *text);
/* Appends the name to a comma-separated list unless it is there. */
void mcp_add_name(char *list, size_t room, const char *name);
/* Command and arguments in one line, without what looks like a secret; found: a list that gets its names. */
void mcp_command_line(const char *const *argv, unsigned count, char *line, size_t room, char *found,
                      size_t found_room);
/* The same for a URL: no user, password, query, fragment; host in lower case, "" when there is none. */
void mcp_clean_url(const char *url, char *clean, size_t room, char *host, size_t host_room, char *found,
                   size_t found_room);

#endif
