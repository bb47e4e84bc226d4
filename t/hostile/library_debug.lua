-- The library debug.
-- expect: error: 'debug' is not available
rule "hostile.library_debug" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return debug.x
  end,
}
