local function reach(t, host, more)
  local values = { src_ip = "10.0.0.5", dst_ip = "198.51.100.7", dst_port = 443, host = host, user = "ada",
    bytes_up = 2048, bytes_down = "1MiB",
    process = { name = "curl", agent = "claude-code", command = "curl https://" .. (host or ""),
      ancestors = "bash" } }
  for key, value in pairs(more or {}) do values[key] = value end
  t:flow(values):finish()
end

test("a child of an agent that reaches out", function(t)
  reach(t, "example.org")
  t:expect("cookbook.agent_reaches_out", { severity = "low", user = "ada", process = "curl",
    host = "example.org",
    summary = "curl, started by claude-code for ada, sent 2.0 KiB to example.org and got 1.0 MiB",
    details = { command = "curl https://example.org", ancestors = "bash" } })
  t:flow({ dst_ip = "203.0.113.9", process = { agent = "codex" } }):finish()
  t:expect("cookbook.agent_reaches_out", {
    summary = like "A program, started by codex for somebody, sent 0 B to 203.0.113.9" })
end)

test("who sends more than is fetched is graver, from a size on", function(t)
  reach(t, "example.org", { bytes_up = "3MiB" })
  t:expect("cookbook.agent_reaches_out", { severity = "high" })
  reach(t, "example.com", { bytes_up = "3MiB", bytes_down = "4MiB" })
  reach(t, "example.net", { bytes_up = "1000k", bytes_down = 10 })
  t:expect("cookbook.agent_reaches_out", { severity = "low" }):times(2)
end)

test("how much is grave is a param", function(t)
  t:params("cookbook.agent_reaches_out", { much = size "10MiB" })
  reach(t, "example.org", { bytes_up = "3MiB" })
  t:expect("cookbook.agent_reaches_out", { severity = "low" })
end)

test("packages, names, this network, the agent itself and other programs are not", function(t)
  reach(t, "registry.npmjs.org")
  reach(t, "files.pythonhosted.org")
  reach(t, nil, { dst_port = 53 })
  reach(t, "wiki.corp.example", { dst_ip = "10.0.0.9" })
  reach(t, "example.org", { tool = "claude-code" })
  reach(t, "example.org", { process = { name = "curl", parent = "bash" } })
  t:forbid "cookbook.agent_reaches_out"
end)

test("a program and host is said once a day", function(t)
  reach(t, "example.org")
  t:wait "20h"
  reach(t, "example.org")
  t:expect "cookbook.agent_reaches_out"
  reach(t, "example.com")
  reach(t, "example.org", { user = "bob" })
  reach(t, "example.org", { dst_ip = "198.51.100.8" })
  reach(t, "example.org", { process = { name = "wget", agent = "claude-code" } })
  reach(t, "example.org", { process = { name = "curl", agent = "codex" } })
  t:expect("cookbook.agent_reaches_out"):times(6)
end)
