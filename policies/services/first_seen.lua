-- A service that a client had not used before: the moment to ask why, before it becomes a habit.
policy {
  title = "AI service seen for the first time", version = "1",
  description = "Once for each client and service; after 30 days without use a service is new again. What " ..
    "a client used before the agent began is not known, so the first days on which it uses AI only teach.",
}

rule "ai.service.first_seen" {
  title = "AI service used for the first time",
  severity = "info", type = "service", confidence = 95,
  on = { "tls", "http" }, -- at the use itself; a flow may be classified only as it ends
  match = { service = { conclusive = true }, host_source = { "sni", "http" } },
  params = { learning_days = 1, forget_after = "30d" },
  when = function(flow, params)
    local client = flow.user or flow.src_ip
    local days = state.distinct(client, math.floor(flow.ts / 86400e6), params.forget_after)
    local new = state.first(client .. "|" .. flow.service.id, params.forget_after)
    return new and days > params.learning_days
  end,
  finding = function(flow)
    return {
      summary = ("%s uses %s (%s) for the first time"):format(flow.user or flow.src_ip, flow.service.name,
        flow.service.category),
    }
  end,
  throttle = { by = { "user", "src_ip", "service.id" }, every = "1d" },
  tags = { "atlas:AML.T0047" },
}
