local function call(t, name, more)
  local values = { src_ip = "10.0.0.5", host = "api.openai.com", user = "ada",
    process = { name = name, path = "/usr/bin/" .. (name or "x"), pid = 4711 } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:flow(values):classified()
end

test("a program that nobody knows as a client", function(t)
  call(t, "python3", { process = { name = "python3", path = "/usr/bin/python3", hash = "ab12",
    command = "python3 sync.py", ancestors = "cron", container = "4f2a" } })
  t:expect("ai.api.unknown_program", { severity = "medium", user = "ada", process = "python3",
    host = "api.openai.com", summary = "python3, run by ada, calls OpenAI API / platform: api.openai.com",
    details = { program = "/usr/bin/python3", hash = "ab12", command = "python3 sync.py", ancestors = "cron",
      container = "4f2a" } })
end)

test("under an agent that is said", function(t)
  t:flow({ host = "api.mistral.ai", process = { name = "curl", agent = "claude-code" } }):classified()
  t:expect("ai.api.unknown_program", { summary = like "curl, run by an unknown user under claude-code, calls",
    details = { agent = "claude-code" } })
end)

test("browsers, tools of the catalogue, and programs that are not known are not", function(t)
  call(t, "firefox")
  call(t, "chromium-browse")
  call(t, "claude", { tool = "claude-code" })
  call(t, nil, { process = { pid = 4711 } })
  t:flow({ host = "api.openai.com" }):classified()
  t:forbid "ai.api.unknown_program"
end)

test("nor are other services, look-ups, and hosts that also carry other traffic", function(t)
  call(t, "python3", { host = "claude.ai" })
  call(t, "python3", { host = "example.org" })
  call(t, "python3", { host_source = "dns" })
  call(t, "python3", { host_source = "inferred" })
  call(t, "python3", { service = { id = "x", name = "X", category = "api", conclusive = false } })
  t:flow({ host = "api.openai.com", process = { name = "python3" } }):finish()
  t:forbid "ai.api.unknown_program"
end)

test("which programs are known is a param", function(t)
  t:params("ai.api.unknown_program", { known = set { "billing" } })
  call(t, "billing")
  t:forbid "ai.api.unknown_program"
  call(t, "firefox")
  t:expect "ai.api.unknown_program"
end)

test("a user, program and service are told once a day", function(t)
  call(t, "python3")
  t:wait "20h"
  call(t, "python3")
  t:expect "ai.api.unknown_program"
  call(t, "node")
  call(t, "python3", { user = "bob" })
  call(t, "python3", { host = "api.mistral.ai" })
  call(t, "python3", { process = { name = "python3", path = "/tmp/python3" } })
  t:expect("ai.api.unknown_program"):times(5)
end)
