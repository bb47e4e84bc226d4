-- Finds   a user who sent more to AI services within 24 hours than the quota, over any number of
--         connections. Without users, as in a replay, it is the machine.
-- Misses  connections that are still open: each counts when it ends. Whole frames are counted, so a long
--         download adds its acknowledgements.
-- Change  the quota.
policy { title = "Daily upload quota for AI services", version = "1" }

-- Keys of state are texts of one's own: here who it is.
local function who(flow) return flow.user or flow.src_ip end

rule "cookbook.daily_quota" {
  title = "More sent to AI services than a day's quota",
  severity = "medium", type = "transfer", confidence = 90,
  on = "flow.end", -- once for each connection; flow.update would count it several times
  match = { service = { conclusive = true }, host_source = { "sni", "http" } },
  params = { quota = size "50MiB" },
  when = function(flow, params) return state.sum(who(flow), flow.bytes_up, "1d") > params.quota end,
  finding = function(flow, params)
    local sent = state.get(who(flow), "1d") -- reads the sum and adds nothing
    return {
      severity = sent > 4 * params.quota and "high" or nil,
      summary = ("%s sent %s to AI services in a day, %s are free"):format(
        who(flow), bytes(sent), bytes(params.quota)),
      details = { sent = sent, quota = params.quota },
    }
  end,
  throttle = { by = { "user", "src_ip" }, every = "12h" },
  tags = { "atlas:AML.T0024" },
}
