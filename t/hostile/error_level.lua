-- Errors raised at odd levels.
-- expect: error: far
rule "hostile.error_level" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    pcall(error, "x", 1e9)
    pcall(error, "x", -5)
    pcall(error, "x", 0 / 0)
    error("far", 1e6)
  end,
}
