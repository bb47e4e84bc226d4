-- A finding that is a function.
-- expect: error: returned a function
rule "hostile.finding_strange" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return function() end
  end,
}
