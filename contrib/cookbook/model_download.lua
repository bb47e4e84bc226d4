-- Finds   a model that comes in: 1 GiB and more from a model hub on one connection, or a model file of
--         that size on a host.
-- Misses  parts fetched over many connections (sum them up as daily_quota.lua does), and models that
--         come from elsewhere. The `file` rule is for the sensors of `run` and `scan`; a replay has none.
-- Change  the sizes; the folder in which models may be; the machines that may fetch them.
policy { title = "Models downloaded", version = "1" }

rule "cookbook.model_download" {
  title = "Model downloaded from a hub",
  severity = "medium", type = "transfer", confidence = 85,
  on = { "flow.update", "flow.end" }, -- while it runs, and short ones at their end
  match = {
    service = { category = "hub", conclusive = true }, host_source = { "sni", "http" },
    bytes_down = { min = "1GiB" }, src_ip = { none = { "10.60.0.10", "10.60.1.0/24" } },
  },
  finding = function(flow)
    return { summary = ("%s fetched %s from %s within %s"):format(
      flow.src_ip, bytes(flow.bytes_down), flow.host, duration(flow.duration)) }
  end,
  throttle = { by = { "src_ip", "service.id" }, every = "6h" },
  tags = { "atlas:AML.T0010" },
}

rule "cookbook.model_download.file" {
  title = "Model file on a host",
  severity = "low", type = "local_model", confidence = 85,
  on = "file",
  match = {
    file = { kind = "model", op = { "found", "created" }, size = { min = "1GiB" } },
    none = { { file = { path = { prefix = "/srv/models/" } } } },
  },
  finding = function(flow)
    return { summary = ("Model of %s at %s"):format(bytes(flow.file.size), flow.file.path) }
  end,
  throttle = { by = "file.path", every = "7d" },
}
