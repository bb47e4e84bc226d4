-- Finds   a machine that uses AI services of many vendors in a day: somebody who tries them all, or a
--         program that goes round limits.
-- Misses  vendors that the catalogue does not know. Behind NAT all machines are one.
-- Change  how many are usual. Above 36 the number is an estimate: leave some distance.
policy { title = "AI services of many vendors", version = "1" }

rule "cookbook.many_services" {
  title = "AI services of many vendors in a day",
  severity = "low", type = "service",
  on = { "tls", "http" }, -- what was opened; a page that is only linked appears in DNS alone
  match = { service = { conclusive = true } },
  params = { usual = 4 },
  -- One vendor has several services and hosts, so vendors are counted.
  when = function(flow, params)
    return state.distinct(flow.src_ip, flow.service.vendor, "1d") > params.usual
  end,
  finding = function(flow, params)
    local count = state.get(flow.src_ip, "1d")
    return {
      severity = count > 2 * params.usual and "medium" or nil,
      summary = ("%s used AI services of %d vendors in a day, the latest %s"):format(
        flow.src_ip, count, flow.service.vendor),
      details = { vendors = count },
    }
  end,
  throttle = { by = "src_ip", every = "6h" },
  action = "coach",
}
