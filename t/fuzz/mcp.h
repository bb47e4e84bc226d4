/* What the fuzz targets of MCP configurations share: the plugin's sources are compiled in. */
#ifndef SENSE_T_FUZZ_MCP_H
#define SENSE_T_FUZZ_MCP_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/files/mcp.c"
#include "plugins/files/mcp_json.c"
#include "plugins/files/mcp_toml.c"
#include "plugins/files/mcp_yaml.c"
#include "plugins/files/package.c"
#include "plugins/files/secrets.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool good)
{
	if (!good)
		abort();
}

static inline void check_server(void *self, const struct mcp_server *server)
{
	++*(unsigned *)self;
	check(strnlen(server->name, sizeof server->name) < sizeof server->name);
	check(strnlen(server->command, sizeof server->command) < sizeof server->command);
	check(strnlen(server->url, sizeof server->url) < sizeof server->url);
	check(strnlen(server->host, sizeof server->host) < sizeof server->host);
	check(strnlen(server->package, sizeof server->package) < sizeof server->package);
	check(strnlen(server->secrets, sizeof server->secrets) < sizeof server->secrets);
	check(!strcmp(server->transport, "stdio") || !strcmp(server->transport, "http") ||
	      !strcmp(server->transport, "sse"));
	check(!strchr(server->url, '?') && !strchr(server->url, '#'));
	check(server->command[0] || server->url[0] || server->transport[0]);
}

static inline void read_servers(const uint8_t *data, size_t size, enum mcp_format format)
{
	static const char *const keys[] = {"mcpServers;projects.*.mcpServers", "mcpServers;.",
	                                   "mcp.servers;mcp", "extensions;mcp_servers;context_servers",
	                                   "mcpServers;"};
	for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct mcp_result result;
		unsigned told = 0;
		mcp_read((const char *)data, size, format, keys[i], check_server, &told, &result);
		check(told == result.servers && told <= MCP_SERVERS_MAX && !(told && result.fault));
	}
}

#endif
