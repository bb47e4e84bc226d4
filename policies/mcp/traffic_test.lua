local function request(t, more)
  local values = { src_ip = "10.0.0.5", dst_ip = "10.0.0.5", dst_port = 3000, http_method = "POST",
    http_path = "/mcp", signal = { label = "MCP", score = 100 } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:http(values)
end

test("a server on this host, on loopback or by its own address", function(t)
  request(t, { src_ip = "127.0.0.1", dst_ip = "127.0.0.1" })
  request(t)
  t:expect("ai.mcp.local", { severity = "medium", type = "mcp", service = "MCP",
    summary = "MCP request: POST /mcp on port 3000" }):times(2)
  t:only()
end)

test("a server in the network, in clear text", function(t)
  request(t, { dst_ip = "10.0.0.9", host = "tools.corp.example" })
  t:expect("ai.mcp.clear", { severity = "medium",
    summary = "MCP request in clear text to tools.corp.example: POST /mcp on port 3000" })
  t:only()
end)

test("over the Internet it is grave, also agent to agent", function(t)
  request(t, { dst_ip = "198.51.100.7" })
  t:expect("ai.mcp.clear", { severity = "high", summary = like "to 198.51.100.7" })
  request(t, { dst_ip = "198.51.100.8", signal = { label = "A2A", score = 100 } })
  t:expect("ai.mcp.clear", { severity = "high", service = "A2A" })
  t:only()
end)

test("requests to models, and what only may be MCP, are not", function(t)
  for _, where in ipairs { "127.0.0.1", "10.0.0.9", "198.51.100.7" } do
    request(t, { dst_ip = where, signal = { label = "Ollama", score = 100 } })
    request(t, { dst_ip = where, signal = { label = "MCP", score = 99 } })
  end
  t:forbid "ai.mcp.local"
  t:forbid "ai.mcp.clear"
end)

test("each path of a server is told once in ten minutes", function(t)
  for _ = 1, 3 do
    request(t)
    request(t, { dst_ip = "10.0.0.9" })
    t:wait "7m"
  end
  t:expect("ai.mcp.local"):times(2)
  t:expect("ai.mcp.clear"):times(2)
  for _, more in ipairs { { http_path = "/sse" }, { dst_port = 3001 } } do
    request(t, more)
    more.dst_ip = "10.0.0.9"
    request(t, more)
  end
  t:expect("ai.mcp.local"):times(4)
  t:expect("ai.mcp.clear"):times(4)
  request(t, { src_ip = "127.0.0.1", dst_ip = "127.0.0.1" })
  request(t, { src_ip = "127.0.0.2", dst_ip = "127.0.0.1" })
  request(t, { src_ip = "10.0.0.6", dst_ip = "10.0.0.9" })
  t:expect("ai.mcp.local"):times(6)
  t:expect("ai.mcp.clear"):times(5)
end)

test("real traffic", function(t)
  t:capture "../../t/captures/mcp_http_3000.pcap"
  t:expect("ai.mcp.local", { service = "MCP", ["details.path"] = "/mcp" })
  t:only()
end)

test("JSON-RPC of others is not MCP", function(t)
  t:capture "../../t/captures/neg_jsonrpc_8545.pcap"
  t:nothing()
end)

test("the greeting of this agent itself is no use, and its name hides no other request", function(t)
  local function ask(more)
    local values = { src_ip = "127.0.0.1", dst_ip = "127.0.0.1", user_agent = "sense-agent", bytes_up = 600 }
    for key, value in pairs(more or {}) do values[key] = value end
    request(t, values)
  end
  ask()
  t:nothing()
  ask { http_path = "/sse" }
  ask { bytes_up = "3KiB", dst_port = 1 }
  ask { user_agent = "node", dst_port = 2 }
  ask { http_method = "GET", dst_port = 3 }
  t:expect("ai.mcp.local"):times(4)
end)
