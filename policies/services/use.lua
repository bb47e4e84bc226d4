-- Use of AI services that nobody sanctioned: one rule for each kind of service.
policy {
  title = "AI service used", version = "2",
  description = "Connections to hosts that are conclusively an AI service. Not seen: services behind a " ..
    "proxy's own name, and names hidden by ECH (coverage/gaps.lua).",
}

-- Services that are in order, by their id in the catalogue: set { "ms-copilot", "github-copilot" }.
local sanctioned = set {}
-- Risk tier of the catalogue from which on a use is reported: "low", "medium" or "high".
local from_risk = "low"

local tier = { low = 1, medium = 2, high = 3 }

local function unsanctioned(flow, params)
  return not params.sanctioned[flow.service.id] and tier[flow.service.risk] >= tier[params.from_risk]
end

-- Severity by risk tier. What acts for people, or hides who answers, weighs a step more.
local plain = { low = "info", medium = "low", high = "medium" }
local grave = { low = "low", medium = "medium", high = "high" }

-- Last part of the id, title, first words of the summary, categories of the catalogue, severities, tag.
local kinds = {
  { "agent", "AI agent platform", "Agent platform", { "agent" }, grave, "atlas:AML.T0053" },
  { "api", "AI model API", "Model API of", { "api" }, plain, "atlas:AML.T0040" },
  { "chat", "AI chat service", "Chat with", { "chat" }, plain, "atlas:AML.T0047" },
  { "coding", "AI coding assistant", "Coding assistant", { "coding" }, plain, "atlas:AML.T0047" },
  { "companion", "AI companion service", "Companion", { "companion" }, plain, "atlas:AML.T0047" },
  { "gateway", "AI gateway", "Gateway", { "gateway" }, grave, "atlas:AML.T0040" },
  { "hub", "AI model hub", "Model hub", { "hub" }, plain, "atlas:AML.T0010" },
  { "media", "AI image, video or voice service", "Media service", { "image", "video", "voice" },
    plain, "atlas:AML.T0047" },
  { "platform", "AI infrastructure service", "Infrastructure", { "infra", "observability", "vectordb" },
    plain, "atlas:AML.T0040" },
  { "work", "AI search, writing, meeting or productivity service", "Service",
    { "search", "writing", "meeting", "productivity", "browser" },
    plain, "atlas:AML.T0047" },
}

for _, kind in ipairs(kinds) do
  local id, title, words, categories, severity, tag = unpack(kind)
  rule("ai.service." .. id) {
    title = title .. " used",
    severity = severity.high, type = "service", confidence = 95,
    on = "flow.classified",
    -- A name on a DNS flow is a question, not use: dns/ai_names.lua takes it.
    match = {
      service = { category = categories, conclusive = true },
      host_source = { "sni", "http" },
    },
    params = { sanctioned = sanctioned, from_risk = from_risk },
    when = unsanctioned,
    finding = function(flow)
      return {
        severity = severity[flow.service.risk],
        summary = ("%s %s (%s) at %s"):format(words, flow.service.name, flow.service.vendor, flow.host),
      }
    end,
    throttle = { by = { "src_ip", "service.id", "host" }, every = "10m" },
    indicator = { kind = "tls", weight = 100 },
    tags = { tag },
  }
end
