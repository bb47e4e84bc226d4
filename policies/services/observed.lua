-- Hosts that carry other traffic too, or whose place in the catalogue is not well sourced, and names
-- that were only inferred: evidence, never an alert of their own. Evidence of another kind beside it makes
-- one: activity/use.lua.
policy {
  title = "AI service, not conclusive", version = "1",
  description = "Counts flows to shared or weakly sourced hosts of the catalogue (grades D and U), and " ..
    "flows whose name was inferred from an earlier DNS answer. Never alerts.",
}

rule "ai.service.observed" {
  title = "Host that may be an AI service",
  severity = "info", type = "service", confidence = 30,
  on = "flow.classified", action = "observe",
  match = { service = { conclusive = false }, host_source = { "sni", "http" } },
  throttle = { by = { "src_ip", "service.id", "host" }, every = "1h" },
  indicator = { kind = "tls", weight = 50 },
}

-- No indicator: it rests on the same look-up as dns/ai_names.lua, and would count that twice.
rule "ai.service.inferred" {
  title = "Address that was resolved from an AI service's name",
  severity = "info", type = "service", confidence = 50,
  on = "flow.classified", action = "observe",
  match = { service = { conclusive = true }, host_source = "inferred" },
  throttle = { by = { "src_ip", "service.id", "host" }, every = "1h" },
}
