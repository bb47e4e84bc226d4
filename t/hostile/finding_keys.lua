-- Details whose names are numbers.
-- expect: error: named by texts
rule "hostile.finding_keys" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return { details = { "one", "two" } }
  end,
}
