-- Models served in clear text: Ollama, LM Studio, llama.cpp, vLLM and whatever else speaks an
-- OpenAI-, Anthropic- or vendor-compatible API, on any port. Recognised by method, path, headers and
-- program, no body is read: a score of 100 is one conclusive indicator or two independent ones.
policy {
  title = "Model served over clear-text HTTP", version = "3",
  description = "Requests to a model runtime or an OpenAI-compatible server on this host or network; " ..
    "those over the Internet are api/clear_text.lua's. HTTP over TLS is not seen here.",
}

-- MCP and A2A are mcp/traffic.lua's.
local model_call = { label = { none = { "MCP", "A2A" } }, score = { min = 100 } }

-- What this agent's own sensor asks (host.probe) is no use of a model. Whoever takes its name hides the same
-- two questions, and no more.
local own_question = {
  user_agent = "sense-agent", dst_scope = "loopback", http_method = "GET",
  http_path = { "/api/tags", "/v1/models" }, bytes_up = { max = "2KiB" },
}

local function within_host(flow)
  return flow.dst_scope == "loopback" or flow.src_ip == flow.dst_ip
end

local function details(flow)
  return {
    path = flow.http_path, method = flow.http_method, client = flow.client, speaks = flow.signal.label,
  }
end

local function request(flow)
  return {
    summary = ("%s request: %s %s on port %d"):format(flow.signal.label, flow.http_method, flow.http_path,
      flow.dst_port),
    details = details(flow),
  }
end

rule "ai.local.runtime" {
  title = "Local AI model runtime used",
  severity = "medium", type = "local_model", confidence = 95,
  on = "http",
  match = { signal = model_call, dst_scope = { none = { "public" } }, none = { own_question } },
  when = within_host,
  finding = request,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0040" },
}

-- Most runtimes have no login: who reaches the port can use, replace and delete the models.
rule "ai.local.exposed" {
  title = "AI model served to other machines",
  severity = "high", type = "local_model", confidence = 90,
  on = "http",
  match = { signal = model_call, dst_scope = { none = { "public", "loopback" } } },
  params = { known = set {} }, -- addresses of servers that are in order
  when = function(flow, params) return not within_host(flow) and not params.known[flow.dst_ip] end,
  finding = function(flow)
    return {
      summary = ("%s on %s port %d takes requests of other machines: %s %s"):format(flow.signal.label,
        flow.dst_ip, flow.dst_port, flow.http_method, flow.http_path),
      details = details(flow),
    }
  end,
  throttle = { by = { "src_ip", "dst_ip", "dst_port" }, every = "1h" },
  indicator = 100,
  tags = { "atlas:AML.T0040" },
}

rule "ai.local.hint" {
  title = "Request that may be for an AI model runtime",
  severity = "info", type = "local_model", confidence = 40,
  on = "http", action = "observe",
  match = { signal = { score = { min = 60, max = 99 } }, none = { own_question } },
  finding = request,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "1h" },
  indicator = 60, -- the least that it matches; other requests of the same kind add nothing
}
