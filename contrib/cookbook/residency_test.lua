local function use(t, host, more)
  local values = { host = host }
  for name, value in pairs(more or {}) do values[name] = value end
  t:flow(values):classified()
end

test("other regions than the agreed ones are reported", function(t)
  use(t, "api.openai.com")
  use(t, "bedrock-runtime.us-east-1.amazonaws.com")
  use(t, "us-central1-aiplatform.googleapis.com")
  use(t, "aiplatform.googleapis.com")
  t:expect("cookbook.residency", { severity = "medium", action = "coach" }):times(4)
  t:expect("cookbook.residency", { host = "api.openai.com", tags = { "policy:residency" },
    summary = "10.0.0.1 used OpenAI API / platform at api.openai.com, outside of the agreed region",
    ["details.registered"] = "openai.com" })
end)

test("the agreed ones are not", function(t)
  use(t, "eu.api.openai.com")
  use(t, "bedrock-runtime.eu-central-1.amazonaws.com")
  use(t, "bedrock.eu-west-1.amazonaws.com")
  use(t, "europe-west4-aiplatform.googleapis.com")
  use(t, "api.mistral.ai")
  t:forbid "cookbook.residency"
end)

test("countries are known by their domain, for AI services alone", function(t)
  use(t, "kimi.moonshot.cn")
  t:expect("cookbook.residency", { severity = "high", host = "kimi.moonshot.cn" })
  use(t, "example.cn")
  use(t, "cn.example.org")
  use(t, "kimi.moonshot.cn", { src_ip = "10.0.0.2", host_source = "inferred" })
  t:expect "cookbook.residency"
end)

test("each machine and host is said once a day", function(t)
  use(t, "us.api.openai.com")
  t:wait "20h"
  use(t, "us.api.openai.com")
  t:expect "cookbook.residency"
  use(t, "us.api.openai.com", { src_ip = "10.0.0.2" })
  use(t, "api.openai.com")
  t:expect("cookbook.residency"):times(3)
end)
