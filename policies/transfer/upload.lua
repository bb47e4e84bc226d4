-- Large uploads to AI services: documents, source trees, recordings.
policy {
  title = "Large upload to an AI service", version = "2",
  description = "Counts whole frames of one connection from its client. Many small ones are added up in " ..
    "transfer/sustained.lua.",
}

-- Services to which large uploads are in order, by their id in the catalogue.
local sanctioned = set {}

local function unsanctioned(flow, params) return not params.sanctioned[flow.service.id] end

local function finding(flow)
  return {
    summary = ("%s sent to %s at %s"):format(bytes(flow.bytes_up), flow.service.name, flow.host),
    details = { bytes_up = flow.bytes_up, bytes_down = flow.bytes_down },
  }
end

local MIB = size "1MiB"

rule "ai.upload.large" {
  title = "Large upload to an AI service",
  severity = "medium", type = "transfer", confidence = 90,
  on = { "flow.update", "flow.end" },
  match = {
    service = { conclusive = true }, host_source = { "sni", "http" },
    bytes_up = { min = MIB, max = 10 * MIB - 1 },
  },
  params = { sanctioned = sanctioned },
  when = unsanctioned,
  finding = finding,
  throttle = { by = { "src_ip", "host" }, every = "1h" },
  tags = { "atlas:AML.T0024", "atlas:AML.T0057" },
}

-- A throttle of its own: an upload that has been reported as large is told again when it became this.
rule "ai.upload.huge" {
  title = "Very large upload to an AI service",
  severity = "high", type = "transfer", confidence = 90,
  on = { "flow.update", "flow.end" },
  match = { service = { conclusive = true }, host_source = { "sni", "http" }, bytes_up = { min = 10 * MIB } },
  params = { sanctioned = sanctioned },
  when = unsanctioned,
  finding = finding,
  throttle = { by = { "src_ip", "host" }, every = "1h" },
  tags = { "atlas:AML.T0024", "atlas:AML.T0057" },
}

rule "ai.upload.inferred" {
  title = "Large upload to an address of an AI service",
  severity = "medium", type = "transfer", confidence = 50,
  on = { "flow.update", "flow.end" }, action = "observe",
  match = { service = { conclusive = true }, host_source = "inferred", bytes_up = { min = MIB } },
  finding = finding,
  throttle = { by = { "src_ip", "host" }, every = "1h" },
  tags = { "atlas:AML.T0024" },
}
