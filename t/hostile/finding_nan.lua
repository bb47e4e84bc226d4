-- A detail that is not a number.
-- expect: error: not a finite number
rule "hostile.finding_nan" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return { details = { ratio = 0 / 0 } }
  end,
}
