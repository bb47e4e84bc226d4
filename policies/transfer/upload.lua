-- Large uploads to AI services: documents, source trees, recordings.
policy {
  title = "Large upload to an AI service", version = "1",
  description = "Counts whole frames of one connection from its client; an upload spread over many " ..
    "connections is not added up here.",
}

local function summary(flow)
  return { summary = ("%s sent to %s at %s"):format(bytes(flow.bytes_up), flow.service.name, flow.host),
    details = { bytes_up = flow.bytes_up, bytes_down = flow.bytes_down } }
end

rule "ai.upload.large" {
  title = "Large upload to an AI service", severity = "high", type = "transfer", confidence = 90,
  on = { "flow.update", "flow.end" },
  match = { service = { conclusive = true }, host_source = { "sni", "http" }, bytes_up = { min = "1MiB" } },
  finding = summary,
  throttle = { by = { "src_ip", "host" }, every = "10m" },
  tags = { "atlas:AML.T0024", "atlas:AML.T0057" },
}

rule "ai.upload.inferred" {
  title = "Large upload to an address of an AI service",
  severity = "medium", type = "transfer", confidence = 50,
  on = { "flow.update", "flow.end" }, action = "observe",
  match = { service = { conclusive = true }, host_source = "inferred", bytes_up = { min = "1MiB" } },
  finding = summary,
  throttle = { by = { "src_ip", "host" }, every = "10m" },
  tags = { "atlas:AML.T0024" },
}
