local CHAT = { label = "OpenAI-compatible", score = 100 }

-- A request to a model over the Internet, by an SDK.
local function request(t, more)
  local values = { src_ip = "10.0.0.5", dst_ip = "198.51.100.7", http_method = "POST",
    http_path = "/v1/chat/completions", signal = CHAT, user_agent = "OpenAI/Python 1.99.0",
    client = "OpenAI SDK" }
  for key, value in pairs(more or {}) do
    values[key] = value
    if value == "unknown" then values[key] = nil end
  end
  t:http(values)
end

test("a known service without encryption", function(t)
  request(t, { host = "api.openai.com" })
  t:expect("ai.clear.api", { severity = "high", type = "api", service = "openai-api",
    summary = like "called in clear text: POST /v1/chat/completions at api.openai.com" })
  t:only()
end)

test("an endpoint that no catalogue knows", function(t)
  request(t, { host = "llm.example.net", dst_port = 8443 })
  t:expect("ai.api.unknown_endpoint", { severity = "high", host = "llm.example.net",
    summary = like "llm.example.net port 8443 is no known service and is asked as OpenAI-compatible" })
  t:only()
end)

test("without a name the address says where it went", function(t)
  request(t, { dst_ip = "198.51.100.9" })
  t:expect("ai.api.unknown_endpoint", { dest_ip = "198.51.100.9", summary = like "198.51.100.9 port 80" })
end)

test("what is not over the Internet is not for these two", function(t)
  for _, where in ipairs { "127.0.0.1", "192.168.1.20", "fe80::1" } do
    request(t, { dst_ip = where, host = "llm.corp.example" })
    request(t, { dst_ip = where, host = "api.openai.com" })
  end
  t:forbid "ai.clear.api"
  t:forbid "ai.api.unknown_endpoint"
end)

test("what only may be a request to a model, and MCP, are for none", function(t)
  local weak = { label = "OpenAI-compatible", score = 99 }
  request(t, { host = "api.openai.com", signal = weak, client = "unknown" })
  request(t, { signal = weak, client = "unknown" })
  request(t, { host = "api.openai.com", signal = { label = "MCP", score = 100 }, client = "unknown" })
  request(t, { signal = { label = "A2A", score = 100 }, client = "unknown" })
  request(t, { signal = "unknown", client = "unknown" })
  t:forbid "ai.clear.api"
  t:forbid "ai.api.unknown_endpoint"
  t:forbid "ai.api.no_sdk"
end)

test("a program that is no known SDK", function(t)
  request(t, { dst_ip = "192.168.1.20", client = "unknown", user_agent = "curl/8.5.0" })
  t:expect("ai.api.no_sdk", { severity = "low",
    summary = "OpenAI-compatible called by curl/8.5.0, which is no known SDK: POST /v1/chat/completions" })
  request(t, { client = "unknown", user_agent = "unknown" })
  t:expect("ai.api.no_sdk", { summary = like "called by a program without a name" })
  request(t, { client = "httpx", user_agent = "python-httpx/0.28.1" })
  t:expect("ai.api.no_sdk", { summary = like "python-httpx" })
end)

test("SDKs, browsers, and what stays on loopback are not that", function(t)
  request(t)
  request(t, { client = "Claude Code", user_agent = "claude-cli/2.0.1" })
  request(t, { client = "unknown", user_agent = "Mozilla/5.0 (X11; Linux x86_64)" })
  request(t, { client = "unknown", user_agent = "curl/8.5.0", dst_ip = "127.0.0.1" })
  t:forbid "ai.api.no_sdk"
end)

test("repeated requests are told once in ten minutes, an hour and a day", function(t)
  for _ = 1, 3 do
    request(t, { host = "api.openai.com", client = "unknown", user_agent = "curl/8.5.0" })
    request(t, { host = "llm.example.net", client = "unknown", user_agent = "curl/8.5.0" })
    t:wait "7m"
  end
  t:expect("ai.clear.api"):times(2)
  t:expect "ai.api.unknown_endpoint"
  t:expect "ai.api.no_sdk"
  t:wait "1h"
  request(t, { host = "llm.example.net", client = "unknown", user_agent = "curl/8.5.0" })
  t:expect("ai.api.unknown_endpoint"):times(2)
  t:expect "ai.api.no_sdk"
  request(t, { host = "llm.example.net", client = "unknown", user_agent = "wget/1.21" })
  t:expect("ai.api.no_sdk", { summary = like "wget" })
end)

test("each client, port and path by itself", function(t)
  request(t, { host = "api.openai.com" })
  request(t, { host = "api.openai.com", src_ip = "10.0.0.6" })
  request(t, { host = "api.openai.com", http_path = "/v1/embeddings" })
  request(t, { host = "api.openai.com", dst_port = 8080 })
  t:expect("ai.clear.api"):times(4)
  request(t, { host = "llm.example.net" })
  request(t, { host = "llm.example.net", src_ip = "10.0.0.6" })
  request(t, { host = "llm.example.net", dst_port = 8080 })
  request(t, { host = "llm2.example.net" })
  t:expect("ai.api.unknown_endpoint"):times(4)
  request(t, { client = "unknown", user_agent = "curl/8.5.0" })
  request(t, { client = "unknown", user_agent = "curl/8.5.0", src_ip = "10.0.0.6" })
  t:expect("ai.api.no_sdk"):times(2)
end)

test("real requests that are not to a model", function(t)
  t:capture "../../t/captures/neg_http.pcap"
  t:capture "../../t/captures/neg_jsonrpc_8545.pcap"
  t:nothing()
end)
