local function use(t, container, more)
  local values = { src_ip = "10.0.0.5", host = "api.openai.com",
    process = { name = "python3", container = container, path = "/usr/bin/python3" } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:flow(values):classified()
end

test("a container that uses an AI service, however its name is written", function(t)
  use(t, "4f2ac0ffee12")
  t:expect("ai.container.use", { severity = "low", process = "python3", service = "openai-api",
    summary = "python3 in container 4f2ac0ffee12 uses OpenAI API / platform: api.openai.com",
    details = { container = "4f2ac0ffee12", program = "/usr/bin/python3" } })
  for _, name in ipairs { "docker-4f2a.scope", "libpod-4f2a.scope", "crio-4f2a.scope",
    "cri-containerd-4f2a.scope", "machine-web.scope", "docker:4f2a", "lxc/web" } do
    use(t, name)
    t:expect("ai.container.use", { details = { container = name } })
  end
  t:flow({ host = "claude.ai", process = { container = "web" } }):classified()
  t:expect("ai.container.use", { summary = like "A process in container web uses Claude" })
end)

test("units of the system are none", function(t)
  for _, name in ipairs { "ssh.service", "user@1000.service", "session-2.scope", "app-firefox-71.scope",
    "user-1000.slice" } do
    use(t, name)
  end
  t:flow({ host = "api.openai.com", process = { name = "python3" } }):classified()
  t:forbid "ai.container.use"
end)

test("other hosts, look-ups, shared hosts and containers that may are not", function(t)
  t:params("ai.container.use", { known = set { "assistant" } })
  use(t, "assistant")
  use(t, "web", { host = "example.org" })
  use(t, "web", { host = "geller-pa.googleapis.com" })
  use(t, "web", { host_source = "dns" })
  use(t, "web", { host_source = "inferred" })
  t:forbid "ai.container.use"
end)

test("a container, program and service are told once a day", function(t)
  use(t, "web")
  t:wait "20h"
  use(t, "web")
  t:expect "ai.container.use"
  use(t, "mail")
  use(t, "web", { host = "claude.ai" })
  use(t, "web", { process = { name = "node", container = "web" } })
  t:expect("ai.container.use"):times(4)
end)
