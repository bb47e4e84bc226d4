-- A finding with a key that nobody knows.
-- expect: error: unknown key
rule "hostile.finding_unknown" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    return true
  end,
  finding = function(flow, params)
    return { sumary = "x" }
  end,
}
