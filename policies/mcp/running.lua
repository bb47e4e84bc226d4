-- MCP servers that run on this host: by their name, and by what they answered when they were asked.
policy {
  title = "MCP server runs", version = "1",
  description = "Not seen: servers on standard input and output that the catalogue does not know; they " ..
    "are reported by what clients are set up for (mcp/configured.lua), and as children of agents " ..
    "(agents/children.lua).",
}

local function is_known(command, known)
  for _, word in ipairs(known) do
    if contains(command, word) then return true end
  end
end

-- Class mcp-server of the catalogue.
local servers = set { "mcp-stdio", "mcp-remote", "mcp-tools" }

rule "ai.mcp.running" {
  title = "MCP server started",
  severity = "low", type = "mcp", confidence = 80,
  on = "process.start",
  match = { tool = servers },
  params = { known = {} }, -- words in the commands of servers that may
  when = function(event, params) return not is_known(event.process.command, params.known) end,
  finding = function(event)
    local process = event.process
    return {
      severity = event.tool == "mcp-tools" and "medium" or nil, -- those run any command
      summary = ("%s started an MCP server for %s: %s"):format(process.agent or process.parent or "A program",
        event.user or "an unknown user", process.command or process.name or event.tool),
      details = { path = process.path, ancestors = process.ancestors, container = process.container },
    }
  end,
  throttle = { by = { "user", "tool", "process.command" }, every = "1d" },
  indicator = { weight = 100, about = "tool" },
  tags = { "atlas:AML.T0053" },
}

rule "ai.mcp.listens" {
  title = "Program answers as an MCP server",
  severity = "low", type = "mcp", confidence = 90,
  on = "listen",
  match = { listen = { speaks = "MCP" } },
  params = { known = set {} }, -- names of programs that may
  when = function(event, params) return not params.known[event.process.name] end,
  finding = function(event)
    local open = event.listen.scope and event.listen.scope ~= "loopback"
    return {
      severity = open and "medium" or nil,
      summary = ("%s offers tools by MCP on %s port %d%s"):format(event.process.name or "A program",
        event.listen.ip or "an unknown address", event.listen.port or 0,
        open and ", also to other machines" or ""),
      details = { path = event.process.path, command = event.process.command, tool = event.tool },
    }
  end,
  throttle = { by = { "process.name", "listen.port", "listen.scope" }, every = "1d" },
  indicator = { weight = 100, about = "listen.speaks" },
  tags = { "atlas:AML.T0053" },
}
