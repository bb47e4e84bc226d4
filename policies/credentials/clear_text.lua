-- Keys of AI services sent without encryption. The kind is known by the key's shape; the key itself
-- is never kept.
policy {
  title = "AI credential in clear text", version = "2",
  description = "On loopback a key reaches no network, so that is only counted.",
}

local function finding(flow)
  return {
    summary = ("Credential of kind %s sent in clear text to %s"):format(flow.credential,
      flow.host or flow.dst_ip),
    details = { credential = flow.credential, path = flow.http_path },
  }
end

rule "ai.credential.clear" {
  title = "AI service credential sent in clear text",
  severity = "high", type = "credential", confidence = 90,
  on = "http",
  match = { credential = { "openai", "anthropic", "huggingface" }, dst_scope = { none = { "loopback" } } },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "credential" }, every = "1h" },
  tags = { "atlas:AML.T0055" },
}

-- Keys that other services take as well, or of a kind that is not known (also a bearer token): an alert only
-- beside a request that is conclusively one to a model or a tool.
rule "ai.credential.request" {
  title = "Credential sent in clear text with an AI request",
  severity = "high", type = "credential", confidence = 80,
  on = "http",
  match = {
    credential = { "google", "github", "other" }, signal = { score = { min = 100 } },
    dst_scope = { none = { "loopback" } },
  },
  finding = finding,
  throttle = { by = { "src_ip", "dst_ip", "credential" }, every = "1h" },
  tags = { "atlas:AML.T0055" },
}

rule "ai.credential.loopback" {
  title = "AI service credential on loopback",
  severity = "info", type = "credential", confidence = 60,
  on = "http", action = "observe",
  match = { credential = { "openai", "anthropic", "huggingface" }, dst_scope = "loopback" },
  finding = finding,
  throttle = { by = { "src_ip", "dst_port", "credential" }, every = "1h" },
}
