-- A throttle of a year.
-- expect: harmless
rule "hostile.throttle_long" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  throttle = { by = "src_ip", every = "365d" },
  when = function(flow, params)
    return true
  end,
}
