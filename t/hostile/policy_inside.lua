-- A policy declared from within a rule, again and again.
-- expect: error: not later
rule "hostile.policy_inside" {
  title = "hostile", severity = "info", on = "flow.classified",
  match = { host = "huggingface.co" },
  when = function(flow, params)
    policy { title = "x" }
    return true
  end,
}
