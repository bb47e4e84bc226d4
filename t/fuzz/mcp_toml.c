/*
 * MCP configurations in TOML, from bytes to servers. Each text of a server ends within its
 * room, and a file that is refused has told nothing.
 */
#include "t/fuzz/mcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_servers(data, size, MCP_TOML);
	return 0;
}
