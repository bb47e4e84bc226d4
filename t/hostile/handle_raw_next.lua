-- Iterating an event by the iterator of pairs.
-- expect: harmless
rule "hostile.handle_raw_next" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    local step = pairs({})
    local k, v = step(flow)
    assert(type(v) == "number" or v == nil)
    return true
  end,
}
