local function ask(t, src_ip, dst_ip, more)
  t:http { src_ip = src_ip, dst_ip = dst_ip, dst_port = 4000, http_method = "POST",
    http_path = "/v1/chat/completions", signal = more or { label = "OpenAI-compatible", score = 100 } }
end

local function call(t, src_ip, host) t:tls { src_ip = src_ip, host = host or "api.openai.com" } end

test("a machine that is asked and asks on is a relay", function(t)
  ask(t, "10.0.0.7", "10.0.5.20")
  ask(t, "10.0.0.8", "10.0.5.20")
  ask(t, "10.0.0.8", "10.0.5.20")
  call(t, "10.0.5.20")
  t:expect("cookbook.relay.asked", { action = "observe" })
  t:expect("cookbook.relay", { severity = "medium", ["details.clients"] = 2,
    summary = "10.0.5.20 takes AI requests of 2 machines and calls OpenAI API / platform" })
end)

test("one client is one machine", function(t)
  ask(t, "10.0.0.7", "10.0.5.20")
  call(t, "10.0.5.20")
  t:expect("cookbook.relay", { summary = like "of 1 machine and" })
end)

test("a model that answers itself, a client, and an hour later are not", function(t)
  ask(t, "10.0.0.7", "10.0.5.20")
  call(t, "10.0.0.7")
  call(t, "10.0.5.20", "debian.org")
  call(t, "10.0.5.20", "claude.ai")
  t:wait "2h"
  call(t, "10.0.5.20")
  t:forbid "cookbook.relay"
end)

test("neither tools nor requests that only look alike count", function(t)
  ask(t, "10.0.0.7", "10.0.5.20", { label = "MCP", score = 100 })
  ask(t, "10.0.0.7", "10.0.5.20", { label = "A2A", score = 100 })
  t:http { src_ip = "10.0.0.7", dst_ip = "203.0.113.9",
    signal = { label = "OpenAI-compatible", score = 100 } }
  ask(t, "10.0.0.7", "10.0.5.20", { label = "OpenAI-compatible", score = 60 })
  t:http { src_ip = "10.0.0.7", dst_ip = "10.0.5.20" }
  t:forbid "cookbook.relay.asked"
  call(t, "10.0.5.20")
  t:forbid "cookbook.relay"
end)

test("a gateway that is agreed may", function(t)
  t:params("cookbook.relay", { agreed = set { "10.0.5.20" } })
  ask(t, "10.0.0.7", "10.0.5.20")
  call(t, "10.0.5.20")
  t:forbid "cookbook.relay"
  ask(t, "10.0.0.7", "10.0.5.10") -- agreed no longer
  call(t, "10.0.5.10")
  t:expect "cookbook.relay"
end)

test("each relay and service is said once a day", function(t)
  for _ = 1, 2 do
    ask(t, "10.0.0.7", "10.0.5.20")
    call(t, "10.0.5.20")
  end
  t:expect "cookbook.relay.asked"
  t:wait "20h"
  ask(t, "10.0.0.7", "10.0.5.20")
  call(t, "10.0.5.20")
  t:expect "cookbook.relay"
  call(t, "10.0.5.20", "openrouter.ai")
  ask(t, "10.0.0.7", "10.0.5.21")
  call(t, "10.0.5.21")
  t:expect("cookbook.relay"):times(3)
end)
