test("a key in clear text is reported by its kind, and never itself", function(t)
  t:http { src_ip = "10.0.0.5", dst_ip = "192.168.1.20", host = "gateway.corp.example",
    http_method = "POST", http_path = "/v1/chat/completions", credential = "openai" }
  t:expect("ai.credential.clear", { severity = "high", dest_ip = "192.168.1.20",
    summary = "Credential of kind openai sent in clear text to gateway.corp.example",
    details = { credential = "openai", path = "/v1/chat/completions" } })
  t:forbid "ai.credential.loopback"
  t:forbid "ai.credential.request"
end)

test("without a name the address says where it went", function(t)
  t:http { dst_ip = "192.168.1.20", credential = "anthropic" }
  t:expect("ai.credential.clear", { summary = like "to 192.168.1.20" })
end)

test("requests without a key are nobody's business here", function(t)
  t:http { http_path = "/v1/models" }
  t:nothing()
end)

test("keys that open other services too alert only beside an AI request", function(t)
  for _, kind in ipairs { "google", "github", "other" } do
    t:http { credential = kind }
    t:http { credential = kind, signal = { label = "MCP", score = 99 } }
    t:forbid("ai.credential.request", { ["details.credential"] = kind })
    t:http { credential = kind, signal = { label = "Gemini", score = 100 } }
    t:expect("ai.credential.request", { severity = "high", details = { credential = kind } })
  end
  t:forbid "ai.credential.clear"
end)

test("a key whose kind says it all is told once, AI request or not", function(t)
  t:http { credential = "openai", signal = { label = "OpenAI-compatible", score = 100 } }
  t:expect "ai.credential.clear"
  t:forbid "ai.credential.request"
end)

test("on loopback it is only counted", function(t)
  t:http { src_ip = "127.0.0.1", dst_ip = "127.0.0.1", credential = "huggingface" }
  t:expect("ai.credential.loopback", { action = "observe" })
  t:http { src_ip = "127.0.0.1", dst_ip = "127.0.0.1", credential = "google",
    signal = { label = "Gemini", score = 100 } }
  t:expect "ai.credential.loopback" -- of a kind that says it all, still one
  t:forbid "ai.credential.clear"
  t:forbid "ai.credential.request"
end)

test("one key from one client to one server is reported once an hour", function(t)
  local gemini = { label = "Gemini", score = 100 }
  local function send(minutes)
    t:http { dst_ip = "192.168.1.20", credential = "openai" }
    t:http { dst_ip = "192.168.1.20", credential = "other", signal = gemini }
    t:http { src_ip = "127.0.0.1", dst_ip = "127.0.0.1", credential = "openai" }
    t:wait(minutes)
  end
  send "30m"
  send "31m"
  t:expect "ai.credential.clear"
  t:expect "ai.credential.request"
  t:expect "ai.credential.loopback"
  send "1m"
  t:expect("ai.credential.clear"):times(2)
  t:expect("ai.credential.request"):times(2)
  t:expect("ai.credential.loopback"):times(2)
end)

test("other clients, servers and kinds are other keys", function(t)
  for _, kind in ipairs { "openai", "anthropic" } do
    t:http { credential = kind, dst_ip = "192.168.1.20" }
    t:http { credential = kind, dst_ip = "192.168.1.21" }
    t:http { credential = kind, dst_ip = "192.168.1.20", src_ip = "10.0.0.9" }
    t:http { credential = kind, src_ip = "127.0.0.1", dst_ip = "127.0.0.1" }
    t:http { credential = kind, src_ip = "127.0.0.1", dst_ip = "127.0.0.1", dst_port = 4000 }
  end
  t:expect("ai.credential.clear"):times(6)
  t:expect("ai.credential.loopback", { severity = "info" }):times(4)
  for _, kind in ipairs { "google", "github" } do
    for _, client in ipairs { "10.0.0.5", "10.0.0.9" } do
      t:http { src_ip = client, credential = kind, signal = { label = "Gemini", score = 100 } }
    end
  end
  t:expect("ai.credential.request"):times(4)
end)
