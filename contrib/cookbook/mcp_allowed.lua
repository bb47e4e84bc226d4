-- Finds   an MCP server that is not on the list of those that may be used: by the package that is fetched,
--         the host that is called, or the program that is started.
-- Misses  what a server on the list does; a version of a package that is not the one that was looked at.
-- Change  `packages` (without a version), `hosts` (with all below them) and `programs`.
policy { title = "MCP server that is not on the list", version = "1" }

local function name_of(package) return package and package:match("^@?[^@=<>~!]*") end
local function host_of(url) return url and lower(url:match("^%a+://([^/:]+)")) end
local function program_of(command) return command and command:match("^(%S+)") end

rule "cookbook.mcp_allowed" {
  title = "MCP server that is not on the list",
  severity = "medium", type = "mcp", confidence = 95,
  on = "mcp",
  match = { mcp = { server = { set = true } } },
  params = {
    packages = set { "@modelcontextprotocol/server-memory" },
    hosts = { "mcp.corp.example" },
    programs = set { "/opt/corp/bin/mcp-wiki" },
  },
  when = function(flow, params)
    local mcp = flow.mcp
    local host = host_of(mcp.url)
    for _, allowed in ipairs(params.hosts) do
      if under(host, allowed) then return false end
    end
    return not params.packages[name_of(mcp.package)]
      and (mcp.package or not params.programs[program_of(mcp.command)])
  end,
  finding = function(flow)
    local mcp = flow.mcp
    return {
      summary = ("%s of %s uses the MCP server %s, which is not on the list: %s"):format(
        mcp.client or "A client", flow.user or "somebody", mcp.server,
        mcp.package or mcp.url or redact(mcp.command) or "no more is known"),
      details = { config = mcp.config },
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server", "mcp.package" }, every = "7d" },
  tags = { "atlas:AML.T0010" },
}
