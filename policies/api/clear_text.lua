-- Model APIs called over the network in clear text: where to, and by whom.
policy {
  title = "Model API called in clear text", version = "1",
  description = "Recognised by method, path, headers and program. Not seen: HTTP over TLS, which is what " ..
    "nearly all hosted services speak. Requests within the network are local/runtime.lua's.",
}

-- MCP and A2A are mcp/traffic.lua's.
local model_call = { label = { none = { "MCP", "A2A" } }, score = { min = 100 } }

local function details(flow)
  return {
    path = flow.http_path, method = flow.http_method, client = flow.client, speaks = flow.signal.label,
  }
end

rule "ai.clear.api" {
  title = "AI API used without encryption over the Internet",
  severity = "high", type = "api", confidence = 95,
  on = "http",
  match = { signal = model_call, dst_scope = "public", service = { id = { set = true } } },
  finding = function(flow)
    return {
      summary = ("%s called in clear text: %s %s at %s"):format(flow.service.name, flow.http_method,
        flow.http_path, flow.host),
      details = details(flow),
    }
  end,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "http_path" }, every = "10m" },
  indicator = 100,
  tags = { "atlas:AML.T0040", "atlas:AML.T0057" },
}

rule "ai.api.unknown_endpoint" {
  title = "Unknown AI endpoint on the Internet",
  severity = "high", type = "api", confidence = 90,
  on = "http",
  match = { signal = model_call, dst_scope = "public", service = { id = { set = false } } },
  finding = function(flow)
    return {
      summary = ("%s port %d is no known service and is asked as %s: %s %s"):format(flow.host or flow.dst_ip,
        flow.dst_port, flow.signal.label, flow.http_method, flow.http_path),
      details = details(flow),
    }
  end,
  throttle = { by = { "src_ip", "dst_ip", "dst_port", "host" }, every = "1h" },
  indicator = 100,
  tags = { "atlas:AML.T0024", "atlas:AML.T0040" },
}

-- SDKs, tools and browsers name themselves. On loopback anybody may try what they run themselves.
rule "ai.api.no_sdk" {
  title = "Model API called by no known SDK",
  severity = "low", type = "api", confidence = 70,
  on = "http",
  match = {
    signal = model_call, dst_scope = { none = { "loopback" }, set = true },
    any = { { client = { set = false } }, { client = { "httpx" } } }, -- httpx is a bare HTTP library
    none = { { user_agent = { prefix = { "Mozilla/" } } } },
  },
  finding = function(flow)
    return {
      summary = ("%s called by %s, which is no known SDK: %s %s"):format(flow.signal.label,
        flow.user_agent or "a program without a name", flow.http_method, flow.http_path),
      details = details(flow),
    }
  end,
  throttle = { by = { "src_ip", "dst_ip", "user_agent" }, every = "1d" },
  tags = { "atlas:AML.T0040" },
}
