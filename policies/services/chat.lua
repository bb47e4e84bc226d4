-- Chat assistants on the web and in applications.
policy {
  title = "AI chat service", version = "1",
  description = "Chat assistants on the web and in applications.",
}

-- Severity by the catalogue's risk tier of the service.
local severity = { low = "info", medium = "low", high = "medium" }

rule "ai.service.chat" {
  title = "AI chat service used",
  severity = "medium", type = "service", confidence = 95,
  on = "flow.classified",
  -- A name on a DNS flow is a question, not use: dns/ai_names.lua takes it.
  match = {
    service = { category = { "chat" }, conclusive = true },
    host_source = { "sni", "http" },
  },
  finding = function(flow)
    return {
      severity = severity[flow.service.risk],
      summary = ("Chat with %s (%s) at %s"):format(flow.service.name, flow.service.vendor, flow.host),
    }
  end,
  throttle = { by = { "src_ip", "service.id", "host" }, every = "10m" },
  indicator = { kind = "tls", weight = 100 },
  tags = { "atlas:AML.T0047" },
}
