/*
 * Command lines of MCP servers: a line of words. What is fetched is part of the line, and a word that has the
 * shape of a key is not in what may leave.
 */
#include "t/fuzz/mcp.h"

/* Whether the word stands in the text, but for where a name may go on with it. */
static bool stands_in(const char *text, const char *word)
{
	for (const char *at = text; (at = strstr(at, word)); at++)
		if (at == text || (!isalnum((unsigned char)at[-1]) && !strchr("-_.", at[-1])))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[1024], fetched[256] = "", command[1024] = "", secret[256] = "";
	const char *argv[MCP_ARGS_MAX];
	bool exact;
	snprintf(line, sizeof line, "%.*s", (int)(size < 1000 ? size : 1000), (const char *)data);
	unsigned count = mcp_words(line, argv, MCP_ARGS_MAX);
	if (!count)
		return 0;
	bool found = mcp_package(argv, count, fetched, sizeof fetched, &exact);
	check(found ? fetched[0] != '\0' : !fetched[0] && !exact);
	mcp_command_line(argv, count, command, sizeof command, secret, sizeof secret);
	for (unsigned i = 0; i < count; i++) {
		/* A short one may be part of another word; one with blanks is several. */
		if (mcp_looks_secret(argv[i]) && strlen(argv[i]) >= 30 && !strchr(argv[i], ' '))
			check(!stands_in(command, argv[i]) && !stands_in(fetched, argv[i]) &&
			      !stands_in(secret, argv[i]));
	}
	const char *url = mcp_bridged(fetched, argv, count);
	check(!url || !strncmp(url, "http", 4));
	return 0;
}
