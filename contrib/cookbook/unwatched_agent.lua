-- Finds   agents that work without anybody to ask: started with a flag that lets them act on their own,
--         or at weekends by service accounts and on build machines.
-- Misses  agents that are told so in a file. Programs are known where sensors run (`run`, `scan`); on the
--         network alone the weekend rule works too, by the addresses of the build machines.
-- Change  accounts and addresses. Which flags count says policies/catalogue/runtimes.tsv, for each agent
--         its own.
policy { title = "Agents that nobody watches", version = "1" }

rule "cookbook.unwatched_agent" {
  title = "Agent started without questions",
  severity = "medium", type = "agent", confidence = 90,
  on = "process.start",
  match = { tool = { set = true }, process = { unattended = { set = true } } },
  finding = function(flow)
    return {
      severity = flow.user == "root" and "critical" or nil,
      summary = ("%s started %s with %s"):format(
        flow.user or "Somebody", flow.tool, flow.process.unattended),
    }
  end,
  throttle = { by = { "user", "tool" }, every = "1d" },
}

rule "cookbook.unwatched_agent.weekend" {
  title = "Agent at work at the weekend",
  severity = "medium", type = "agent", confidence = 70,
  on = { "process.start", "flow.classified" },
  match = {
    weekday = { 6, 7 },
    all = { -- of each list of alternatives one must hold
      { any = { { user = { prefix = { "svc-", "ci-" } } }, { src_ip = "10.70.0.0/16" } } },
      { any = { { tool = { set = true } }, { service = { category = "coding", conclusive = true } } } },
    },
  },
  finding = function(flow)
    local day = date(flow.ts)
    return { summary = ("%s ran %s on %04d-%02d-%02d"):format(flow.user or flow.src_ip,
      flow.tool or flow.service.name, day.year, day.month, day.day) }
  end,
  throttle = { by = { "user", "src_ip", "tool", "service.id" }, every = "1d" },
}
