-- A finding that holds itself.
-- expect: error: details.self takes
rule "hostile.finding_cyclic" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    local t = {}
    t.self = t
    return { details = t }
  end,
}
