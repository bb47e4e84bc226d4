-- A throttle of a microsecond.
-- expect: harmless
rule "hostile.throttle_tiny" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  throttle = { by = { "src_ip", "src_port", "dst_ip", "dst_port", "host", "service" }, every = 0.000001 },
  when = function(flow, params)
    return true
  end,
}
