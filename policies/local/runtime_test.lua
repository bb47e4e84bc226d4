local OLLAMA = { label = "Ollama", score = 100 }

local function request(t, more)
  local values = { src_ip = "10.0.0.5", dst_ip = "10.0.0.5", dst_port = 11434, http_method = "POST",
    http_path = "/api/chat", signal = OLLAMA, client = "Ollama" }
  for key, value in pairs(more or {}) do values[key] = value end
  t:http(values)
end

test("a model on loopback", function(t)
  request(t, { src_ip = "127.0.0.1", dst_ip = "127.0.0.1" })
  t:expect("ai.local.runtime", { severity = "medium", type = "local_model", service = "Ollama",
    summary = "Ollama request: POST /api/chat on port 11434",
    details = { path = "/api/chat", method = "POST", speaks = "Ollama", client = "Ollama" } })
  t:only()
end)

test("a model by the host's own address is no other machine's", function(t)
  request(t)
  t:expect "ai.local.runtime"
  t:only()
end)

test("a model that another machine asks is exposed", function(t)
  request(t, { dst_ip = "10.0.0.9" })
  t:expect("ai.local.exposed", { severity = "high", source_ip = "10.0.0.5", dest_ip = "10.0.0.9",
    summary = "Ollama on 10.0.0.9 port 11434 takes requests of other machines: POST /api/chat",
    details = { speaks = "Ollama" } })
  t:only()
end)

test("so it is by a link-local address", function(t)
  request(t, { src_ip = "fe80::5", dst_ip = "fe80::9" })
  t:expect "ai.local.exposed"
  t:only()
end)

test("servers that are in order are not exposed", function(t)
  t:params("ai.local.exposed", { known = set { "10.0.0.9" } })
  request(t, { dst_ip = "10.0.0.9" })
  t:nothing()
  request(t, { dst_ip = "10.0.0.8" })
  t:expect("ai.local.exposed", { dest_ip = "10.0.0.8" })
end)

test("over the Internet it is another policy's", function(t)
  request(t, { dst_ip = "198.51.100.7" })
  request(t, { src_ip = "198.51.100.7", dst_ip = "198.51.100.7" })
  t:forbid "ai.local.runtime"
  t:forbid "ai.local.exposed"
end)

test("tools and agents are another policy's", function(t)
  for _, label in ipairs { "MCP", "A2A" } do
    request(t, { signal = { label = label, score = 100 } })
    request(t, { signal = { label = label, score = 100 }, dst_ip = "10.0.0.9" })
  end
  t:forbid "ai.local.runtime"
  t:forbid "ai.local.exposed"
end)

test("half a proof is observed and alerts nobody", function(t)
  request(t, { signal = { label = "Ollama", score = 60 } })
  t:expect("ai.local.hint", { severity = "info", action = "observe" })
  request(t, { dst_ip = "10.0.0.9", signal = { label = "Ollama", score = 99 } })
  t:expect("ai.local.hint"):times(2)
  t:only()
end)

test("less than half, and a whole one, is no hint", function(t)
  request(t, { signal = { label = "Ollama", score = 59 } })
  t:nothing()
  request(t)
  t:forbid "ai.local.hint"
end)

test("each path is told once in ten minutes, each exposed port once an hour", function(t)
  for _ = 1, 3 do
    request(t)
    request(t, { dst_ip = "10.0.0.9" })
    request(t, { dst_ip = "10.0.0.9", http_path = "/api/tags" })
    request(t, { dst_ip = "10.0.0.8", signal = { label = "Ollama", score = 60 } })
    t:wait "7m"
  end
  t:expect("ai.local.runtime"):times(2)
  t:expect "ai.local.exposed"
  t:expect "ai.local.hint"
  request(t, { http_path = "/api/generate" })
  t:expect("ai.local.runtime", { ["details.path"] = "/api/generate" })
  t:wait "1h"
  request(t, { dst_ip = "10.0.0.9" })
  t:expect("ai.local.exposed"):times(2)
end)

test("each client, port and path by itself", function(t)
  for _, more in ipairs { {}, { src_ip = "127.0.0.1" }, { dst_port = 11435 }, { http_path = "/api/tags" } } do
    more.dst_ip = "127.0.0.1"
    request(t, more)
    more.signal = { label = "Ollama", score = 60 }
    request(t, more)
  end
  for _, more in ipairs { {}, { src_ip = "10.0.0.6" }, { dst_port = 11435 } } do
    more.dst_ip = "10.0.0.9"
    request(t, more)
  end
  t:expect("ai.local.runtime"):times(4)
  t:expect("ai.local.hint"):times(4)
  t:expect("ai.local.exposed"):times(3)
end)

test("real traffic", function(t)
  t:capture "../../t/captures/ollama_chat.pcap"
  t:expect("ai.local.runtime", { service = "Ollama", ["details.path"] = "/api/chat" })
  t:capture "../../t/captures/ollama_openai_sse.pcap"
  t:expect("ai.local.runtime", { service = "Ollama", ["details.path"] = "/v1/chat/completions" })
  t:only()
end)

test("a web server on Ollama's port is none", function(t)
  t:capture "../../t/captures/neg_http_11434.pcap"
  t:forbid "ai.local.runtime"
  t:forbid "ai.local.hint"
end)

test("what this agent asks itself is no use, and its name hides no other request", function(t)
  local function ask(path, more)
    local values = { src_ip = "127.0.0.1", dst_ip = "127.0.0.1", http_method = "GET", http_path = path,
      user_agent = "sense-agent", bytes_up = 300 }
    for key, value in pairs(more or {}) do values[key] = value end
    request(t, values)
  end
  ask "/api/tags"
  ask("/v1/models", { signal = { label = "OpenAI-compatible", score = 60 } })
  t:nothing()
  ask "/api/chat"
  ask("/api/tags", { http_method = "POST", dst_port = 1 })
  ask("/api/tags", { bytes_up = "3KiB", dst_port = 2 })
  ask("/api/tags", { user_agent = "curl/8.5.0", dst_port = 3 })
  ask("/api/tags", { src_ip = "10.0.0.5", dst_ip = "10.0.0.5", dst_port = 4 })
  t:expect("ai.local.runtime"):times(5)
  ask("/api/embed", { signal = { label = "Ollama", score = 60 } })
  t:expect "ai.local.hint"
end)
