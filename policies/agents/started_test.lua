test("an agent that is started is reported", function(t)
  t:process { user = "ada", tool = "claude-code", process = { name = "claude", command = "claude" } }
  t:expect("ai.agent.started", { severity = "info", user = "ada", summary = "claude-code started by ada" })
  t:only()
end)

test("also when neither its user nor its arguments are known", function(t)
  t:process { tool = "aider" }
  t:expect("ai.agent.started", { summary = "aider started by an unknown user" })
  t:only()
end)

test("one that may act without asking is grave", function(t)
  t:process { user = "ada", tool = "codex", process = { command = "codex exec --yolo 'tidy up'" } }
  t:expect("ai.agent.unattended", { severity = "high", summary = "codex started by ada with --yolo" })
  t:only()
end)

test("permission that is asked for is not", function(t)
  t:process { tool = "claude-code", process = { command = "claude --permission-mode plan" } }
  t:process { tool = "codex", process = { command = "codex --ask-for-approval on-request" } }
  t:expect("ai.agent.started"):times(2)
  t:only()
end)

test("other programs are not agents, whatever they are told", function(t)
  t:process { tool = "ollama", process = { command = "ollama serve" } }
  t:process { tool = "ollama", process = { command = "ollama serve --yolo" } }
  t:process { process = { name = "claude", command = "claude --dangerously-skip-permissions" } }
  t:nothing()
end)

test("its end is not its start", function(t)
  local agent = t:process { tool = "codex", process = { command = "codex --yolo" } }
  agent:exit { process = { exit_code = 0 } }
  t:expect "ai.agent.unattended"
  t:only()
end)

test("a user and tool are told once a day, without asking once an hour", function(t)
  for _ = 1, 3 do
    t:process { user = "ada", tool = "codex", process = { command = "codex" } }
    t:process { user = "ada", tool = "codex", process = { command = "codex --full-auto" } }
    t:wait "50m"
  end
  t:expect "ai.agent.started"
  t:expect("ai.agent.unattended"):times(2)
  t:process { user = "bob", tool = "codex", process = { command = "codex" } }
  t:process { user = "bob", tool = "codex", process = { command = "codex --yolo" } }
  t:process { user = "bob", tool = "aider", process = { command = "aider" } }
  t:process { user = "bob", tool = "aider", process = { command = "aider --yes-always" } }
  t:expect("ai.agent.started", { user = "bob" }):times(2)
  t:expect("ai.agent.unattended", { user = "bob" }):times(2)
  t:wait "1d"
  t:process { user = "ada", tool = "codex", process = { command = "codex" } }
  t:expect("ai.agent.started", { user = "ada" }):times(2)
end)
