/*
 * Command lines of MCP servers: a line of words. What is fetched is part of the line, and a word that has the shape
 * of a key is not in what may leave.
 */
#include "t/fuzz/mcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[1024], package[256] = "", command[1024] = "", names[256] = "";
	const char *words[MCP_ARGS_MAX];
	bool pinned;
	snprintf(line, sizeof line, "%.*s", (int)(size < 1000 ? size : 1000), (const char *)data);
	unsigned count = mcp_words(line, words, MCP_ARGS_MAX);
	if (!count)
		return 0;
	bool fetched = mcp_package(words, count, package, sizeof package, &pinned);
	check(fetched ? package[0] != '\0' : !package[0] && !pinned);
	mcp_command_line(words, count, command, sizeof command, names, sizeof names);
	for (unsigned i = 0; i < count; i++) {
		/* A short one may be part of another word. */
		if (mcp_looks_secret(words[i]) && strlen(words[i]) >= 30)
			check(!strstr(command, words[i]) && !strstr(package, words[i]) && !strstr(names, words[i]));
	}
	const char *url = mcp_bridged(package, words, count);
	check(!url || !strncmp(url, "http", 4));
	return 0;
}
