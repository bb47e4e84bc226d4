test("an assistant that is started", function(t)
  t:process { user = "ada", tool = "cursor", process = { name = "cursor", path = "/opt/cursor/cursor" } }
  t:expect("ai.program.assistant", { severity = "info", summary = "cursor started by ada",
    details = { path = "/opt/cursor/cursor" } })
  t:process { tool = "claude-desktop" }
  t:expect("ai.program.assistant", { summary = "claude-desktop started by an unknown user" })
  t:only()
end)

test("a framework in use", function(t)
  t:process { user = "ada", tool = "crewai-proc", process = { name = "python3", container = "4f2a" } }
  t:expect("ai.program.framework", { severity = "info", summary = "crewai-proc started by ada",
    details = { container = "4f2a" } })
  t:only()
end)

test("a name that another program may bear is only counted", function(t)
  t:process { user = "ada", tool = "crush", process = { name = "crush" } }
  t:expect("ai.program.hint", { action = "observe" })
  t:forbid "ai.program.hint_option"
  t:only()
end)

test("with an option of the tool's own it is told", function(t)
  t:process { user = "ada", tool = "crush", process = { name = "crush", unattended = "--yolo" } }
  t:expect("ai.program.hint_option", { action = "observe" })
  t:expect "ai.program.hint"
  t:expect("ai.activity.use", { confidence = 75, user = "ada" })
  t:only()
end)

test("other programs, their end, and what is in order are not", function(t)
  t:params("ai.program.assistant", { known = set { "zed" } })
  t:params("ai.program.framework", { known = set { "qdrant" } })
  t:process { process = { name = "cursor" } }
  t:process { process = { name = "crush", unattended = "--yolo" } }
  t:process { tool = "jupyter" }
  t:process { tool = "zed" }
  t:process { tool = "qdrant" }
  t:event("process.exit", { tool = "cursor" })
  t:event("process.exit", { tool = "crewai-proc" })
  t:event("process.exit", { tool = "crush", process = { unattended = "--yolo" } })
  t:nothing()
  t:process { tool = "cursor", process = { unattended = "--yolo" } }
  t:forbid "ai.program.hint_option"
end)

test("a user and tool are told once a week, hints once a day", function(t)
  local function start(user)
    t:process { user = user, tool = "cursor" }
    t:process { user = user, tool = "warp" }
    t:process { user = user, tool = "chroma" }
    t:process { user = user, tool = "qdrant" }
    t:process { user = user, tool = "crush", process = { unattended = "--yolo" } }
    t:process { user = user, tool = "qoder", process = { unattended = "--yolo" } }
  end
  start "ada"
  t:wait "20h"
  start "ada"
  start "bob"
  for _, rule in ipairs { "assistant", "framework", "hint", "hint_option" } do
    t:expect("ai.program." .. rule):times(4)
  end
  t:wait "6d"
  start "ada"
  t:expect("ai.program.assistant"):times(4)
  t:expect("ai.program.framework"):times(4)
  t:expect("ai.program.hint"):times(6)
  t:expect("ai.program.hint_option"):times(6)
end)
