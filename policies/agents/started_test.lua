test("an agent that is started is reported", function(t)
  t:process { user = "ada", tool = "claude-code", process = { name = "claude", command = "claude",
    path = "/usr/bin/claude", parent = "bash" } }
  t:expect("ai.agent.started", { severity = "info", user = "ada", summary = "claude-code started by ada",
    details = { path = "/usr/bin/claude", parent = "bash" } })
  t:only()
end)

test("also when neither its user nor its arguments are known", function(t)
  t:process { tool = "aider" }
  t:expect("ai.agent.started", { summary = "aider started by an unknown user" })
  t:process { tool = "codex", process = { unattended = "--yolo" } }
  t:expect("ai.agent.unattended", { summary = "codex started by an unknown user with --yolo" })
  t:only()
end)

test("one that may act without asking is grave", function(t)
  t:process { user = "ada", tool = "codex", process = { command = "codex exec --yolo 'tidy up'",
    unattended = "--yolo", cwd = "/home/ada/src", agent = "claude-code" } }
  t:expect("ai.agent.unattended", { severity = "high", summary = "codex started by ada with --yolo",
    details = { directory = "/home/ada/src", started_by = "claude-code" } })
  t:only()
end)

test("what its words are is the catalogue's to say", function(t)
  t:process { tool = "claude-code", process = { command = "claude --permission-mode plan" } }
  t:process { tool = "codex", process = { command = "grep -- --yolo notes" } }
  t:expect("ai.agent.started"):times(2)
  t:only()
end)

test("other programs are not agents, whatever they are told", function(t)
  t:process { tool = "qdrant", process = { unattended = "--yolo" } }
  t:process { process = { name = "claude", command = "claude --dangerously-skip-permissions" } }
  t:process { process = { name = "claude", unattended = "--dangerously-skip-permissions" } }
  t:forbid "ai.agent.started"
  t:forbid "ai.agent.unattended"
end)

test("accounts that may run them unattended are not told", function(t)
  t:params("ai.agent.unattended", { known = set { "ci" } })
  t:process { user = "ci", tool = "codex", process = { unattended = "--yolo" } }
  t:nothing()
  t:process { user = "ada", tool = "codex", process = { unattended = "--yolo" } }
  t:expect "ai.agent.unattended"
end)

test("its end is not its start", function(t)
  local agent = t:process { tool = "codex", process = { unattended = "--yolo" } }
  agent:exit { process = { exit_code = 0 } }
  t:expect "ai.agent.unattended"
  t:only()
end)

test("a user and tool are told once a day, without asking once an hour", function(t)
  for _ = 1, 3 do
    t:process { user = "ada", tool = "codex", process = { command = "codex" } }
    t:process { user = "ada", tool = "codex", process = { unattended = "--full-auto" } }
    t:wait "50m"
  end
  t:expect "ai.agent.started"
  t:expect("ai.agent.unattended"):times(2)
  t:process { user = "bob", tool = "codex", process = { command = "codex" } }
  t:process { user = "bob", tool = "codex", process = { unattended = "--yolo" } }
  t:process { user = "bob", tool = "aider", process = { command = "aider" } }
  t:process { user = "bob", tool = "aider", process = { unattended = "--yes-always" } }
  t:expect("ai.agent.started", { user = "bob" }):times(2)
  t:expect("ai.agent.unattended", { user = "bob" }):times(2)
  t:wait "1d"
  t:process { user = "ada", tool = "codex", process = { command = "codex" } }
  t:expect("ai.agent.started", { user = "ada" }):times(2)
end)
