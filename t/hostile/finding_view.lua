-- A finding that is a view.
-- expect: error: returned a userdata
rule "hostile.finding_view" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return params
  end,
}
