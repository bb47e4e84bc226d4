-- Finds   a machine that looks an AI service up again and again and never connects to it: the traffic
--         takes a way that is not seen, such as a proxy, a VPN or another uplink.
-- Misses  look-ups over encrypted DNS. A page full of links to one service looks the same, hence the
--         count.
-- Change  how many look-ups are enough; leave resolvers out, they ask for everybody.
policy { title = "AI services looked up and not reached", version = "1" }

local function key(flow) return flow.src_ip .. "|" .. flow.service.id end

rule "cookbook.lookups_only.used" {
  title = "AI service reached", severity = "info", action = "observe",
  on = "flow.classified",
  match = { service = { conclusive = true }, host_source = { "sni", "http", "inferred" } },
  when = function(flow) return state.count("used|" .. key(flow), "1h") > 0 end,
  throttle = { by = { "src_ip", "service.id" }, every = "1h" },
}

rule "cookbook.lookups_only" {
  title = "AI service looked up often and never reached",
  severity = "low", type = "coverage", confidence = 50,
  on = "dns",
  match = {
    -- One look-up is up to three questions and as many answers: the questions for an address count.
    dns = { type = 1, response = false }, service = { conclusive = true },
    src_ip = { none = { "10.0.0.53" } },
  },
  params = { enough = 6 },
  when = function(flow, params)
    local asked = state.count("asked|" .. key(flow), "1h")
    return asked >= params.enough and state.get("used|" .. key(flow), "1h") == 0
  end,
  finding = function(flow)
    return { summary = ("%s looked %s up %d times in an hour and did not connect"):format(
      flow.src_ip, flow.service.name, state.get("asked|" .. key(flow), "1h")) }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "1d" },
}
