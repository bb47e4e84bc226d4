-- next beyond the views.
-- expect: harmless
rule "hostile.share_next" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  params = { limit = 1 },
  when = function(flow, params)
    assert(not pcall(next, flow))
    local k, v = next(params)
    assert(k == "limit" and v == 1)
    local step = pairs(params)
    assert(not pcall(step, {}))
    return true
  end,
}
