-- Platforms whose agents act with tools, and hosted MCP servers.
policy {
  title = "AI agent platform", version = "1",
  description = "Platforms whose agents act with tools, and hosted MCP servers.",
}

-- Severity by the catalogue's risk tier of the service.
local severity = { low = "low", medium = "medium", high = "high" }

rule "ai.service.agent" {
  title = "AI agent platform used",
  severity = "high", type = "service", confidence = 95,
  on = "flow.classified",
  -- A name on a DNS flow is a question, not use: dns/ai_names.lua takes it.
  match = {
    service = { category = { "agent" }, conclusive = true },
    host_source = { "sni", "http" },
  },
  finding = function(flow)
    return {
      severity = severity[flow.service.risk],
      summary = ("Agent platform %s (%s) at %s"):format(flow.service.name, flow.service.vendor, flow.host),
    }
  end,
  throttle = { by = { "src_ip", "service.id", "host" }, every = "10m" },
  indicator = { kind = "tls", weight = 100 },
  tags = { "atlas:AML.T0053" },
}
