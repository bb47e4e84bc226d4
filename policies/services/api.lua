-- Programs that call a hosted model.
policy {
  title = "AI model API", version = "1",
  description = "Programs that call a hosted model.",
}

-- Severity by the catalogue's risk tier of the service.
local severity = { low = "info", medium = "low", high = "medium" }

rule "ai.service.api" {
  title = "AI model API used",
  severity = "medium", type = "service", confidence = 95,
  on = "flow.classified",
  -- A name on a DNS flow is a question, not use: dns/ai_names.lua takes it.
  match = {
    service = { category = { "api" }, conclusive = true },
    host_source = { "sni", "http" },
  },
  finding = function(flow)
    return {
      severity = severity[flow.service.risk],
      summary = ("Model API of %s (%s) at %s"):format(flow.service.name, flow.service.vendor, flow.host),
    }
  end,
  throttle = { by = { "src_ip", "service.id", "host" }, every = "10m" },
  indicator = { kind = "tls", weight = 100 },
  tags = { "atlas:AML.T0040" },
}
