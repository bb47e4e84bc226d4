/*
 * MCP configurations in JSON and JSONC, from bytes to servers. The first byte chooses which of the two. Each
 * text of a server ends within its room, and a file that is refused has told nothing.
 */
#include "t/fuzz/mcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	read_servers(data + 1, size - 1, *data & 1 ? MCP_JSONC : MCP_JSON);
	return 0;
}
