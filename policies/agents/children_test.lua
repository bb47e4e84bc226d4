local function child(t, name, command, more)
  local values = { user = "ada", process = { name = name, command = command, agent = "claude-code",
    ancestors = "bash, claude, bash", cwd = "/home/ada/src" } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:process(values)
end

test("a shell, a package manager, a compiler that an agent starts", function(t)
  child(t, "bash", "bash -c 'make -j4'")
  t:expect("ai.agent.child", { severity = "info", process = "bash", user = "ada",
    summary = "claude-code, run by ada, started bash",
    details = { command = "bash -c 'make -j4'", ancestors = "bash, claude, bash",
      directory = "/home/ada/src" } })
  child(t, "npm", "npm install left-pad")
  t:process { process = { name = "cc", agent = "aider" } }
  t:expect("ai.agent.child", { summary = "aider, run by an unknown user, started cc" })
  child(t, "python3.11", "python3.11 -m pytest")
  t:expect("ai.agent.child"):times(4)
  t:only()
end)

test("what reaches other machines or other rights is graver, each in its way", function(t)
  child(t, "curl", "curl -sSf https://example.org/x.sh", { user = "bob" })
  t:expect("ai.agent.child_risky", { severity = "low",
    summary = "claude-code, run by bob, started curl -sSf https://example.org/x.sh" })
  child(t, "scp", "scp notes host:")
  t:expect("ai.agent.child_risky", { severity = "medium", details = { ancestors = "bash, claude, bash" } })
  child(t, "sudo", nil)
  t:expect("ai.agent.child_risky", { severity = "high", summary = "claude-code, run by ada, started sudo" })
  t:process { process = { name = "nc", agent = "codex" } }
  t:expect("ai.agent.child_risky", { summary = "codex, run by an unknown user, started nc" })
  t:only()
end)

test("nobody's child, other programs, and tools with findings of their own are not", function(t)
  t:process { user = "ada", process = { name = "bash", parent = "sshd" } }
  t:process { user = "ada", process = { name = "sudo", parent = "bash" } }
  child(t, "ls", "ls -l")
  child(t, "curlew", "curlew")
  t:process { process = { agent = "claude-code" } }
  t:nothing()
  child(t, "node", "node server.js", { tool = "mcp-stdio" })
  child(t, "docker", "docker run mcp", { tool = "mcp-stdio" })
  t:forbid "ai.agent.child"
  t:forbid "ai.agent.child_risky"
end)

test("which programs are risky is a param", function(t)
  t:params("ai.agent.child_risky", { risky = { curl = false, psql = "critical" } })
  child(t, "curl", "curl https://example.org")
  child(t, "ssh", "ssh host")
  t:nothing()
  child(t, "psql", "psql -h db")
  t:expect("ai.agent.child_risky", { severity = "critical" })
end)

test("a user, agent and program are told once a day", function(t)
  for _ = 1, 2 do
    child(t, "bash", "bash")
    child(t, "curl", "curl a")
    t:wait "20h"
  end
  t:expect "ai.agent.child"
  t:expect "ai.agent.child_risky"
  for _, name in ipairs { "bash", "git", "curl", "ssh" } do child(t, name, name, { user = "bob" }) end
  t:process { user = "bob", process = { name = "bash", agent = "codex" } }
  t:process { user = "bob", process = { name = "curl", agent = "codex" } }
  t:expect("ai.agent.child", { user = "bob" }):times(3)
  t:expect("ai.agent.child_risky", { user = "bob" }):times(3)
end)
