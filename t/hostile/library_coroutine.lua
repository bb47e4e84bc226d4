-- The library coroutine.
-- expect: error: 'coroutine' is not available
rule "hostile.library_coroutine" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return coroutine.x
  end,
}
