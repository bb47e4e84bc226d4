test("an agent that asks a proxy for a tunnel is reported", function(t)
  t:http { src_ip = "10.50.1.2", dst_ip = "10.0.0.8", dst_port = 3128, host = "api.anthropic.com",
    http_method = "CONNECT", user_agent = "claude-cli/1.0.60 (external, cli)", client = "Claude Code" }
  t:expect("cookbook.agent_on_server", { severity = "high",
    summary = "Claude Code on server 10.50.1.2 asked for api.anthropic.com" })
end)

test("the word may stand anywhere and in capitals; without a known client it is all shown", function(t)
  t:http { src_ip = "10.51.1.2", user_agent = "Mozilla/5.0 OpenCode/0.3" }
  t:expect("cookbook.agent_on_server", {
    summary = "Mozilla/5.0 OpenCode/0.3 on server 10.51.1.2 asked for 203.0.113.10" })
end)

test("other programs, other networks and the machine that may are not", function(t)
  t:params("cookbook.agent_on_server", { fine = set { "10.50.9.9" } })
  t:http { src_ip = "10.50.1.2", user_agent = "curl/8.5.0" }
  t:http { src_ip = "10.50.1.2", user_agent = "raider/1.0" }
  t:http { src_ip = "10.50.1.2" }
  t:http { src_ip = "10.52.1.2", user_agent = "aider/0.80" }
  t:http { src_ip = "10.50.9.9", user_agent = "aider/0.80" }
  t:forbid "cookbook.agent_on_server"
end)

test("the machines that may are a param", function(t)
  t:params("cookbook.agent_on_server", { fine = set { "10.50.1.2" } })
  t:http { src_ip = "10.50.1.2", user_agent = "aider/0.80" }
  t:forbid "cookbook.agent_on_server"
  t:http { src_ip = "10.50.9.9", user_agent = "aider/0.80" }
  t:expect "cookbook.agent_on_server"
end)

test("one client of one server is reported once a day", function(t)
  local function ask(src_ip, client)
    t:http { src_ip = src_ip, client = client, user_agent = "opencode/1.0" }
    t:wait "1h"
  end
  ask("10.50.1.2", "opencode")
  ask("10.50.1.2", "opencode")
  t:expect "cookbook.agent_on_server"
  ask("10.50.1.3", "opencode")
  ask("10.50.1.2", "aider")
  t:expect("cookbook.agent_on_server"):times(3)
end)
