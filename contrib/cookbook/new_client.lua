-- Finds   a program that has not called a model API before, by its JA4: a new tool, a stolen key in
--         other hands, or a new version of what you have.
-- Misses  programs that share a TLS library and its settings: they have one JA4.
-- Change  `learn`: so many connections to a service are looked at before anything is said about it.
policy { title = "Unknown client of a model API", version = "1" }

rule "cookbook.new_client" {
  title = "Model API called by a client that is new here",
  severity = "low", type = "service", confidence = 50,
  on = "tls",
  match = { service = { category = "api", conclusive = true }, ja4 = { set = true } },
  params = { learn = 500 },
  when = function(flow, params)
    local seen = state.count(flow.service.id, "30d")
    local new = state.first(flow.service.id .. "|" .. flow.ja4, "30d")
    return new and seen > params.learn
  end,
  finding = function(flow)
    return {
      summary = ("%s calls %s with a client that is new here"):format(flow.src_ip, flow.service.name),
      evidence = { ("ja4:%s (not seen at this service in 30 days)"):format(flow.ja4) },
    }
  end,
  throttle = { by = { "service.id", "ja4" }, every = "1d" },
}
