-- Finds   an MCP server that is started through a shell, fetches what it runs, or hides it: whatever the
--         shell is told runs with the rights of the user, each time the client starts.
-- Misses  what a harmless looking package does once it runs.
-- Change  the words; the servers that may. `mcp` events come from the sensors of `run` and `scan`; a replay
--         has none. The shipped ai.mcp.powers (policies/mcp/configured.lua) looks at containers as well.
policy { title = "MCP server with a shell command", version = "1" }

local shells = words { "/sh -c", "bash -c", "zsh -c", "powershell", "pwsh", "cmd /c", "cmd.exe" }

rule "cookbook.mcp_shell" {
  title = "MCP server started through a shell",
  severity = "high", type = "mcp", confidence = 85,
  on = "mcp",
  match = { mcp = { transport = "stdio", command = { set = true } } },
  params = {
    fine = set { "corp-tools" },
    grave = { "curl ", "wget ", "base64 -d", "eval ", "| sh", "|sh", "iex(", "invoke-expression" },
  },
  when = function(flow, params)
    local command = lower(flow.mcp.command)
    return not params.fine[flow.mcp.server]
      and (starts(command, "sh -c") or shells(command) or contains(command, params.grave))
  end,
  finding = function(flow, params)
    local word = contains(lower(flow.mcp.command), params.grave)
    return {
      severity = word and "critical" or nil,
      summary = ("%s starts the MCP server %s by: %s"):format(
        flow.mcp.client or "A client", flow.mcp.server or "without a name", redact(flow.mcp.command)),
      details = { word = word or nil }, -- false is a value too, nil is none
    }
  end,
  throttle = { by = { "user", "mcp.client", "mcp.server" }, every = "1d" },
  tags = { "atlas:AML.T0053" },
}
