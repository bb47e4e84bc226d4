-- Programs that call a model at even intervals while nobody should be at work: an agent left running, or
-- somebody else's. People, and agents at their command, do not keep time.
policy {
  title = "AI agent calls at even intervals by night", version = "1",
  description = "Looks at when connections and clear-text requests begin, from 22 to 6 o'clock and at " ..
    "weekends, in the agent's local time (TZ). Not seen: calls on one long connection, and intervals " ..
    "above 15 minutes.",
}

rule "ai.agent.beacon" {
  title = "AI service called at even intervals by night",
  severity = "medium", type = "agent", confidence = 75,
  on = { "tls", "http" }, -- at the call itself; a flow may be classified only as it ends
  match = {
    service = { category = { "agent", "api", "coding", "gateway" }, conclusive = true },
    host_source = { "sni", "http" },
    any = { { hour = { 22, 23, 0, 1, 2, 3, 4, 5 } }, { weekday = { 6, 7 } } },
  },
  -- jitter: how far intervals may lie apart, as their standard deviation over their mean.
  params = { intervals = 12, jitter = 0.2, longest = seconds "15m", within = "2h" },
  when = function(flow, params)
    local key = (flow.user or flow.src_ip) .. "|" .. flow.service.id
    if not state.first(key, "10s") then return false end -- connections side by side are one call
    local last = state.last(key)
    local interval = last and (flow.ts - last) / 1e6
    if not interval or interval > params.longest then return false end
    local count = state.count(key, params.within)
    local mean = state.sum(key .. "|sum", interval, params.within) / count
    local squares = state.sum(key .. "|squares", interval * interval, params.within) / count
    return count >= params.intervals and squares - mean * mean <= (params.jitter * mean) ^ 2
  end,
  finding = function(flow, params)
    local client = flow.user or flow.src_ip
    local key = client .. "|" .. flow.service.id
    local count = state.get(key, params.within)
    local mean = state.get(key .. "|sum", params.within) / count
    return {
      summary = ("%s called %s %d times within %s, one call in %s"):format(client, flow.service.name,
        count + 1, params.within, duration(mean)),
      details = { calls = count + 1, interval_seconds = mean },
    }
  end,
  throttle = { by = { "user", "src_ip", "service.id" }, every = "8h" },
  tags = { "atlas:AML.T0040" },
}
