-- Model Context Protocol over HTTP (streamable HTTP and its headers), and agent-to-agent calls.
policy {
  title = "MCP and agent-to-agent traffic", version = "3",
  description = "Clear-text MCP requests. Servers on standard input and output, and those behind TLS, " ..
    "are not seen here; mcp/configured.lua reports what clients are set up for.",
}

local tool_call = { label = { "MCP", "A2A" }, score = { min = 100 } }

local function within_host(flow)
  return flow.dst_scope == "loopback" or flow.src_ip == flow.dst_ip
end

local function finding(flow)
  return {
    summary = ("%s request: %s %s on port %d"):format(flow.signal.label, flow.http_method, flow.http_path,
      flow.dst_port),
    details = { path = flow.http_path, method = flow.http_method, client = flow.client },
  }
end

rule "ai.mcp.local" {
  title = "MCP server on this host used",
  severity = "medium", type = "mcp", confidence = 95,
  on = "http",
  match = {
    signal = tool_call,
    none = { -- what this agent's own sensor asks (host.probe): one greeting, and no tool
      {
        user_agent = "sense-agent", dst_scope = "loopback", http_method = "POST", http_path = "/mcp",
        bytes_up = { max = "2KiB" },
      },
    },
  },
  when = within_host,
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0053" },
}

-- Who is on the way reads what tools return, and can change what they are told to do.
rule "ai.mcp.clear" {
  title = "MCP server used in clear text over the network",
  severity = "high", type = "mcp", confidence = 95,
  on = "http",
  match = { signal = tool_call },
  when = function(flow) return not within_host(flow) end,
  finding = function(flow)
    local said = finding(flow)
    said.severity = flow.dst_scope == "public" and "high" or "medium"
    said.summary = ("%s request in clear text to %s: %s %s on port %d"):format(flow.signal.label,
      flow.host or flow.dst_ip, flow.http_method, flow.http_path, flow.dst_port)
    return said
  end,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0053", "atlas:AML.T0086" },
}
