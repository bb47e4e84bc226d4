-- Where the view of this host has a hole: packets that were dropped, processes, sockets and files that
-- could not be read. Silence is not to be taken for absence.
policy {
  title = "Coverage gaps of the host", version = "1",
  description = "What the agent itself notices. Not seen: what it does not know that it misses, such as " ..
    "packets that a network card dropped before they reached the system.",
}

-- The count of a gap and of those that the throttle held back within the window. Asked in `when`, which is
-- before the throttle.
local function add(event, key, window)
  return state.sum(key, math.max(event.gap.count or 1, 0), window) >= 0
end

local function because(event) return event.gap.why and ": " .. event.gap.why or "" end

rule "ai.coverage.packets" {
  title = "Packets were dropped unseen",
  severity = "medium", type = "coverage", confidence = 100,
  on = "gap",
  match = { gap = { what = "packets" } },
  when = function(event) return add(event, "packets|" .. (event.gap.where or ""), "1h") end,
  finding = function(event)
    local count = state.get("packets|" .. (event.gap.where or ""), "1h")
    return {
      summary = ("packets not seen%s%s (%d in an hour)"):format(
        event.gap.where and " on " .. event.gap.where or "", because(event), count),
      details = { what = event.gap.what, where = event.gap.where, why = event.gap.why, count = count },
    }
  end,
  throttle = { by = { "gap.where" }, every = "1h" },
}

-- For one reason once, however many folders it is about.
rule "ai.coverage.host" {
  title = "Part of this host is not seen",
  severity = "low", type = "coverage", confidence = 100,
  on = "gap",
  match = { gap = { what = { set = true, none = { "packets" } } } },
  when = function(event) return add(event, event.gap.what .. "|" .. (event.gap.why or ""), "6h") end,
  finding = function(event)
    local count = state.get(event.gap.what .. "|" .. (event.gap.why or ""), "6h")
    return {
      summary = ("%s not seen%s%s (%d in 6 hours)"):format(event.gap.what,
        event.gap.where and " at " .. event.gap.where or "", because(event), count),
      details = { what = event.gap.what, where = event.gap.where, why = event.gap.why, count = count },
    }
  end,
  throttle = { by = { "gap.what", "gap.why" }, every = "6h" },
}
