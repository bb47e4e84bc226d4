-- Finds   an agent that may act without asking, started at night or at the weekend: nobody looks at what
--         it does until the morning.
-- Misses  one that is started by day and still runs by night; one that is told so in a file.
-- Change  the hours in `off`; the accounts in `fine`, such as those of build machines. Hours are local
--         time: the setting TZ of the agent.
policy { title = "Unattended agent outside office hours", version = "1" }

local off = { { hour = { max = 6 } }, { hour = { min = 20 } }, { weekday = { 6, 7 } } }

rule "cookbook.agent_off_hours" {
  title = "Unattended agent started outside office hours",
  severity = "high", type = "agent", confidence = 90,
  on = "process.start",
  match = { tool = { set = true }, process = { unattended = { set = true } }, any = off },
  params = { fine = set { "ci" } },
  when = function(flow, params) return not params.fine[flow.user] end,
  finding = function(flow)
    local day = date(flow.ts)
    return {
      summary = ("%s started %s with %s on %04d-%02d-%02d, hour %d"):format(flow.user or "Somebody",
        flow.tool, flow.process.unattended, day.year, day.month, day.day, flow.hour),
      details = { directory = flow.process.cwd, ancestors = flow.process.ancestors },
    }
  end,
  throttle = { by = { "user", "tool" }, every = "12h" },
  tags = { "atlas:AML.T0053" },
}
