-- Hour and weekday are said, not worked out from the clock: so the tests hold in any time zone.
local function start(t, hour, weekday, more)
  local values = { user = "ada", tool = "codex", hour = hour, weekday = weekday,
    process = { name = "codex", unattended = "--yolo", cwd = "/home/ada/src", ancestors = "bash, tmux" } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:process(values)
end

test("an agent that asks nobody, by night", function(t)
  start(t, 3, 2)
  t:expect("cookbook.agent_off_hours", { severity = "high", user = "ada",
    summary = like "ada started codex with --yolo on 2026-01-",
    details = { directory = "/home/ada/src", ancestors = "bash, tmux" } })
end)

test("late, and at weekends", function(t)
  start(t, 20, 5)
  start(t, 12, 6, { user = "bob" })
  t:process { tool = "codex", hour = 12, weekday = 7, process = { unattended = "--yolo" } }
  t:expect("cookbook.agent_off_hours", { summary = like "Somebody started codex" })
  t:expect("cookbook.agent_off_hours"):times(3)
end)

test("by day, with questions, and other programs: no", function(t)
  start(t, 7, 1)
  start(t, 19, 5)
  start(t, 3, 2, { process = { name = "codex" } })
  t:process { user = "ada", hour = 3, weekday = 2, process = { name = "installer", unattended = "--yolo" } }
  t:forbid "cookbook.agent_off_hours"
end)

test("accounts that may are a param", function(t)
  t:params("cookbook.agent_off_hours", { fine = set { "nightly" } })
  start(t, 3, 2, { user = "nightly" })
  t:forbid "cookbook.agent_off_hours"
  start(t, 3, 2, { user = "ci" })
  t:expect "cookbook.agent_off_hours"
end)

test("a user and agent is said once a night", function(t)
  start(t, 21, 2)
  t:wait "10h"
  start(t, 5, 3)
  t:expect "cookbook.agent_off_hours"
  start(t, 5, 3, { user = "bob" })
  start(t, 5, 3, { tool = "aider" })
  t:expect("cookbook.agent_off_hours"):times(3)
end)
