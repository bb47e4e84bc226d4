-- MCP servers that stand in the configuration of a client: tools that an agent can use.
policy {
  title = "MCP server configured", version = "1",
  description = "Once for each client and server. Not seen: servers that a client gets from its vendor's " ..
    "account, and those given on its command line.",
}

-- Without TLS, and not on this host.
local function in_clear(url)
  local host = url and url:match("^http://([^/]+)")
  return host and not starts(host, "localhost") and not starts(host, "127.") and not starts(host, "[::1]")
end

rule "ai.mcp.configured" {
  title = "MCP server configured",
  severity = "low", type = "mcp", confidence = 95,
  on = "mcp",
  match = { mcp = { server = { set = true } } },
  params = { known = set {} }, -- names of servers that are in order
  when = function(event, params) return not params.known[event.mcp.server] end,
  finding = function(event)
    local clear = in_clear(event.mcp.url)
    return {
      severity = clear and "medium" or nil,
      summary = ("%s can use the MCP server %s: %s%s"):format(event.mcp.client or "A program",
        event.mcp.server, event.mcp.url or event.mcp.command or "it is not said how",
        clear and ", in clear text" or ""),
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server" }, every = "7d" },
  indicator = { weight = 60, about = "mcp.server" },
  tags = { "atlas:AML.T0053" },
}
