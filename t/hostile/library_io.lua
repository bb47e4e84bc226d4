-- The library io.
-- expect: error: 'io' is not available
rule "hostile.library_io" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return io.x
  end,
}
