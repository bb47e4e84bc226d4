local function start(t, flag, user, more)
  local values = { user = user or "ada", tool = "claude-code", weekday = 3,
    process = { name = "claude", unattended = flag } }
  for name, value in pairs(more or {}) do values[name] = value end
  t:process(values)
end

test("an agent that asks nobody is reported, as root gravely", function(t)
  start(t, "--dangerously-skip-permissions")
  t:expect("cookbook.unwatched_agent", { severity = "medium", user = "ada",
    summary = "ada started claude-code with --dangerously-skip-permissions" })
  start(t, "--dangerously-skip-permissions", "root")
  t:expect("cookbook.unwatched_agent", { severity = "critical", user = "root" })
end)

test("agents that ask, and other programs with such a flag, are not", function(t)
  start(t, nil)
  t:process { user = "ada", process = { name = "installer", unattended = "--yolo" } }
  t:process { user = "ada", tool = "claude-code", process = { command = "claude --permission-mode plan" } }
  t:forbid "cookbook.unwatched_agent"
end)

test("service accounts and build machines at weekends are", function(t)
  start(t, nil, "svc-deploy", { weekday = 6 })
  t:expect("cookbook.unwatched_agent.weekend", { user = "svc-deploy",
    summary = like "svc-deploy ran claude-code on 2026-01-" })
  t:flow({ src_ip = "10.70.1.2", host = "cursor.com", weekday = 7 }):classified()
  t:expect("cookbook.unwatched_agent.weekend", { source_ip = "10.70.1.2", service = "cursor" })
end)

test("people, working days, other machines and other services are not", function(t)
  start(t, nil, "ada", { weekday = 6 })
  start(t, nil, "svc-deploy", { weekday = 5 })
  t:process { user = "svc-deploy", weekday = 6, process = { name = "bash", command = "bash" } }
  t:flow({ src_ip = "10.70.1.2", host = "cursor.com", weekday = 1 }):classified()
  t:flow({ src_ip = "10.71.1.2", host = "cursor.com", weekday = 7 }):classified()
  t:flow({ src_ip = "10.70.1.2", host = "claude.ai", weekday = 7 }):classified()
  t:forbid "cookbook.unwatched_agent.weekend"
end)

test("a user and tool is said once a day", function(t)
  start(t, "--full-auto")
  t:wait "20h"
  start(t, "--full-auto")
  t:expect "cookbook.unwatched_agent"
  start(t, "--full-auto", "bob")
  start(t, "--full-auto", "ada", { tool = "codex" })
  t:expect("cookbook.unwatched_agent"):times(3)
end)

test("so is who works at weekends", function(t)
  local function use(src_ip, host) t:flow({ src_ip = src_ip, host = host, weekday = 7 }):classified() end
  use("10.70.1.2", "cursor.com")
  use("10.70.1.2", "cursor.com")
  t:expect "cookbook.unwatched_agent.weekend"
  use("10.70.1.3", "cursor.com")
  use("10.70.1.2", "api.githubcopilot.com")
  start(t, nil, "svc-a", { weekday = 7 })
  start(t, nil, "ci-b", { weekday = 7 })
  start(t, nil, "ci-b", { weekday = 7, tool = "codex" })
  t:expect("cookbook.unwatched_agent.weekend"):times(6)
end)
