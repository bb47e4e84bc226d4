-- Finds   a coding agent on a network of servers, by the user agent of a request in clear text: also of
--         the CONNECT with which it asks a proxy for a tunnel.
-- Misses  agents that speak TLS without a proxy; agents that call themselves something else.
-- Change  the server networks; the words, in lower case; the machines in `fine`.
policy { title = "Coding agent on a server", version = "1" }

-- Made once, when the file loads: one pass over the text finds any of them. The space is the word's
-- beginning: " aider/" does not stand in "raider/".
local agents = words {
  " claude-cli/", " claude-code/", " codex_cli_rs/", " codex_exec/", " geminicli/", " opencode/", " aider/",
  " githubcopilot",
}

local function is_agent(flow) return agents(" " .. lower(flow.user_agent)) end

rule "cookbook.agent_on_server" {
  title = "Coding agent on a server network",
  severity = "high", type = "service", confidence = 85,
  on = "http",
  match = { src_ip = { cidr = { "10.50.0.0/16", "10.51.0.0/16" } }, user_agent = { set = true } },
  params = { fine = set { "10.50.9.9" } },
  when = function(flow, params) return not params.fine[flow.src_ip] and is_agent(flow) end,
  finding = function(flow)
    return {
      summary = ("%s on server %s asked for %s"):format(
        flow.client or flow.user_agent, flow.src_ip, flow.host or flow.dst_ip),
    }
  end,
  throttle = { by = { "src_ip", "client" }, every = "1d" },
  tags = { "atlas:AML.T0053" },
}
