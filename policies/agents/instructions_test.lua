local function found(t, path, more)
  local values = { user = "ada", file = { path = path, kind = "instructions", op = "found", size = 900 } }
  for key, value in pairs(more or {}) do values.file[key] = value end
  t:file(values)
end

test("instructions that are found or written", function(t)
  found(t, "/home/ada/src/AGENTS.md")
  t:expect("ai.agent.instructions", { severity = "info", user = "ada",
    summary = "Instructions for AI agents: /home/ada/src/AGENTS.md" })
  t:file { tool = "claude-code", file = { path = "/srv/CLAUDE.md", kind = "instructions", op = "created" } }
  t:expect("ai.agent.instructions", { summary = "Instructions for claude-code: /srv/CLAUDE.md" })
  found(t, "/home/ada/.claude/skills/mail/SKILL.md", { kind = "skill" })
  t:file { file = { kind = "instructions", op = "found" } }
  t:expect("ai.agent.instructions", { summary = like "at an unknown path" })
  t:expect("ai.agent.instructions"):times(4)
  t:only()
end)

test("other files, what changes or goes, and what is in order: no", function(t)
  t:params("ai.agent.instructions", { known = set { "/srv/AGENTS.md" } })
  found(t, "/home/ada/README.md", { kind = "text" })
  found(t, "/home/ada/AGENTS.md", { op = "changed" })
  found(t, "/home/ada/AGENTS.md", { op = "removed" })
  found(t, "/srv/AGENTS.md")
  t:nothing()
end)

test("of very many those that come first in a day", function(t)
  t:params("ai.agent.instructions", { known = set { "/home/ada/0" }, most = 2 })
  for i = 0, 5 do found(t, "/home/ada/" .. i) end
  t:expect("ai.agent.instructions"):times(2)
  t:file { user = "bob", file = { path = "/home/bob/AGENTS.md", kind = "instructions", op = "found" } }
  t:expect("ai.agent.instructions", { user = "bob" })
  t:wait "2d"
  found(t, "/home/ada/5")
  t:expect("ai.agent.instructions"):times(4)
end)

test("a file is told once in 30 days", function(t)
  found(t, "/home/ada/AGENTS.md")
  t:wait "29d"
  found(t, "/home/ada/AGENTS.md")
  t:expect "ai.agent.instructions"
  found(t, "/home/bob/AGENTS.md")
  t:expect("ai.agent.instructions"):times(2)
end)
