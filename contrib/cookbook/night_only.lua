-- Finds   an AI service that a machine uses at night or at weekends, and has not used in office hours
--         for a week: a scheduled job, malware, or somebody who waits until the office is empty.
-- Misses  what is used in office hours too. Until it has watched for a week it takes night shifts for
--         this.
-- Change  the hours in `night`; both rules use them. Hours are local time: the setting TZ of the agent.
policy { title = "AI services used outside office hours alone", version = "1" }

local night = { { hour = { max = 6 } }, { hour = { min = 20 } }, { weekday = { 6, 7 } } }

local function key(flow) return flow.src_ip .. "|" .. flow.service.id end

-- Takes note of the day. Rules of one file share their state, other files have their own.
rule "cookbook.night_only.day" {
  title = "AI service used in office hours", severity = "info", action = "observe",
  on = "flow.classified",
  match = { service = { conclusive = true }, host_source = { "sni", "http" }, none = night },
  when = function(flow) return state.count(key(flow), "7d") > 0 end,
  throttle = { by = { "src_ip", "service.id" }, every = "1d" },
}

rule "cookbook.night_only" {
  title = "AI service used outside office hours alone",
  severity = "medium", type = "service", confidence = 60,
  on = "flow.classified",
  match = { service = { conclusive = true }, host_source = { "sni", "http" }, any = night },
  when = function(flow) return state.get(key(flow), "7d") == 0 end,
  finding = function(flow)
    return { summary = ("%s used %s after %d:00, and not by day in a week"):format(
      flow.src_ip, flow.service.name, flow.hour) }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "1d" },
}
