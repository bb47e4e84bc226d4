-- Finds   a machine inside that is asked as if it were a model, and itself calls a model API within the
--         hour: a gateway of somebody's own, behind which vendor and user are hidden.
-- Misses  relays that are asked over TLS; those that stand outside (ai.service.gateway has the known
--         ones).
-- Change  the gateways that are agreed.
policy { title = "Relay of AI requests inside", version = "1" }

-- What is written under one address as the receiver is read under it as the sender.
rule "cookbook.relay.asked" {
  title = "AI request to a machine inside", severity = "info", action = "observe",
  on = "http",
  match = { signal = { score = { min = 100 }, label = { none = { "MCP", "A2A" } } }, dst_scope = "private" },
  when = function(flow) return state.distinct(flow.dst_ip, flow.src_ip, "1h") > 0 end,
  throttle = { by = "dst_ip", every = "1h" },
}

rule "cookbook.relay" {
  title = "Machine that passes AI requests on",
  severity = "medium", type = "service", confidence = 75,
  on = "tls",
  match = { service = { category = { "api", "gateway" }, conclusive = true } },
  params = { agreed = set { "10.0.5.10" } },
  when = function(flow, params)
    return not params.agreed[flow.src_ip] and state.get(flow.src_ip, "1h") > 0
  end,
  finding = function(flow)
    local clients = state.get(flow.src_ip, "1h")
    return {
      summary = ("%s takes AI requests of %d %s and calls %s"):format(
        flow.src_ip, clients, clients == 1 and "machine" or "machines", flow.service.name),
      details = { clients = clients },
    }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "1d" },
}
