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
  params = {
    known = set {}, -- paths
    most = 100, -- of one user in a day: whoever has that many repositories need not be told of each
  },
  when = function(event, params)
    return not params.known[event.file.path] and state.count(event.user or "", "1d") <= params.most
  end,
  finding = function(event)
    return {
      summary = ("Instructions for %s: %s"):format(event.tool or "AI agents",
        event.file.path or "at an unknown path"),
      details = { path = event.file.path, op = event.file.op },
    }
  end,
  throttle = { by = { "file.path" }, every = "30d" },
  tags = { "atlas:AML.T0053" },
}
