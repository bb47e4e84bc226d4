local function use(t, host, more)
  local values = { src_ip = "10.0.0.5", host = host }
  for key, value in pairs(more or {}) do values[key] = value end
  t:flow(values):tls()
end

test("a service that is new to a client is reported, from its second day with AI on", function(t)
  use(t, "claude.ai")
  use(t, "chatgpt.com")
  t:forbid "ai.service.first_seen"
  t:wait "1d"
  use(t, "claude.ai")
  t:forbid "ai.service.first_seen"
  use(t, "gemini.google.com")
  t:expect("ai.service.first_seen", { severity = "info", service = "gemini",
    summary = "10.0.0.5 uses Gemini app (chat) for the first time" })
end)

test("each client learns for itself, by its user where that is known", function(t)
  use(t, "claude.ai", { user = "ada" })
  t:wait "1d"
  use(t, "chatgpt.com", { src_ip = "10.0.0.6" })
  t:forbid "ai.service.first_seen"
  use(t, "chatgpt.com", { user = "ada", src_ip = "10.0.0.7" })
  t:expect("ai.service.first_seen", { user = "ada", summary = like "ada uses ChatGPT" })
end)

test("what was not used for 30 days is new again, what is in use stays known", function(t)
  use(t, "claude.ai")
  use(t, "chatgpt.com")
  for _ = 1, 4 do
    t:wait "8d"
    use(t, "chatgpt.com")
  end
  t:forbid "ai.service.first_seen"
  use(t, "claude.ai")
  t:expect("ai.service.first_seen", { service = "claude" })
end)

test("without days to learn the first use is reported at once, and once", function(t)
  t:params("ai.service.first_seen", { learning_days = 0 })
  use(t, "claude.ai")
  use(t, "claude.ai")
  t:wait "2d"
  use(t, "claude.ai")
  t:expect "ai.service.first_seen"
end)

test("look-ups, inferred names and shared hosts are not use", function(t)
  t:params("ai.service.first_seen", { learning_days = 0 })
  use(t, "claude.ai", { host_source = "dns" })
  use(t, "claude.ai", { host_source = "inferred" })
  use(t, "claude.ai", { ["service.conclusive"] = false })
  use(t, "example.org")
  t:forbid "ai.service.first_seen"
end)

test("users of one address who are new to one service have a finding each", function(t)
  t:params("ai.service.first_seen", { learning_days = 0 })
  use(t, "claude.ai", { user = "ada" })
  use(t, "claude.ai", { user = "bob" })
  t:expect("ai.service.first_seen"):times(2)
end)

test("real traffic", function(t)
  t:params("ai.service.first_seen", { learning_days = 0 })
  t:capture "../../t/captures/tls_claude.ai_node.pcap"
  t:expect("ai.service.first_seen", { service = "claude" })
end)
