-- Models served in clear text: Ollama, LM Studio, llama.cpp, vLLM and whatever else speaks an
-- OpenAI-, Anthropic- or vendor-compatible API, on any port. Recognised by method, path, headers and
-- program, no body is read: a score of 100 is one conclusive indicator or two independent ones.
policy {
  title = "Model served over clear-text HTTP", version = "1",
  description = "Requests to a model runtime or an OpenAI-compatible server. HTTP over TLS is not seen here.",
}

local function finding(flow)
  return {
    summary = ("%s request: %s %s on port %d"):format(flow.signal.label, flow.http_method, flow.http_path,
      flow.dst_port),
    details = {
      path = flow.http_path, method = flow.http_method, client = flow.client, speaks = flow.signal.label,
    },
  }
end

local not_agents = { none = { "MCP", "A2A" } } -- theirs is mcp/traffic.lua

rule "ai.local.runtime" {
  title = "Local AI model runtime used",
  severity = "medium", type = "local_model", confidence = 95,
  on = "http",
  match = { signal = { label = not_agents, score = { min = 100 } }, dst_scope = { none = { "public" } } },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0040" },
}

rule "ai.clear.api" {
  title = "AI API used without encryption over the Internet",
  severity = "high", type = "local_model", confidence = 95,
  on = "http",
  match = { signal = { label = not_agents, score = { min = 100 } }, dst_scope = "public" },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0040", "atlas:AML.T0057" },
}

rule "ai.local.hint" {
  title = "Request that may be for an AI model runtime",
  severity = "info", type = "local_model", confidence = 40,
  on = "http", action = "observe",
  match = { signal = { score = { min = 60, max = 99 } } },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "1h" },
  indicator = 60, -- the least that it matches; other requests of the same kind add nothing
}
