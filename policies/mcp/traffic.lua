-- Model Context Protocol over HTTP (streamable HTTP and its headers), and agent-to-agent calls.
policy {
  title = "MCP and agent-to-agent traffic", version = "1",
  description = "Clear-text MCP requests. Servers on standard input and output, and those behind TLS, " ..
    "are not seen here.",
}

local function finding(flow)
  return {
    summary = ("%s request: %s %s on port %d"):format(flow.signal.label, flow.http_method, flow.http_path,
      flow.dst_port),
    details = { path = flow.http_path, method = flow.http_method, client = flow.client },
  }
end

rule "ai.mcp.local" {
  title = "MCP server used",
  severity = "medium", type = "mcp", confidence = 95,
  on = "http",
  match = {
    signal = { label = { "MCP", "A2A" }, score = { min = 100 } }, dst_scope = { none = { "public" } },
  },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0053" },
}

rule "ai.mcp.clear" {
  title = "MCP server used without encryption over the Internet",
  severity = "high", type = "mcp", confidence = 95,
  on = "http",
  match = { signal = { label = { "MCP", "A2A" }, score = { min = 100 } }, dst_scope = "public" },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0053", "atlas:AML.T0086" },
}
