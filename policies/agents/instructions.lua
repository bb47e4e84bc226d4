-- Files that tell agents what to do: AGENTS.md, CLAUDE.md, rules of editors, skills. Whoever writes one
-- gives orders to the agent of everybody who opens that folder.
policy {
  title = "Instructions for AI agents", version = "1",
  description = "Once for each file. Not seen: what they say, which is never read; folders that are not " ..
    "searched; files by other names. A file that came with somebody else's repository does not say that " ..
    "an agent is used.",
}

rule "ai.agent.instructions" {
  title = "Instructions for AI agents found",
  severity = "info", type = "agent", confidence = 80,
  on = "file",
  match = { file = { kind = { "instructions", "skill" }, op = { "found", "created" } } },
  params = { known = set {} }, -- paths
  when = function(event, params) return not params.known[event.file.path] end,
  finding = function(event)
    return {
      summary = ("Instructions for %s: %s"):format(event.tool or "AI agents",
        event.file.path or "at an unknown path"),
      details = { path = event.file.path, op = event.file.op },
    }
  end,
  throttle = { by = { "file.path" }, every = "30d" },
  indicator = { weight = 40, about = "tool" },
  tags = { "atlas:AML.T0053" },
}
