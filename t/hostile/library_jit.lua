-- The library jit.
-- expect: error: 'jit' is not available
rule "hostile.library_jit" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return jit.x
  end,
}
