-- Many small uploads that together are a large one.
policy {
  title = "Sustained upload to an AI service", version = "1",
  description = "Adds up what a client sent to one service over an hour, connection by connection as they " ..
    "end. Connections of 1 MiB and more are transfer/upload.lua's, and are not counted here.",
}

rule "ai.upload.sustained" {
  title = "Sustained upload to an AI service",
  severity = "medium", type = "transfer", confidence = 85,
  on = "flow.end",
  match = {
    service = { conclusive = true }, host_source = { "sni", "http" }, bytes_up = { max = size "1MiB" - 1 },
  },
  params = { bytes = size "10MiB", within = "1h", sanctioned = set {} },
  when = function(flow, params)
    if params.sanctioned[flow.service.id] then return false end
    local key = (flow.user or flow.src_ip) .. "|" .. flow.service.id
    return state.sum(key, flow.bytes_up, params.within) >= params.bytes
  end,
  finding = function(flow, params)
    local client = flow.user or flow.src_ip
    local sum = state.get(client .. "|" .. flow.service.id, params.within)
    return {
      summary = ("%s sent %s to %s within %s, in small pieces"):format(client, bytes(sum), flow.service.name,
        params.within),
      details = { bytes_in_all = sum },
    }
  end,
  throttle = { by = { "user", "src_ip", "service.id" }, every = "1h" },
  tags = { "atlas:AML.T0024", "atlas:AML.T0057" },
}
