-- Where the view of this host has a hole: packets that were dropped, processes, sockets and files that
-- could not be read. Silence is not to be taken for absence.
policy {
  title = "Coverage gaps of the host", version = "1",
  description = "What the agent itself notices. Not seen: what it does not know that it misses, such as " ..
    "packets that a network card dropped before they reached the system.",
}

-- The count of a gap and of those that the throttle held back within the window. It is added up in `when`,
-- which is asked before the throttle, and told in `finding`; a gap without a count is one all the same.
local function reason_of(event) return event.gap.what .. "|" .. (event.gap.why or "") end
local function key_of(event) return reason_of(event) .. "|" .. (event.gap.where or "") end

local function told(event, key, window)
  local gap = event.gap
  local count = state.get(key, window)
  local what = ("%s not seen%s%s"):format(gap.what, gap.where and " at " .. gap.where or "",
    gap.why and ": " .. gap.why or "")
  return {
    summary = what .. (count > 0 and (" (%d in %s)"):format(count, window) or ""),
    evidence = { "gap:" .. what },
    details = { what = gap.what, where = gap.where, why = gap.why, count = count > 0 and count or nil },
  }
end

-- Traffic of which nothing will ever be known.
rule "ai.coverage.packets" {
  title = "Packets were not seen",
  severity = "medium", type = "coverage", confidence = 100,
  on = "gap",
  match = { gap = { what = "packets" } },
  when = function(event)
    local gap = event.gap
    return not gap.count or state.sum(key_of(event), math.max(gap.count, 0), "1h") >= 0
  end,
  finding = function(event) return told(event, key_of(event), "1h") end,
  throttle = { by = { "gap.where", "gap.why" }, every = "1h" },
}

-- For one reason once, however many folders it is about.
rule "ai.coverage.host" {
  title = "Part of this host is not seen",
  severity = "low", type = "coverage", confidence = 100,
  on = "gap",
  match = { gap = { what = { set = true, none = { "packets" } } } },
  when = function(event)
    local gap = event.gap
    return not gap.count or state.sum(reason_of(event), math.max(gap.count, 0), "6h") >= 0
  end,
  finding = function(event) return told(event, reason_of(event), "6h") end,
  throttle = { by = { "gap.what", "gap.why" }, every = "6h" },
}
