test("a key in clear text is reported by its kind, and never itself", function(t)
  t:http { src_ip = "10.0.0.5", dst_ip = "192.168.1.20", host = "gateway.corp.example",
    http_method = "POST", http_path = "/v1/chat/completions", credential = "openai" }
  t:expect("ai.credential.clear", { severity = "high", dest_ip = "192.168.1.20",
    summary = "Credential of kind openai sent in clear text to gateway.corp.example",
    details = { credential = "openai", path = "/v1/chat/completions" } })
  t:forbid "ai.credential.loopback"
  t:forbid "ai.credential.google"
end)

test("without a name the address says where it went", function(t)
  t:http { dst_ip = "192.168.1.20", credential = "anthropic" }
  t:expect("ai.credential.clear", { summary = like "to 192.168.1.20" })
end)

test("requests without a key are nobody's business here", function(t)
  t:http { http_path = "/v1/models" }
  t:nothing()
end)

test("a Google key alerts only beside an AI request", function(t)
  t:http { credential = "google" }
  t:http { credential = "google", signal = { label = "MCP", score = 60 } }
  t:forbid "ai.credential.google"
  t:http { credential = "google", signal = { label = "Gemini", score = 100 } }
  t:expect("ai.credential.google", { severity = "high", details = { credential = "google" } })
  t:forbid "ai.credential.clear"
end)

test("on loopback it is only counted", function(t)
  t:http { src_ip = "127.0.0.1", dst_ip = "127.0.0.1", credential = "huggingface" }
  t:expect("ai.credential.loopback", { action = "observe" })
  t:forbid "ai.credential.clear"
end)

test("one key to one server is reported once an hour", function(t)
  for _ = 1, 3 do t:http { dst_ip = "192.168.1.20", credential = "openai" } end
  t:expect "ai.credential.clear"
  t:http { dst_ip = "192.168.1.21", credential = "openai" }
  t:wait "61m"
  t:http { dst_ip = "192.168.1.20", credential = "openai" }
  t:expect("ai.credential.clear"):times(3)
end)
