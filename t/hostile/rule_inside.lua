-- A rule declared from within a rule.
-- expect: error: not later
rule "hostile.rule_inside" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    rule "hostile.inner" { title = "x", severity = "low", on = "flow.end" }
    return true
  end,
}
