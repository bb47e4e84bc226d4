-- Finds   a network that has stopped sending: no new flow from it for a while, though there were some
--         that day. And its return, with how long it was away. No finding means nothing while a sensor
--         sees nothing.
-- Misses  that all networks are silent: without a packet there is no timer. A night without any traffic is
--         a silence too: give the timer rule an `hour` where that is usual.
-- Change  the network, and how long a pause is usual. For a second network copy the file, ids changed.
policy { title = "A network that stopped sending", version = "1" }

rule "cookbook.silence" {
  title = "No traffic from network Berlin",
  severity = "medium", type = "coverage", confidence = 90,
  on = "timer", -- at the first packet of each minute, whoever sends it
  when = function() return state.get("flows", "10m") == 0 and state.get("flows", "1d") > 0 end,
  finding = function() return { summary = "Nothing was seen from network Berlin for 10 minutes" } end,
  throttle = { by = "event", every = "1h" }, -- a timer has no fields to tell keys apart by
}

local away -- microseconds; `when` notes it for the `finding` of the same event

rule "cookbook.silence.over" {
  title = "Traffic from network Berlin again",
  severity = "info", type = "coverage", confidence = 90,
  on = "flow.new",
  match = { src_ip = "10.1.0.0/16" },
  params = { pause = seconds "10m" },
  when = function(flow, params)
    state.count("flows", "10m") -- each window is a counter of its own
    state.count("flows", "1d")
    away = flow.ts - (state.last "flow" or flow.ts)
    return away > params.pause * 1e6
  end,
  finding = function()
    return { summary = ("Network Berlin sends again, after %s"):format(duration(away / 1e6)) }
  end,
  throttle = { by = "event", every = "10m" },
}
